"""The code version covers what decides, and nothing else."""

from pathlib import Path

import marketsentry
from marketsentry.adapters.code_version import DECIDING, code_version
from marketsentry.core.lineage import hash_sources


def test_it_is_the_hash_of_every_deciding_source():
    package = Path(marketsentry.__file__).parent
    sources = [
        (path.relative_to(package).as_posix(), path.read_bytes())
        for folder in DECIDING
        for path in (package / folder).rglob("*.py")
    ]
    names = [name for name, _ in sources]
    assert "core/lineage.py" in names
    assert "kernels/features/step.py" in names
    assert code_version() == hash_sources(sources)
    assert code_version() != hash_sources(sources[:-1])
