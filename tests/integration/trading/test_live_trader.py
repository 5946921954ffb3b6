"""The live trader on real PostgreSQL: it waits, trades each bar once, goes on after a restart, and stops where risk says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from marketsentry.adapters.clock import ReplayClock
from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.venues.paper import PaperParts, PaperRules
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.bootstrap import System, open_system
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.gates.verdict import Outcome
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.orders.order import OrderStatus
from marketsentry.core.risk.kill_switch import Mode
from marketsentry.ports.account_lists import Wanted
from marketsentry.ports.orders import OrderFilter
from marketsentry.ports.risk import ChangedBy
from marketsentry.ports.training import ModelSpec
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.execution_drive import DriveParts
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.executor import Executor
from marketsentry.services.risk import RiskParts
from marketsentry.services.risk_switch import trigger_manual
from marketsentry.services.training import train_candidate
from marketsentry.services.trader_live import LiveParts, LiveRules, LiveTrader, Waiting
from marketsentry.services.trader_parts import BarStep
from marketsentry.settings import Settings
from small_market import HOUR, FixedClock
from training_inputs import InProcessTrainer

SYMBOLS = ("BTC", "ETH", "SOL")
N_BARS = 45 * 24
TRAINED_BARS = N_BARS - 48
EAGER = {"cost_multiple": 0.0, "rebalance_band_frac": 0.005}
