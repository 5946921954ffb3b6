"""Runs a peer where one is installed: in the environment that `BENCH_PEERS_PYTHON` names, else `.venv-peers`."""

import json
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
DEFAULT_PYTHON = HERE.parents[1] / ".venv-peers" / "bin" / "python"
LIMIT_S = 600


def peer_value(script: str) -> float | None:
    """Give the `value` that a peer's script prints as JSON, None where the peer is not installed."""
    python = Path(os.environ.get("BENCH_PEERS_PYTHON", DEFAULT_PYTHON))
    if not python.exists():
        return None
    command = (str(python), str(HERE / f"{script}.py"))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        return None
    return float(json.loads(done.stdout.strip().splitlines()[-1])["value"])
