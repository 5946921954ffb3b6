"""Balances by owner and coin. What one owner loses another gains: nothing appears but by a deposit."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from marketsentry.simexchange.orders import Reject, Rejected

MARKET = "market"  # the makers and takers that are no client's; it may owe
FEES = "fees"  # where fees go
CLEARING = "clearing"  # pays and takes the gains and losses of perpetuals

HOUSE = frozenset({MARKET, FEES, CLEARING})


class Ledger:
    """Available and held amounts. Only owners of the house may go below zero."""

    def __init__(self) -> None:
        self._available: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.deposited: dict[str, Decimal] = defaultdict(Decimal)

    def deposit(self, owner: str, coin: str, amount: Decimal) -> None:
        """Bring an amount in from outside; a negative one takes it out."""
        self._available[owner, coin] += amount
        self.deposited[coin] += amount

    def available(self, owner: str, coin: str) -> Decimal:
        """Amount that is free."""
        return self._available.get((owner, coin), Decimal(0))

    def held(self, owner: str, coin: str) -> Decimal:
        """Amount that open orders keep back."""
        return self._held.get((owner, coin), Decimal(0))

    def total(self, owner: str, coin: str) -> Decimal:
        """Free and held amount together."""
        return self.available(owner, coin) + self.held(owner, coin)

    def coins(self, owner: str) -> list[str]:
        """Coins that an owner has ever had, in alphabetical order."""
        return sorted({coin for who, coin in self._available if who == owner})

    def owners(self) -> Iterable[str]:
        """Everybody with an account, the house included."""
        return {who for who, _ in self._available}

    def hold(self, owner: str, coin: str, amount: Decimal, *, credit: Decimal = Decimal(0)) -> None:
        """Keep an amount back; refuse it where less than that is free. `credit` adds to what counts as free.

        Nothing can always be held, even by who owes: closing must work.
        """
        free = self.available(owner, coin) + credit
        if amount and owner not in HOUSE and not amount <= free:
            raise Rejected(Reject.INSUFFICIENT_FUNDS, f"{amount} {coin} needed, {free} available")
        self._available[owner, coin] -= amount
        self._held[owner, coin] += amount

    def release(self, owner: str, coin: str, amount: Decimal) -> None:
        """Free an amount that was held."""
        self._held[owner, coin] -= amount
        self._available[owner, coin] += amount

    def move(self, giver: str, taker: str, coin: str, amount: Decimal) -> None:
        """Pay from what the giver has free."""
        self._available[giver, coin] -= amount
        self._available[taker, coin] += amount
