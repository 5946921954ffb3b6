"""Compiled kernels: arrays in, numbers or arrays out; no checks, no exceptions, no objects.

numba caches machine code by the file of the function it compiled and does not see edits in other files that the
function calls. So the cache folder is keyed by a hash of every kernel source: an edit anywhere compiles anew. It lies
in `NUMBA_CACHE_DIR` if that is set, else beside the sources, else (a read-only installation, whose sources do not
change) where numba puts it by itself.
"""

import hashlib
import tempfile
from pathlib import Path

from numba import config

_HERE = Path(__file__).parent


def _sources_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(_HERE.rglob("*.py")):
        digest.update(path.relative_to(_HERE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _use_keyed_cache() -> None:
    given: str = config.CACHE_DIR  # type: ignore[attr-defined]  # numba sets its options at run time
    folder = Path(given or _HERE / "__pycache__") / f"kernels-{_sources_hash()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    except OSError:
        return


_use_keyed_cache()
