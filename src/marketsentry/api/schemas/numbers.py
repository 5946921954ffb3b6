"""Decimals on the wire: JSON numbers, told as such and nothing else."""

from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


class JsonNumber:
    """Marks a decimal whose schema is that of its number; texts of digits are read too, and bounded by `max_digits`."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        told = handler(schema)
        return next((one for one in told.get("anyOf", ()) if one.get("type") == "number"), told)
