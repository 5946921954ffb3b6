"""Features, models and policies by reference: a built-in name, a file, or an installed entry point.

Entry-point groups are `marketsentry.features`, `marketsentry.models` and `marketsentry.policies`. The built-in
parts are found by the same functions. A file that cannot be used is refused with its name and what is wrong with it.
"""

import hashlib
import importlib.util
import inspect
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from marketsentry.core.features.schema import FeatureSchema
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.models.lightgbm_panel import LightGBMPanel
from marketsentry.models.protocol import Model

if TYPE_CHECKING:  # numba is slow to import and nothing for those who load a model
    from marketsentry.core.backtest.policy import UserPolicy
    from marketsentry.core.features.feature_set import FeatureSet

FEATURES_GROUP = "marketsentry.features"
MODELS_GROUP = "marketsentry.models"
POLICIES_GROUP = "marketsentry.policies"
VENUES_GROUP = "marketsentry.venues"
BUILTIN_FEATURES = "builtin"
BUILTIN_POLICY = "builtin"
_MODEL_PARTS = ("name", "accepts_missing", "fit", "predict", "dump", "parse")
_FEATURE_SET_PARTS = ("schema", "new_state", "step", "batch")


def load_feature_set(reference: str) -> "FeatureSet":
    """Find a feature set and compile it.

    Parameters
    ----------
    reference : str
        `builtin`, the path of a Python file, or the name of an entry point. A file (or the module an entry
        point names) has `SCHEMA`, a compiled `step` for one symbol, `STATE_SIZE` where the step keeps state,
        and optionally a vectorised `batch`; or it has a whole `FEATURE_SET`. An entry point may also name a
        feature set itself.

    Returns
    -------
    FeatureSet
        One bar has been run through its step.

    Raises
    ------
    NotFoundError
        If there is no such file or entry point.
    InputError
        If the file does not import, a part is missing, or the step does not compile.
    """
    if reference == BUILTIN_FEATURES:
        from marketsentry.core.features.builtin import BUILTIN

        return BUILTIN
    found = _load(reference, FEATURES_GROUP)
    feature_set = _feature_set_of(found, reference) if isinstance(found, ModuleType) else found
    absent = [part for part in _FEATURE_SET_PARTS if not hasattr(feature_set, part)]
    if absent:
        raise InputError(f"feature set of {reference} lacks {', '.join(absent)}")
    _run_one_bar(cast("FeatureSet", feature_set), reference)
    return cast("FeatureSet", feature_set)


def load_model(reference: str) -> Callable[..., Model]:
    """Find a model class.

    Parameters
    ----------
    reference : str
        `lightgbm_panel`, the path of a Python file, or the name of an entry point. A file names its class
        `MODEL` or defines exactly one class with `fit` and `predict`.

    Returns
    -------
    callable
        The class; called without arguments it gives an unfitted model.

    Raises
    ------
    NotFoundError
        If there is no such file or entry point.
    InputError
        If the file does not import, has no model or several, or the class lacks a part of the protocol.
    """
    if reference == LightGBMPanel.name:
        return LightGBMPanel
    found = _load(reference, MODELS_GROUP)
    model = _model_of(found, reference) if isinstance(found, ModuleType) else found
    absent = [part for part in _MODEL_PARTS if not hasattr(model, part)]
    if absent:
        raise InputError(f"model of {reference} lacks {', '.join(absent)}")
    return cast(Callable[..., Model], model)


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy and where it is from; without SHA-256 and source for the built-in one, whose code is the program's."""

    reference: str
    policy: "UserPolicy"
    code_sha256: str | None
    source: str | None
    compile_s: float


