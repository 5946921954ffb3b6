"""The one door to ccxt, which brings in a venue when it is asked for, and not its hundred others.

Importing `ccxt.pro` reads three classes for each of more than a hundred venues: 0.6 s of processor time and 55 MiB in
every process that trades, and 6 s after an installation. Three packages hold nothing but lines such as
``from ccxt.pro.bitget import bitget``; here they are run without those lines, and the class that a line names is
imported when it is looked up. What a package holds is the same, and a test compares it with the ordinary import.
"""

import ast
import importlib
import sys
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import Lock
from types import ModuleType
from typing import Any, Literal

PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro")
_lock = Lock()


def import_ccxt(package: Literal["ccxt.async_support", "ccxt.pro"]) -> Any:  # Any: ccxt is not typed
    """Import a package of ccxt; one that was imported already is given as it is.

    Parameters
    ----------
    package
        `ccxt.async_support` for requests, `ccxt.pro` for streams as well.

    Returns
    -------
    Any
        The package; a venue is an attribute of it.
    """
    with _lock:
        finder = VenuesOnDemand()
        sys.meta_path.insert(0, finder)
        try:
            return importlib.import_module(package)
        finally:
            sys.meta_path.remove(finder)


class VenuesOnDemand(MetaPathFinder):
    """Finds the packages of ccxt for whoever imports them while it stands in `sys.meta_path`."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a package of ccxt; of nothing else is anything known here."""
        if fullname not in PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, InspectLoader):
            spec.loader = _Loader(spec.loader)
        return spec


class _Package(ModuleType):
    """A package whose venues are imported when they are looked up."""

    _later: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._later:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        venue = getattr(importlib.import_module(self._later[name]), name)
        super().__setattr__(name, venue)
        return venue

    def __setattr__(self, name: str, value: object) -> None:
        """Leave a venue's name to its class: importing a module binds the module to it."""
        if not (isinstance(value, ModuleType) and name in self._later):
            super().__setattr__(name, value)


class _Loader(Loader):
    def __init__(self, ordinary: InspectLoader) -> None:
        self._ordinary = ordinary

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        package = _Package(spec.name)
        package.__dict__["_later"] = {}
        return package

    def exec_module(self, module: ModuleType) -> None:
        source = self._ordinary.get_source(module.__name__)
        if source is None:  # only byte code is installed
            self._ordinary.exec_module(module)
            return
        tree = ast.parse(source)
        later = {line: name for line in tree.body if (name := _venue_of(line, module.__name__))}
        tree.body = [line for line in tree.body if line not in later]
        module.__dict__["_later"] |= {name: f"{module.__name__}.{name}" for name in later.values()}
        exec(compile(tree, str(module.__file__), "exec"), module.__dict__)


def _venue_of(line: ast.stmt, package: str) -> str | None:
    """Read `from PACKAGE.NAME import NAME`."""
    if not isinstance(line, ast.ImportFrom) or len(line.names) != 1 or line.names[0].asname:
        return None
    name = line.names[0].name
    return name if line.module == f"{package}.{name}" else None
