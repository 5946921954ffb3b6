"""Measure one row in a process of its own: no row warms or bloats another. `python -m benchmarks.run_row NAME`."""

import json
import sys

from benchmarks.registry import load

if __name__ == "__main__":
    rows = load(sys.argv[1])()
    sys.stdout.write("\n" + json.dumps(rows) + "\n")
