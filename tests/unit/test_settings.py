"""Settings take the contract's names, refuse what is malformed by name, and never tell a password."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from marketsentry.exceptions import InputError
from marketsentry.setting_values import is_loopback
from marketsentry.settings import Settings, load_settings


def test_defaults_are_those_of_the_contract() -> None:
    settings = load_settings({})
    assert settings.liquid_symbols == ("BTC", "ETH", "SOL")
    assert (settings.feature_version, settings.data_version) == ("feature-store-v2.0", "v1")
    assert (settings.db_pool_min_conn, settings.db_pool_max_conn) == (1, 8)
    assert (settings.risk_max_single_weight, settings.risk_max_turnover) == (0.2, 0.35)
    assert (settings.dq_max_missing_rate, settings.dq_min_rows) == (0.02, 200)
    assert (settings.liquid_wf_train_window, settings.liquid_wf_purge_window) == (512, 12)
    assert settings.database_url is None
    assert settings.home == Path.cwd() / "var"
    assert settings.model_dir == Path.cwd() / "var" / "models"


def test_trading_and_risk_begin_as_the_contract_says() -> None:
    summary = load_settings({}).summary()
    expected = {
        "RISK_MAX_SINGLE_WEIGHT": 0.2,
        "RISK_MAX_GROSS_EXPOSURE": 1.0,
        "RISK_MAX_TURNOVER": 0.35,
        "RISK_MAX_DRAWDOWN": 0.2,
        "RISK_MAX_SECTOR_EXPOSURE": 0.45,
        "RISK_MAX_STYLE_EXPOSURE": 0.55,
        "RISK_MAX_DAILY_LOSS": 0.03,
        "RISK_MAX_CONSECUTIVE_LOSSES": 5,
        "RISK_HARD_BLOCK_MINUTES": 1,
        "RISK_MAX_ABS_RETURN": 0.06,
        "RISK_MAX_ABS_RETURN_SYMBOLS": (),
        "RISK_MAX_ABS_RETURN_TOD_MULTIPLIER": (),
        "RISK_BUCKET_TREND": 0.5,
        "RISK_BUCKET_EVENT": 0.4,
        "RISK_BUCKET_MEAN_REVERSION": 0.35,
        "COINBASE_API_KEY": None,
        "COINBASE_API_SECRET": None,
        "COINBASE_EXEC_TIMEOUT_SEC": 5.0,
        "COINBASE_QUOTE_CURRENCY": "USD",
        "LIVE_TRADING_ENABLED": False,
        "PAPER_MODEL": "book",
        "PAPER_SEED": 7,
        "RATE_LIMIT_RPS": 20.0,
    }
    assert {name: summary[name] for name in expected} == expected


def test_variables_are_read_by_their_names() -> None:
    settings = load_settings(
        {
            "LIQUID_SYMBOLS": " btc, doge ",
            "RISK_MAX_ABS_RETURN_SYMBOLS": "BTC=0.05, eth=0.06",
            "RISK_MAX_ABS_RETURN_TOD_MULTIPLIER": "0-7:1.4,8-16:1.0",
            "MS_HOME": "/data/ms",
            "MS_API_BIND": "[::1]:9000",
            "LOG_LEVEL": "debug",
            "TRAIN_SEED": "7",
            "LIVE_TRADING_ENABLED": "no",
        }
    )
    assert settings.liquid_symbols == ("BTC", "DOGE")
    assert settings.risk_max_abs_return_symbols == (("BTC", 0.05), ("ETH", 0.06))
    assert settings.risk_max_abs_return_tod_multiplier == ((0, 7, 1.4), (8, 16, 1.0))
    assert (settings.home, settings.model_dir) == (Path("/data/ms"), Path("/data/ms/models"))
    assert settings.api_bind == ("[::1]", 9000)
    assert (settings.log_level, settings.train_seed, settings.live_trading_enabled) == ("DEBUG", 7, False)


def test_each_horizon_has_its_model_or_the_governed_one() -> None:
    settings = load_settings({"MS_SERVED_MODELS": " 1h=panel:v1 , 7d=slow:v2.0", "MODEL_NAME_LIQUID": "m"})
    assert settings.models_by_horizon() == {
        "1h": ("panel", "v1"),
        "1d": ("m", "v2.1"),
        "7d": ("slow", "v2.0"),
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(
            ("MS_SERVED_MODELS", bad, "MS_SERVED_MODELS must be HORIZON=NAME:VERSION pairs")
            for bad in ("panel", "1h=panel", "1h=:v1", "4h=panel:v1", "1h=a:v1,1h=b:v1", "=a:b")
        ),
        ("MS_STALE_AFTER_BARS", "0", "MS_STALE_AFTER_BARS must be >= 1, was '0'"),
        ("MS_MAX_BODY_BYTES", "big", "MS_MAX_BODY_BYTES must be a whole number, was 'big'"),
        ("RISK_MAX_DRAWDOWN", "abc", "RISK_MAX_DRAWDOWN must be a number, was 'abc'"),
        ("RISK_MAX_DRAWDOWN", "nan", "RISK_MAX_DRAWDOWN must be a finite number, was 'nan'"),
        ("RISK_MAX_DRAWDOWN", "1.5", "RISK_MAX_DRAWDOWN must be <= 1, was '1.5'"),
        ("RISK_MAX_GROSS_EXPOSURE", "0", "RISK_MAX_GROSS_EXPOSURE must be > 0, was '0'"),
        ("RISK_BUCKET_EVENT", "0", "RISK_BUCKET_EVENT must be > 0, was '0'"),
        ("DQ_MIN_ROWS", "0", "DQ_MIN_ROWS must be >= 1, was '0'"),
        ("DQ_MIN_ROWS", "2.5", "DQ_MIN_ROWS must be a whole number, was '2.5'"),
        ("DB_POOL_MIN_CONN", "9", "DB_POOL_MIN_CONN must be <= DB_POOL_MAX_CONN (8), was 9"),
        ("LIQUID_SYMBOLS", "BTC,,ETH", "LIQUID_SYMBOLS must be names separated by commas"),
        ("LIQUID_SYMBOLS", "BTC,btc", "LIQUID_SYMBOLS must name each symbol once"),
        ("RISK_MAX_ABS_RETURN_SYMBOLS", "BTC", "RISK_MAX_ABS_RETURN_SYMBOLS must be SYMBOL=number pairs"),
        (
            "RISK_MAX_ABS_RETURN_SYMBOLS",
            "BTC=1,BTC=2",
            "RISK_MAX_ABS_RETURN_SYMBOLS must be SYMBOL=number pairs",
        ),
        ("RISK_MAX_ABS_RETURN_SYMBOLS", "BTC=nan", "must hold finite numbers, and 'nan' is none"),
        ("RISK_MAX_ABS_RETURN_TOD_MULTIPLIER", "9-24:1", "must be ranges of UTC hours within 0-23"),
        ("RISK_MAX_ABS_RETURN_TOD_MULTIPLIER", "20-24:1", "must be ranges of UTC hours within 0-23"),
        ("RISK_MAX_ABS_RETURN_TOD_MULTIPLIER", "0-7:0", "must hold positive numbers, and '0' is none"),
        ("MS_RISK_MAX_PRICE_AGE_S", "0", "MS_RISK_MAX_PRICE_AGE_S must be > 0, was '0'"),
        ("RISK_MAX_ABS_RETURN_TOD_MULTIPLIER", "8:1", "must be first-last:number ranges"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL must be one of 'DEBUG', 'INFO', 'WARNING' or 'ERROR', was 'loud'"),
        ("LIVE_TRADING_ENABLED", "maybe", "must be one of 1, true, yes, y, 0, false, no, n, was 'maybe'"),
        (
            "LIVE_TRADING_ENABLED",
            "YES",
            "MS_LIVE_VENUES must name the venues that LIVE_TRADING_ENABLED=1 is meant",
        ),
        ("MS_LIVE_VENUES", "kraken", "MS_LIVE_VENUES must be some of coinbase, bitget, separated by commas"),
        ("MS_LIVE_VENUES", "bitget,bitget", "MS_LIVE_VENUES must be some of coinbase, bitget"),
        ("BITGET_API", "api.bitget.com", "BITGET_API must be a URL that starts with https:// or http://"),
        (
            "BITGET_API",
            "http://api.bitget.com",
            "BITGET_API must start with https://, unless its host is this",
        ),
        ("BITGET_LEVERAGE", "200", "BITGET_LEVERAGE must be <= 125, was '200'"),
        ("AUTH_MODE", "token", "AUTH_MODE must be 'off': this version has no token authentication"),
        ("MS_API_BIND", "0.0.0.0:8000", "MS_API_BIND must be a loopback address while AUTH_MODE is off"),
        ("MS_API_BIND", "localhost", "MS_API_BIND must be host:port, like 127.0.0.1:8000, was 'localhost'"),
        ("MS_HOEM", "x", "MS_HOEM is not a setting of this version; did you mean MS_HOME?"),
        ("ms_anything", "x", "ms_anything is not a setting of this version"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        load_settings({name: value})
    assert message in str(refused.value)


def test_every_bad_value_is_named_at_once() -> None:
    with pytest.raises(InputError, match=r"RISK_MAX_DRAWDOWN .*; DQ_MIN_ROWS "):
        load_settings({"RISK_MAX_DRAWDOWN": "x", "DQ_MIN_ROWS": "x"})


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_a_bad_url_is_refused_without_telling_its_password(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must be a URL that starts with") as refused:
        load_settings({name: "mysql://someone:hunter2@host/db"})
    assert "hunter2" not in str(refused.value)


def test_the_summary_names_every_variable_and_hides_passwords() -> None:
    settings = load_settings({"DATABASE_URL": "postgresql://someone:hunter2@host:5432/db?sslmode=require"})
    summary = settings.summary()
    assert summary["DATABASE_URL"] == "postgresql://someone:***@host:5432/db?sslmode=require"
    assert len(summary) == len(Settings.model_fields)
    assert {"MS_HOME", "MS_API_BIND", "RISK_MAX_DRAWDOWN", "MODEL_DIR"} <= summary.keys()
    assert "hunter2" not in f"{summary}{settings!r}"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"DATABASE_URL": "", "DQ_MIN_ROWS": ""}) == load_settings({})


def test_the_home_of_the_user_is_not_the_home_of_the_program() -> None:
    assert load_settings({"HOME": "/home/someone"}).home == Path.cwd() / "var"


def test_the_block_time_is_clamped_as_the_contract_says() -> None:
    assert load_settings({"RISK_HARD_BLOCK_MINUTES": "99999"}).risk_hard_block_minutes == 1440
    assert load_settings({"RISK_HARD_BLOCK_MINUTES": "-5"}).risk_hard_block_minutes == 1


def test_hours_may_wrap_midnight_and_a_threshold_of_zero_switches_the_breaker_off() -> None:
    settings = load_settings(
        {
            "RISK_MAX_ABS_RETURN_TOD_MULTIPLIER": "22-3:1.2,0-23:1",
            "RISK_MAX_ABS_RETURN_SYMBOLS": "USDC=0",
            "RISK_MAX_ABS_RETURN": "-1",
        }
    )
    assert settings.risk_max_abs_return_tod_multiplier == ((22, 3, 1.2), (0, 23, 1.0))
    assert settings.risk_max_abs_return_symbols == (("USDC", 0.0),)
    assert settings.risk_max_abs_return == -1.0


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).train_seed = 1  # type: ignore[misc] # that is the point


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("LocalHost", True), ("10.0.0.1", False)]
)
def test_loopback_hosts(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_real_money_is_not_traded_without_authentication() -> None:
    unlocked = {"LIVE_TRADING_ENABLED": "1", "MS_LIVE_VENUES": "coinbase"}
    with pytest.raises(
        InputError, match=r"real money needs token authentication.*COINBASE_ADVANCED_TRADE_API is"
    ):
        load_settings(unlocked)
    simulated = load_settings({**unlocked, "COINBASE_ADVANCED_TRADE_API": "http://127.0.0.1:4711"})
    assert (simulated.live_trading_enabled, simulated.live_venues) == (True, ("coinbase",))


def test_keys_are_read_with_their_line_breaks_and_never_told() -> None:
    keys = {"COINBASE_API_SECRET": "-----BEGIN\\nsecret42\\n-----END", "BITGET_API_KEY": "bg_secret42"}
    settings = load_settings(keys)
    assert settings.coinbase_api_secret is not None
    assert settings.coinbase_api_secret.get_secret_value() == "-----BEGIN\nsecret42\n-----END"
    assert "secret42" not in f"{settings.summary()}{settings!r}"
    assert settings.summary()["BITGET_API_KEY"] == "***"
