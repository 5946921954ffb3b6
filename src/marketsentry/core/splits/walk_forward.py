"""Walk-forward: train on the past, test on what follows, with a gap no label can cross.

Rows are bars. The label of row t looks at bars t+1 .. t+horizon, so a training row closer to a test span
than the longest horizon has seen into it. `purge_bars` rows before every test span are dropped for that,
and the embargo widens the gap for whatever correlation reaches further than the label (slow features, slow
fills).
"""

from dataclasses import dataclass

from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class Fold:
    """One training span and the test span judged with it; both are ranges of bars (`stop` exclusive)."""

    index: int
    train: slice
    test: slice


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Folds in time order, and the last block that none of them touches.

    `final` trains on all bars that the folds may use and tests on the block kept back; no label of any row
    in a fold reaches into that block. None when no block was kept back.
    """

    folds: tuple[Fold, ...]
    final: Fold | None
    purge_bars: int


def purge_length(*, horizon_bars: int, embargo_bars: int = 0, purge_bars: int | None = None) -> int:
    """Give the gap between training and test rows, refusing one that a label could cross.

    Parameters
    ----------
    horizon_bars
        The longest label horizon in use, in bars, >= 1.
    embargo_bars
        Further bars to drop beside a test span, >= 0.
    purge_bars
        The gap wanted, in bars; horizon plus embargo if left out.

    Returns
    -------
    int
        The gap in bars.

    Raises
    ------
    InputError
        If `purge_bars` is shorter than horizon plus embargo, or a length is out of range.
    """
    if horizon_bars < 1:
        raise InputError(f"horizon_bars must be >= 1, was {horizon_bars}")
    if embargo_bars < 0:
        raise InputError(f"embargo_bars must be >= 0, was {embargo_bars}")
    needed = horizon_bars + embargo_bars
    if purge_bars is None:
        return needed
    if purge_bars < needed:
        raise InputError(
            f"purge_bars must be >= longest label horizon {horizon_bars} + embargo {embargo_bars} = {needed}"
            f", was {purge_bars}"
        )
    return purge_bars


def walk_forward(
    n_bars: int,
    *,
    n_folds: int,
    horizon_bars: int,
    embargo_bars: int = 0,
    purge_bars: int | None = None,
    final_bars: int = 0,
    rolling: bool = False,
) -> WalkForward:
    """Cut a history into `n_folds` equal test spans that follow one another without a hole.

    Parameters
    ----------
    n_bars
        Length of the history.
    n_folds
        Number of test spans, >= 1. Each is ``1 / (n_folds + 1)`` of the bars before the final block,
        rounded down; what is left over lengthens the first training span.
    horizon_bars
        The longest label horizon in use, in bars, >= 1.
    embargo_bars
        Further bars to drop beside a test span, >= 0.
    purge_bars
        The gap wanted, in bars; horizon plus embargo if left out.
    final_bars
        Length of the untouched last block; 0 keeps none.
    rolling
        Train on a window as long as the first training span instead of on everything before the test span.

    Returns
    -------
    WalkForward

    Raises
    ------
    InputError
        If the purge is too short, or the history cannot hold the folds.

    Examples
    --------
    >>> walk_forward(110, n_folds=2, horizon_bars=3, final_bars=17).folds[0]
    Fold(index=0, train=slice(0, 27, None), test=slice(30, 60, None))
    """
    gap = purge_length(horizon_bars=horizon_bars, embargo_bars=embargo_bars, purge_bars=purge_bars)
    if n_folds < 1:
        raise InputError(f"n_folds must be >= 1, was {n_folds}")
    usable = _bars_before_final(n_bars, final_bars, gap)
    test_bars = usable // (n_folds + 1)
    first_test = usable - n_folds * test_bars
    if test_bars < 1 or first_test - gap < 1:
        raise InputError(
            f"n_bars must hold {n_folds} folds, a purge of {gap} and a final block of {final_bars} bars, "
            f"was {n_bars}"
        )
    folds = []
    for k in range(n_folds):
        start = first_test + k * test_bars
        oldest = k * test_bars if rolling else 0
        folds.append(Fold(k, slice(oldest, start - gap), slice(start, start + test_bars)))
    return WalkForward(tuple(folds), _final_fold(n_bars, final_bars, usable, n_folds), gap)


def walk_forward_windows(
    n_bars: int,
    *,
    train_bars: int,
    test_bars: int,
    step_bars: int | None = None,
    horizon_bars: int,
    embargo_bars: int = 0,
    purge_bars: int | None = None,
    final_bars: int = 0,
    rolling: bool = True,
) -> WalkForward:
    """Slide windows of stated lengths: train ``[s, s + train)``, test ``[s + train + purge, + test)``.

    Parameters
    ----------
    n_bars
        Length of the history.
    train_bars
        Length of a training span, >= 1. With `rolling` false the training span always begins at bar 0.
    test_bars
        Length of a test span, >= 1.
    step_bars
        How far ``s`` moves per fold; `test_bars` if left out, so that test spans touch. Shorter than
        `test_bars` is refused: a bar would be judged twice.
    horizon_bars
        The longest label horizon in use, in bars, >= 1.
    embargo_bars
        Further bars to drop beside a test span, >= 0.
    purge_bars
        The gap wanted, in bars; horizon plus embargo if left out.
    final_bars
        Length of the untouched last block; 0 keeps none.
    rolling
        Whether old training bars are dropped as the window moves.

    Returns
    -------
    WalkForward
        Only whole test spans; at least one.

    Raises
    ------
    InputError
        If a length is out of range, the purge is too short, or not even one fold fits.
    """
    gap = purge_length(horizon_bars=horizon_bars, embargo_bars=embargo_bars, purge_bars=purge_bars)
    step = test_bars if step_bars is None else step_bars
    for name, value, limit in (
        ("train_bars", train_bars, 1),
        ("test_bars", test_bars, 1),
        ("step_bars", step, test_bars),
    ):
        if value < limit:
            raise InputError(f"{name} must be >= {limit}, was {value}")
    usable = _bars_before_final(n_bars, final_bars, gap)
    starts = range(0, usable - train_bars - gap - test_bars + 1, step)
    if not starts:
        raise InputError(
            f"n_bars must be >= {train_bars + gap + test_bars + n_bars - usable} for one fold "
            f"(train {train_bars}, purge {gap}, test {test_bars}, final {final_bars}), was {n_bars}"
        )
    folds = []
    for k, s in enumerate(starts):
        test = slice(s + train_bars + gap, s + train_bars + gap + test_bars)
        folds.append(Fold(k, slice(s if rolling else 0, s + train_bars), test))
    return WalkForward(tuple(folds), _final_fold(n_bars, final_bars, usable, len(folds)), gap)


def _bars_before_final(n_bars: int, final_bars: int, gap: int) -> int:
    """Count bars whose labels end before the final block."""
    if final_bars < 0:
        raise InputError(f"final_bars must be >= 0, was {final_bars}")
    return n_bars - final_bars - gap if final_bars else n_bars


def _final_fold(n_bars: int, final_bars: int, usable: int, index: int) -> Fold | None:
    if not final_bars:
        return None
    return Fold(index, slice(0, usable), slice(n_bars - final_bars, n_bars))
