"""One frozen settings object, read from environment variables once, at start.

Variable names are those of the contract; new ones take the prefix ``MS_``. A field is the variable's name in
lower case without that prefix. A malformed value is refused by name, and so is an unknown ``MS_`` variable.
"""

import difflib
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from marketsentry.exceptions import InputError
from marketsentry.setting_values import (
    HORIZONS,
    AbsolutePath,
    Address,
    Count,
    Finite,
    Flag,
    Fraction,
    HourValues,
    Key,
    Label,
    Money,
    Names,
    Positive,
    ServedModels,
    Share,
    SymbolValues,
    Venues,
    block_minutes,
    host_and_port,
    is_loopback,
    lower,
    only_off,
    secret_url,
    upper,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SECRET_ENDINGS = ("_url", "_api_key", "_api_secret", "_api_passphrase")
_OURS = frozenset(  # variables that the contract does not name
    {
        "api_bind",
        "home",
        "live_venues",
        "max_body_bytes",
        "paper_capital",
        "paper_max_book_age_s",
        "risk_max_price_age_s",
        "served_models",
        "stale_after_bars",
        "statement_timeout_s",
        "trader_adapter",
        "trader_fee_bps",
        "trader_horizon",
        "trader_source",
        "trader_source_url",
        "trader_strategy",
        "venue_max_clock_skew_s",
    }
)


class Settings(BaseSettings):
    """Everything that can be configured. Read it with `load_settings`, which explains a refusal by name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    # Where things are kept. Without the two URLs private engines start under `home`.
    home: AbsolutePath = Field(default=Path("var"), validate_default=True)
    model_dir: AbsolutePath = Field(default_factory=lambda known: known.get("home", Path("var")) / "models")
    database_url: Annotated[SecretStr, AfterValidator(secret_url("postgresql", "postgres"))] | None = None
    db_pool_min_conn: Count = 1
    db_pool_max_conn: Count = 8
    statement_timeout_s: Positive = 120.0
    redis_url: Annotated[SecretStr, AfterValidator(secret_url("redis", "rediss", "unix"))] | None = None

    # The universe and the names stamped on what is made.
    liquid_symbols: Names = ("BTC", "ETH", "SOL")
    feature_version: Label = "feature-store-v2.0"
    data_version: Label = "v1"
    model_name_liquid: Label = "liquid_ttm_ensemble"
    model_version_liquid: Label = "v2.1"

    # What predicts: a version by horizon, else the one above; how old the newest bar may be.
    served_models: ServedModels = ()
    stale_after_bars: Count = 2

    # Risk limits.
    risk_max_single_weight: Fraction = 0.2
    risk_max_gross_exposure: Positive = 1.0
    risk_max_turnover: Positive = 0.35
    risk_max_drawdown: Fraction = 0.2
    risk_max_sector_exposure: Positive = 0.45
    risk_max_style_exposure: Positive = 0.55
    risk_max_daily_loss: Fraction = 0.03
    risk_max_consecutive_losses: Count = 5
    risk_hard_block_minutes: Annotated[int, AfterValidator(block_minutes)] = 1
    risk_max_abs_return: Finite = 0.06
    risk_max_abs_return_symbols: SymbolValues = ()
    risk_max_abs_return_tod_multiplier: HourValues = ()
    risk_max_price_age_s: Positive = 7200.0
    risk_bucket_trend: Share = 0.5
    risk_bucket_event: Share = 0.4
    risk_bucket_mean_reversion: Share = 0.35

    # Limits of the data-quality gate.
    dq_max_missing_rate: Fraction = 0.02
    dq_max_invalid_price_rate: Fraction = 0.005
    dq_max_duplicate_rate: Fraction = 0.02
    dq_max_stale_ratio: Fraction = 0.1
    dq_min_rows: Count = 200

    # What fills paper orders, how old a book may be, and what a strategy has to begin with in its quote currency.
    paper_model: Annotated[Literal["book", "bars"], BeforeValidator(lower)] = "book"
    paper_seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 7
    paper_max_book_age_s: Positive = 5.0
    paper_capital: Money = Decimal(100_000)

    # Training, and the limits of the first verdict.
    train_seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42
    liquid_wf_train_window: Count = 512
    liquid_wf_test_window: Count = 96
    liquid_wf_purge_window: Annotated[int, Field(ge=0)] = 12
    liquid_wf_min_folds: Count = 3
    gate_min_ic: Finite = 0.0
    gate_min_pnl_after_cost: Finite = 0.0
    gate_max_drawdown: Fraction = 0.2

    # Live venues: two locks (all trading, and which venues), the addresses and the keys.
    live_trading_enabled: Flag = False
    live_venues: Venues = ()
    venue_max_clock_skew_s: Positive = 5.0
    coinbase_advanced_trade_api: Address = "https://api.coinbase.com"
    coinbase_api_key: Key | None = None
    coinbase_api_secret: Key | None = None
    coinbase_exec_timeout_sec: Positive = 5.0
    coinbase_quote_currency: Annotated[Label, BeforeValidator(upper)] = "USD"
    bitget_api: Address = "https://api.bitget.com"
    bitget_api_key: Key | None = None
    bitget_api_secret: Key | None = None
    bitget_api_passphrase: Key | None = None
    bitget_exec_timeout_sec: Positive = 5.0
    bitget_market: Annotated[Literal["spot", "perp"], BeforeValidator(lower)] = "spot"
    bitget_margin_mode: Annotated[Literal["crossed", "isolated"], BeforeValidator(lower)] = "crossed"
    bitget_leverage: Annotated[int, Field(ge=1, le=125)] = 1

    # What the trader trades and where, and where its bars come from; without a source it trades what the record gets.
    trader_adapter: Annotated[Literal["paper", "coinbase_live", "bitget_live"], BeforeValidator(lower)] = (
        "paper"
    )
    trader_fee_bps: Annotated[Decimal, Field(ge=0, le=1_000, allow_inf_nan=False)] | None = None
    trader_horizon: Literal["1h", "1d", "7d"] = "1h"
    trader_strategy: Label = "default-liquid-v1"
    trader_source: Annotated[Literal["", "coinbase", "bitget", "binance"], BeforeValidator(lower)] = ""
    trader_source_url: str = ""

    # The API and the logs.
    api_base: str = "http://127.0.0.1:8000"
    rate_limit_rps: Positive = 20.0
    max_body_bytes: Count = 8_388_608
    api_bind: Annotated[tuple[str, int], BeforeValidator(host_and_port)] = ("127.0.0.1", 8000)
    auth_mode: Annotated[Literal["off"], BeforeValidator(only_off)] = "off"
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(upper)] = "INFO"
    log_format: Annotated[Literal["json", "console"], BeforeValidator(lower)] = "json"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from arguments only: `load_settings` knows the variables, and `home` is not HOME."""
        return (init_settings,)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.db_pool_min_conn > self.db_pool_max_conn:
            raise ValueError(
                f"DB_POOL_MIN_CONN must be <= DB_POOL_MAX_CONN ({self.db_pool_max_conn}), "
                f"was {self.db_pool_min_conn}"
            )
        if not is_loopback(self.api_bind[0]):
            raise ValueError(
                f"MS_API_BIND must be a loopback address while AUTH_MODE is off, was {self.api_bind[0]!r}"
            )
        self._check_live_trading()
        return self

    def _check_live_trading(self) -> None:
        if not self.live_trading_enabled:
            return
        if not self.live_venues:
            raise ValueError(
                "MS_LIVE_VENUES must name the venues that LIVE_TRADING_ENABLED=1 is meant for, was empty"
            )
        addresses = {
            "coinbase": ("COINBASE_ADVANCED_TRADE_API", self.coinbase_advanced_trade_api),
            "bitget": ("BITGET_API", self.bitget_api),
        }
        for variable, address in (addresses[venue] for venue in self.live_venues):
            if not is_loopback(urlsplit(address).hostname or ""):
                raise ValueError(
                    "LIVE_TRADING_ENABLED must be 0: trading with real money needs token authentication, which this "
                    f"version does not have; only a simulated exchange on this machine may be traded, and {variable} "
                    f"is {address!r}"
                )

    def models_by_horizon(self) -> dict[str, tuple[str, str]]:
        """Name the version that serves each horizon: that of `served_models`, else the governed one."""
        default = self.model_name_liquid, self.model_version_liquid
        chosen = {horizon: (name, version) for horizon, name, version in self.served_models}
        return {horizon: chosen.get(horizon, default) for horizon in HORIZONS}

    def summary(self) -> dict[str, object]:
        """Return every setting by its variable name, with passwords and keys redacted."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {variable_of(name): _redacted(name, value) for name, value in values.items()}


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment once.

    Parameters
    ----------
    environ
        The variables; an empty one counts as not set.

    Returns
    -------
    Settings
        The validated, frozen settings.

    Raises
    ------
    InputError
        If a variable is malformed, out of range or refused, or an ``MS_`` variable is unknown; each is named.
    """
    _refuse_unknown_names(environ)
    given = {field: environ.get(variable_of(field)) for field in Settings.model_fields}
    try:
        return Settings.model_validate({field: text for field, text in given.items() if text})
    except ValidationError as exc:
        raise InputError("; ".join(_explain(error, given) for error in exc.errors())) from None


def variable_of(field: str) -> str:
    """Name the variable that sets a field."""
    return f"MS_{field}".upper() if field in _OURS else field.upper()


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    known = {variable_of(field) for field in Settings.model_fields}
    for name in environ:
        if name.upper().startswith("MS_") and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise InputError(f"{name} is not a setting of this version{hint}")


def _explain(error: "ErrorDetails", given: Mapping[str, str | None]) -> str:
    if not error["loc"]:
        return _reason(error)
    field = str(error["loc"][0])
    was = "" if field.endswith(_SECRET_ENDINGS) else f", was {given[field]!r}"
    return f"{variable_of(field)} {_reason(error)}{was}"


def _reason(error: "ErrorDetails") -> str:
    limits = error.get("ctx", {})
    match error["type"]:
        case "float_parsing" | "float_type":
            return "must be a number"
        case "finite_number":
            return "must be a finite number"
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return "must be a whole number"
        case "greater_than_equal":
            return f"must be >= {limits['ge']:g}"
        case "greater_than":
            return f"must be > {limits['gt']:g}"
        case "less_than_equal":
            return f"must be <= {limits['le']:g}"
        case "literal_error":
            return f"must be one of {limits['expected']}"
        case _:
            return error["msg"].removeprefix("Value error, ")


def _redacted(name: str, value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if not isinstance(value, SecretStr):
        return value
    if not name.endswith("_url"):
        return "***"
    parts = urlsplit(value.get_secret_value())
    if parts.password is None:
        return value.get_secret_value()
    return parts._replace(netloc=f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}").geturl()