def load_policy(reference: str, *, expected_sha256: str | None = None) -> LoadedPolicy:
    """Find a policy and compile it.

    Parameters
    ----------
    reference : str
        `builtin`, the path of a Python file, or the name of an entry point that names a module. The file has a
        compiled `decide(view, params)`, and `PARAMS`, a tuple of `PolicyParam`, where it has parameters. Its stem is
        the policy's name.
    expected_sha256 : str, optional
        The file must have this SHA-256; checked before any of its code runs.

    Returns
    -------
    LoadedPolicy

    Raises
    ------
    NotFoundError
        If there is no such file or entry point.
    InputError
        If the file does not import, a part is missing, or `decide` does not compile.
    ConflictError
        If the file is not the one expected.
    """
    started = time.perf_counter()
    if reference == BUILTIN_POLICY:
        from marketsentry.core.backtest.builtin_policy import builtin_policy

        policy = builtin_policy()
        return LoadedPolicy(reference, policy, None, None, time.perf_counter() - started)
    path = _policy_path(reference)
    content = path.read_bytes()
    found_sha256 = hashlib.sha256(content).hexdigest()
    if expected_sha256 not in (None, found_sha256):
        raise ConflictError(
            f"{path} is not the policy that was run: SHA-256 {found_sha256}, recorded {expected_sha256}"
        )
    module = _module_of(path)
    policy = _policy_of(module, reference, path.stem)
    seconds = time.perf_counter() - started
    return LoadedPolicy(reference, policy, found_sha256, content.decode(), seconds)


def load_venue_factory(reference: str) -> Callable[[], Any]:
    """Find what makes a venue.

    Parameters
    ----------
    reference : str
        The path of a Python file, or the name of an entry point; `:NAME` behind it names the factory, which is
        `make_venue` otherwise.

    Returns
    -------
    callable
        Called without arguments it gives a venue or a trial of one, or an awaitable of it.

    Raises
    ------
    NotFoundError
        If there is no such file or entry point.
    InputError
        If the file does not import or has no such factory.
    """
    path, _, name = reference.partition(":")
    found = _load(path, VENUES_GROUP)
    factory = getattr(found, name or "make_venue", None) if isinstance(found, ModuleType) else found
    if not callable(factory):
        raise InputError(f"{path} must define {name or 'make_venue'}(), which makes a venue")
    return cast("Callable[[], Any]", factory)


def plugin_code_hash(reference: str) -> str | None:
    """Hash the source of a plugin for lineage; None for a built-in, whose code is the program's own."""
    if reference in (BUILTIN_FEATURES, LightGBMPanel.name):
        return None
    if _is_path(reference):
        return hashlib.sha256(_existing(reference).read_bytes()).hexdigest()
    point = _entry_point(reference, FEATURES_GROUP) or _entry_point(reference, MODELS_GROUP)
    if point is None or point.dist is None:
        raise NotFoundError(f"no installed package offers {reference!r}")
    return hashlib.sha256(f"{point.dist.name}=={point.dist.version}:{point.value}".encode()).hexdigest()


def _load(reference: str, group: str) -> Any:  # whatever the user's file or entry point holds
    if _is_path(reference):
        return _module_of(_existing(reference))
    point = _entry_point(reference, group)
    if point is None:
        known = sorted(one.name for one in entry_points(group=group))
        raise NotFoundError(
            f"{reference!r} is neither a file nor an entry point of {group}; installed: {known or 'none'}"
        )
    try:
        return point.load()
    except Exception as error:  # a package may fail to import in any way
        raise InputError(f"entry point {reference} does not load: {_first_line(error)}") from error


def _entry_point(name: str, group: str) -> EntryPoint | None:
    return next(iter(entry_points(group=group, name=name)), None)


def _is_path(reference: str) -> bool:
    return reference.endswith(".py") or "/" in reference or "\\" in reference


def _existing(reference: str) -> Path:
    path = Path(reference)
    if not path.is_file():
        raise NotFoundError(f"no such file: {reference}")
    return path


def _module_of(path: Path) -> ModuleType:
    """Import a file under a name made of its content, so that an edited file is another module."""
    name = f"marketsentry_plugin_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and numba look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the file is the user's and may fail in any way
        del sys.modules[name]
        raise InputError(f"{path} does not import: {_where(error, path)}{_first_line(error)}") from error
    return module


