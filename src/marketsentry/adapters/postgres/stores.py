"""The stores of one open transaction; each is made, and its module imported, when it is first asked for."""

from functools import cached_property
from typing import TYPE_CHECKING

from marketsentry.adapters.postgres.statements import Statements

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


class PostgresStores:
    """Everything that can be read and written in one transaction.

    Parameters
    ----------
    statements
        Of it.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    @cached_property
    def accounts(self) -> "AccountStore":
        """Accounts: positions, cash, fills, ledger, equity."""
        from marketsentry.adapters.postgres.accounts import PostgresAccountStore

        return PostgresAccountStore(self._statements)

    @cached_property
    def account_audit(self) -> "AccountAudit":
        """Accounts to be added up again."""
        from marketsentry.adapters.postgres.account_audit import PostgresAccountAudit

        return PostgresAccountAudit(self._statements)

    @cached_property
    def account_lists(self) -> "AccountLists":
        """Pages of positions, fills, ledger and equity."""
        from marketsentry.adapters.postgres.account_lists import PostgresAccountLists

        return PostgresAccountLists(self._statements)

    @cached_property
    def attribution(self) -> "AttributionStore":
        """What the attribution of profit reads."""
        from marketsentry.adapters.postgres.attribution import PostgresAttributionStore

        return PostgresAttributionStore(self._statements)

    @cached_property
    def bars(self) -> "BarStore":
        """Bars and the manifest of series."""
        from marketsentry.adapters.postgres.bars import PostgresBarStore

        return PostgresBarStore(self._statements)

    @cached_property
    def books(self) -> "BookStore":
        """Order books."""
        from marketsentry.adapters.postgres.books import PostgresBookStore

        return PostgresBookStore(self._statements)

    @cached_property
    def imports(self) -> "ImportStore":
        """Files that were imported."""
        from marketsentry.adapters.postgres.imports import PostgresImportStore

        return PostgresImportStore(self._statements)

    @cached_property
    def events(self) -> "EventStore":
        """Events with their entities, funding rates, trades."""
        from marketsentry.adapters.postgres.events import PostgresEventStore

        return PostgresEventStore(self._statements)

    @cached_property
    def funding(self) -> "FundingStore":
        """Payments for positions, and who held them."""
        from marketsentry.adapters.postgres.funding import PostgresFundingStore

        return PostgresFundingStore(self._statements)

    @cached_property
    def entities(self) -> "EntityStore":
        """Who events are about."""
        from marketsentry.adapters.postgres.entities import PostgresEntityStore

        return PostgresEntityStore(self._statements)

    @cached_property
    def event_quality(self) -> "EventQualityStore":
        """How good events are, and what reviewers said."""
        from marketsentry.adapters.postgres.event_quality import PostgresEventQualityStore

        return PostgresEventQualityStore(self._statements)

    @cached_property
    def audits(self) -> "AuditStore":
        """Results of the data-quality gate and download checkpoints."""
        from marketsentry.adapters.postgres.audits import PostgresAuditStore

        return PostgresAuditStore(self._statements)

    @cached_property
    def costs(self) -> "CostStore":
        """What own orders cost, and the fits made of it."""
        from marketsentry.adapters.postgres.costs import PostgresCostStore

        return PostgresCostStore(self._statements)

    @cached_property
    def datasets(self) -> "DatasetStore":
        """Datasets, snapshots, indicators, labelled samples."""
        from marketsentry.adapters.postgres.datasets import PostgresDatasetStore

        return PostgresDatasetStore(self._statements)

    @cached_property
    def decisions(self) -> "DecisionStore":
        """Decisions and the books that they want."""
        from marketsentry.adapters.postgres.decisions import PostgresDecisionStore

        return PostgresDecisionStore(self._statements)

    @cached_property
    def lineage(self) -> "LineageStore":
        """Snapshots of two writers, side by side."""
        from marketsentry.adapters.postgres.lineage import PostgresLineageStore

        return PostgresLineageStore(self._statements)

    @cached_property
    def models(self) -> "ModelStore":
        """Registered models."""
        from marketsentry.adapters.postgres.models import PostgresModelStore

        return PostgresModelStore(self._statements)

    @cached_property
    def predictions(self) -> "PredictionStore":
        """Predictions with their explanations."""
        from marketsentry.adapters.postgres.predictions import PostgresPredictionStore

        return PostgresPredictionStore(self._statements)

    @cached_property
    def orders(self) -> "OrderStore":
        """Orders with their events and fills."""
        from marketsentry.adapters.postgres.orders import PostgresOrderStore

        return PostgresOrderStore(self._statements)

    @cached_property
    def risk(self) -> "RiskStore":
        """The kill switch, risk events, limits in force."""
        from marketsentry.adapters.postgres.risk import PostgresRiskStore

        return PostgresRiskStore(self._statements)

    @cached_property
    def paper(self) -> "PaperStore":
        """The books of the paper venue."""
        from marketsentry.adapters.postgres.paper import PostgresPaperStore

        return PostgresPaperStore(self._statements)

    @cached_property
    def runs(self) -> "RunStore":
        """Backtest runs."""
        from marketsentry.adapters.postgres.runs import PostgresRunStore

        return PostgresRunStore(self._statements)

    @cached_property
    def serving(self) -> "ServingStore":
        """What a live prediction reads and writes."""
        from marketsentry.adapters.postgres.serving import PostgresServingStore

        return PostgresServingStore(self._statements)

    @cached_property
    def signals(self) -> "SignalStore":
        """What predictions were taken to mean."""
        from marketsentry.adapters.postgres.signals import PostgresSignalStore

        return PostgresSignalStore(self._statements)

    @cached_property
    def sweeps(self) -> "SweepStore":
        """Settings of sweeps, each a trial."""
        from marketsentry.adapters.postgres.sweeps import PostgresSweepStore

        return PostgresSweepStore(self._statements)

    @cached_property
    def synthetic(self) -> "SyntheticStore":
        """Origins of synthetic series."""
        from marketsentry.adapters.postgres.synthetic import PostgresSyntheticStore

        return PostgresSyntheticStore(self._statements)

    @cached_property
    def trader(self) -> "TraderStore":
        """States of traders."""
        from marketsentry.adapters.postgres.trader import PostgresTraderStore

        return PostgresTraderStore(self._statements)
