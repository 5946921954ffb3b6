"""Row ids on the wire: every number that a row could have; one that no row has is not found."""

from typing import Annotated

from pydantic import Field

MAX_ID = 2**63 - 1

RowId = Annotated[int, Field(ge=-MAX_ID, le=MAX_ID)]