def _where(error: BaseException, path: Path) -> str:
    """Say `line N: ` where the error points into the file."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"line {error.lineno}: "
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path.resolve():
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f"line {lines[-1]}: " if lines else ""


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _feature_set_of(module: ModuleType, reference: str) -> Any:  # checked by the caller
    from marketsentry.core.features.feature_set import per_symbol_feature_set

    if hasattr(module, "FEATURE_SET"):
        return module.FEATURE_SET
    schema = getattr(module, "SCHEMA", None)
    step = getattr(module, "step", None)
    if not isinstance(schema, FeatureSchema):
        raise InputError(f"{reference} must define SCHEMA, a FeatureSchema (or a whole FEATURE_SET)")
    if step is None:
        raise InputError(f"{reference} must define step(state, bar, ts_ns, context, out)")
    if not hasattr(step, "py_func"):
        raise InputError(f"step of {reference} must be compiled: decorate it with numba.njit")
    return per_symbol_feature_set(
        schema, step, state_size=getattr(module, "STATE_SIZE", 0), batch=getattr(module, "batch", None)
    )


def _policy_path(reference: str) -> Path:
    """Find the file of a policy; that of an entry point is looked up without running it."""
    if _is_path(reference):
        return _existing(reference)
    point = _entry_point(reference, POLICIES_GROUP)
    if point is None:
        known = sorted(one.name for one in entry_points(group=POLICIES_GROUP))
        raise NotFoundError(
            f"{reference!r} is neither a file nor an entry point of {POLICIES_GROUP}; installed: {known or 'none'}"
        )
    try:
        spec = importlib.util.find_spec(point.module)
    except Exception as error:  # the packages around the module run, and may fail in any way
        raise InputError(f"entry point {reference} does not load: {_first_line(error)}") from error
    if point.attr or spec is None or not (spec.origin or "").endswith(".py"):
        raise InputError(
            f"entry point {reference} must name a module that is one Python file, was {point.value}"
        )
    return Path(cast(str, spec.origin))


def _policy_of(module: ModuleType, reference: str, name: str) -> "UserPolicy":
    from marketsentry.core.backtest.policy import PolicyParam, compile_policy

    decide = getattr(module, "decide", None)
    if decide is None:
        raise InputError(f"{reference} must define decide(view, params)")
    params = getattr(module, "PARAMS", ())
    if not isinstance(params, tuple) or not all(isinstance(one, PolicyParam) for one in params):
        raise InputError(f"PARAMS of {reference} must be a tuple of PolicyParam")
    return compile_policy(name, decide, params)


def _model_of(module: ModuleType, reference: str) -> Any:  # checked by the caller
    if hasattr(module, "MODEL"):
        return module.MODEL
    found = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and hasattr(kind, "fit") and hasattr(kind, "predict")
    ]
    if len(found) != 1:
        names = [kind.__name__ for kind in found]
        raise InputError(
            f"{reference} must define one model class or name it MODEL, defines {names or 'none'}"
        )
    return found[0]


def _run_one_bar(feature_set: "FeatureSet", reference: str) -> None:
    """Compile the step, so that a mistake in it is told here and not in the middle of a job."""
    from numba.core.errors import NumbaError

    from marketsentry.core.features.bounds import stays_within_bounds
    from marketsentry.kernels.compiling import why_not
    from marketsentry.kernels.features.fields import N_CONTEXT

    bars, context = np.ones((1, 1, 5)), np.full((1, 1, N_CONTEXT), np.nan)
    try:
        is_sound = stays_within_bounds(feature_set, bars, np.zeros(1, dtype=np.int64), context)
    except NumbaError as error:
        raise InputError(f"step of {reference} does not compile: {why_not(error)}") from error
    if not is_sound:
        n_features = len(feature_set.schema.features)
        raise InputError(f"step of {reference} writes beyond its {n_features} columns or its state")
