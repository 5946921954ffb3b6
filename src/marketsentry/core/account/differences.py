"""Where stored rows of an account are not what its entries add up to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.account.position import Position
from marketsentry.core.account.rebuild import Rebuilt, RebuiltMark, Trip

_POSITION_FIELDS = (
    "qty",
    "average_price",
    "realised_quote",
    "fee_quote",
    "funding_quote",
    "trip_quote",
    "n_trips",
    "losing_streak",
)
_TRIP_FIELDS = ("strategy_id", "target", "gain_quote", "ended_at")


@dataclass(frozen=True, slots=True)
class StoredBook:
    """Rows of one account: positions by (strategy, target), cash by (strategy, currency), trips, marks by row id."""

    positions: Mapping[tuple[str, str], Position]
    cash: Mapping[tuple[str, str], Decimal]
    trips: Sequence[Trip]
    marks: Mapping[int, RebuiltMark]


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure as it is stored and as the entries say.

    `what` is `position`, `cash`, `trip`, `equity` or `entry`.
    """

    what: str
    name: str
    field: str
    stored: str | None
    rebuilt: str | None


def differences(stored: StoredBook, built: Rebuilt) -> list[Difference]:
    """Compare every row; equal rows say nothing.

    Parameters
    ----------
    stored
        What the tables hold.
    built
        What entries add up to.

    Returns
    -------
    list of Difference
        Positions, cash, trips, equity, entries. A figure is compared as the exact decimal that it is.
    """
    return [
        *_positions(stored.positions, built),
        *_cash(stored.cash, built),
        *_trips(stored.trips, built.trips),
        *_marks(stored.marks, built.marks),
        *(Difference("entry", str(one), "amount", "other", "as its fill says") for one in built.unsettled),
    ]


def _positions(stored: Mapping[tuple[str, str], Position], built: Rebuilt) -> Iterator[Difference]:
    rebuilt = {
        (strategy_id, target): position
        for strategy_id, book in built.books.items()
        for target, position in book.positions.items()
    }
    for key in sorted({*stored, *rebuilt}):
        have, want = stored.get(key, Position()), rebuilt.get(key, Position())
        yield from _fields("position", " ".join(key), _POSITION_FIELDS, have, want)


def _cash(stored: Mapping[tuple[str, str], Decimal], built: Rebuilt) -> Iterator[Difference]:
    rebuilt = {
        (strategy_id, currency): amount
        for strategy_id, book in built.books.items()
        for currency, amount in book.cash.items()
    }
    for key in sorted({*stored, *rebuilt}):
        have, want = stored.get(key, Decimal(0)), rebuilt.get(key, Decimal(0))
        if have != want:
            yield Difference("cash", " ".join(key), "amount", str(have), str(want))


def _trips(stored: Sequence[Trip], rebuilt: Sequence[Trip]) -> Iterator[Difference]:
    have, want = ({trip.fill_id: trip for trip in trips} for trips in (stored, rebuilt))
    for fill_id in sorted({*have, *want}):
        name = f"fill {fill_id}"
        if fill_id not in have or fill_id not in want:
            there, wanted = (None if fill_id not in one else "there" for one in (have, want))
            yield Difference("trip", name, "row", there, wanted)
            continue
        yield from _fields("trip", name, _TRIP_FIELDS, have[fill_id], want[fill_id])


def _marks(
    stored: Mapping[int, RebuiltMark], rebuilt: Mapping[int, RebuiltMark | None]
) -> Iterator[Difference]:
    for number, have in sorted(stored.items()):
        want = rebuilt.get(number)
        if want is None:
            yield Difference("equity", str(number), "row", str(have.equity.equity_quote), None)
            continue
        yield from _fields("equity", str(number), ("cash_quote", "gross_quote"), have, want)
        names = ("equity_quote", "peak_quote", "day_start_quote")
        yield from _fields("equity", str(number), names, have.equity, want.equity)


def _fields(what: str, name: str, fields: Sequence[str], have: object, want: object) -> Iterator[Difference]:
    for field in fields:
        stored, rebuilt = getattr(have, field), getattr(want, field)
        if stored != rebuilt:
            yield Difference(what, name, field, str(stored), str(rebuilt))
