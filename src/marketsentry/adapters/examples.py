"""The example plugins: shipped inside the wheel, and beside the package in a source checkout."""

from pathlib import Path

from marketsentry.exceptions import NotFoundError

PACKAGE = Path(__file__).resolve().parents[1]
PLACES = (PACKAGE / "examples", PACKAGE.parents[1] / "examples")


def example_file(name: str) -> Path:
    """Find an example by file name; raises `NotFoundError` naming where it looked."""
    found = next((place / name for place in PLACES if (place / name).is_file()), None)
    if found is None:
        raise NotFoundError(f"example {name} is in none of {', '.join(map(str, PLACES))}")
    return found
