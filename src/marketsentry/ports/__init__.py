"""What the services need of the world, as Protocols; the adapters implement them, the tests fake them.

The stores are named here and imported by those who use them: together they bring most of the core.
"""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from marketsentry.ports.artifacts import ArtifactRef, Artifacts
from marketsentry.ports.clock import Clock
from marketsentry.ports.entropy import Entropy

if TYPE_CHECKING:
    from marketsentry.ports.account_audit import AccountAudit
    from marketsentry.ports.account_lists import AccountLists
    from marketsentry.ports.accounts import AccountStore
    from marketsentry.ports.attribution import AttributionStore
    from marketsentry.ports.audits import AuditStore
    from marketsentry.ports.bars import BarStore
    from marketsentry.ports.books import BookStore
    from marketsentry.ports.costs import CostStore
    from marketsentry.ports.datasets import DatasetStore
    from marketsentry.ports.decisions import DecisionStore
    from marketsentry.ports.entities import EntityStore
    from marketsentry.ports.event_quality import EventQualityStore
    from marketsentry.ports.events import EventStore
    from marketsentry.ports.funding import FundingStore
    from marketsentry.ports.imports import ImportStore
    from marketsentry.ports.lineage import LineageStore
    from marketsentry.ports.models import ModelStore
    from marketsentry.ports.orders import OrderStore
    from marketsentry.ports.paper import PaperStore
    from marketsentry.ports.predictions import PredictionStore
    from marketsentry.ports.risk import RiskStore
    from marketsentry.ports.runs import RunStore
    from marketsentry.ports.serving import ServingStore
    from marketsentry.ports.signals import SignalStore
    from marketsentry.ports.sweeps import SweepStore
    from marketsentry.ports.synthetic import SyntheticStore
    from marketsentry.ports.trader import TraderStore

__all__ = ["ArtifactRef", "Artifacts", "Clock", "Entropy", "Stores", "Transactions"]


class Stores(Protocol):
    """The repositories of one open transaction; they are of no use after it."""

    @property
    def accounts(self) -> "AccountStore":
        """Accounts: positions, cash, fills, ledger, equity."""
        ...

    @property
    def account_audit(self) -> "AccountAudit":
        """Accounts to be added up again."""
        ...

    @property
    def account_lists(self) -> "AccountLists":
        """Pages of positions, fills, ledger and equity."""
        ...

    @property
    def attribution(self) -> "AttributionStore":
        """What the attribution of profit reads."""
        ...

    @property
    def bars(self) -> "BarStore":
        """Bars and the manifest of series."""
        ...

    @property
    def books(self) -> "BookStore":
        """Order books."""
        ...

    @property
    def imports(self) -> "ImportStore":
        """Files that were imported."""
        ...

    @property
    def events(self) -> "EventStore":
        """Events with their entities, funding rates, trades."""
        ...

    @property
    def funding(self) -> "FundingStore":
        """Payments for positions, and who held them."""
        ...

    @property
    def entities(self) -> "EntityStore":
        """Who events are about."""
        ...

    @property
    def event_quality(self) -> "EventQualityStore":
        """How good events are, and what reviewers said."""
        ...

    @property
    def audits(self) -> "AuditStore":
        """Results of the data-quality gate and download checkpoints."""
        ...

    @property
    def costs(self) -> "CostStore":
        """What own orders cost, and the fits made of it."""
        ...

    @property
    def datasets(self) -> "DatasetStore":
        """Datasets, snapshots, indicators, labelled samples."""
        ...

    @property
    def decisions(self) -> "DecisionStore":
        """Decisions and the books that they want."""
        ...

    @property
    def lineage(self) -> "LineageStore":
        """Snapshots of two writers, side by side."""
        ...

    @property
    def models(self) -> "ModelStore":
        """Registered models."""
        ...

    @property
    def predictions(self) -> "PredictionStore":
        """Predictions with their explanations."""
        ...

    @property
    def orders(self) -> "OrderStore":
        """Orders with their events and fills."""
        ...

    @property
    def risk(self) -> "RiskStore":
        """The kill switch, risk events, limits in force."""
        ...

    @property
    def paper(self) -> "PaperStore":
        """The books of the paper venue."""
        ...

    @property
    def runs(self) -> "RunStore":
        """Backtest runs."""
        ...

    @property
    def serving(self) -> "ServingStore":
        """What a live prediction reads and writes."""
        ...

    @property
    def signals(self) -> "SignalStore":
        """What predictions were taken to mean."""
        ...

    @property
    def sweeps(self) -> "SweepStore":
        """Settings of sweeps, each a trial."""
        ...

    @property
    def synthetic(self) -> "SyntheticStore":
        """Origins of synthetic series."""
        ...

    @property
    def trader(self) -> "TraderStore":
        """States of traders."""
        ...


class Transactions(Protocol):
    """Opens a transaction: it commits when the block ends well and rolls back when an exception leaves it."""

    def __call__(self) -> AbstractAsyncContextManager[Stores]:
        """Return the context manager of one transaction."""
        ...
