"""The built-in features: the 15 fields of the contract first, then our own, described for people and models.

Notation: P close, V volume (base units), r log return of one bar, `w` the number in the name (bars), t the
current bar. Means and standard deviations over w bars are population values. Levels enter only where the
contract asks for them (`log_volume`, `volume_impact`); everything else is a ratio, a share or a rank, so that
no signal depends on the absolute price of a coin.
"""

from marketsentry.core.features.feature_set import CompiledFeatureSet
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.kernels.features.fields import NAMES, WARMUP_BARS
from marketsentry.kernels.features.layout import STATE_SIZE
from marketsentry.kernels.features.step import batch, step

FEATURE_VERSION = "feature-store-v2.0"

_WARMUP = "during warm-up or when the bar is lost"
_FLAT = f"{_WARMUP}, or when the prices of the window do not move"
_NO_VOLUME = f"{_WARMUP}, or when nothing traded in the window"
_ALONE = f"{_WARMUP}, or when fewer than two symbols have the value at the bar"
_EVENTS = "before the first event about any symbol of the panel is known, or when the bar is lost"

_BARS = "bars"
_MARKET = "bars of all symbols"

# name: definition, unit, source, missing rule
_DEFINITIONS = {
    "ret_1": ("P(t)/P(t-1) - 1", "fraction", _BARS, _WARMUP),
    "ret_3": ("P(t)/P(t-3) - 1", "fraction", _BARS, _WARMUP),
    "ret_12": ("P(t)/P(t-12) - 1", "fraction", _BARS, _WARMUP),
    "ret_48": ("P(t)/P(t-48) - 1", "fraction", _BARS, _WARMUP),
    "vol_3": ("standard deviation of the last 3 r", "fraction per bar", _BARS, _WARMUP),
    "vol_12": ("standard deviation of the last 12 r", "fraction per bar", _BARS, _WARMUP),
    "vol_48": ("standard deviation of the last 48 r", "fraction per bar", _BARS, _WARMUP),
    "vol_96": ("standard deviation of the last 96 r", "fraction per bar", _BARS, _WARMUP),
    "log_volume": ("ln(1 + max(V, 0))", "ln of base units", _BARS, "when the bar is lost"),
    "vol_z": (
        "(V(t) - mean of the 12 bars before t) / max(their standard deviation, 1e-6)",
        "standard deviations",
        _BARS,
        _WARMUP,
    ),
    "volume_impact": (
        "abs(ret_1) / max(sqrt(max(V, 1)), 1e-6)",
        "fraction per root of base units",
        _BARS,
        _WARMUP,
    ),
    "orderbook_imbalance": (
        "last book imbalance known at the close",
        "share, -1..1",
        "order book",
        "when none is known or it is older than 1 h",
    ),
    "funding_rate": (
        "last funding rate known at the close",
        "fraction per period",
        "funding",
        "when none is known or it is older than 24 h",
    ),
    "onchain_norm": (
        "tanh(x / 1e6), x = last netflow-type metric known at the close",
        "dimensionless",
        "chain",
        "when none is known or it is older than 7 days",
    ),
    "event_decay": (
        "exp(-age_hours / 12) of the newest event about the symbol known at the close, 0 if none",
        "dimensionless",
        "events",
        _EVENTS,
    ),
    "ret_6": ("P(t)/P(t-6) - 1", "fraction", _BARS, _WARMUP),
    "ret_24": ("P(t)/P(t-24) - 1", "fraction", _BARS, _WARMUP),
    "ret_96": ("P(t)/P(t-96) - 1", "fraction", _BARS, _WARMUP),
    "ret_288": ("P(t)/P(t-288) - 1", "fraction", _BARS, _WARMUP),
    "trend_24": ("mean of the last 24 r / their standard deviation * sqrt(24)", "t statistic", _BARS, _FLAT),
    "trend_96": ("mean of the last 96 r / their standard deviation * sqrt(96)", "t statistic", _BARS, _FLAT),
    "efficiency_24": ("sum of the last 24 r / sum of their absolute values", "share, -1..1", _BARS, _FLAT),
    "vol_24": ("standard deviation of the last 24 r", "fraction per bar", _BARS, _WARMUP),
    "vol_288": ("standard deviation of the last 288 r", "fraction per bar", _BARS, _WARMUP),
    "vol_ratio_12_96": ("(vol_12 - vol_96) / (vol_12 + vol_96)", "share, -1..1", _BARS, _FLAT),
    "parkinson_12": (
        "sqrt(mean of ln(high/low)^2 / (4 ln 2)) over 12 bars (Parkinson 1980)",
        "fraction per bar",
        _BARS,
        _WARMUP,
    ),
    "parkinson_48": (
        "sqrt(mean of ln(high/low)^2 / (4 ln 2)) over 48 bars",
        "fraction per bar",
        _BARS,
        _WARMUP,
    ),
    "garman_klass_12": (
        "sqrt(mean of max(0.5 ln(high/low)^2 - (2 ln 2 - 1) ln(close/open)^2, 0)) over 12 bars "
        "(Garman and Klass 1980)",
        "fraction per bar",
        _BARS,
        _WARMUP,
    ),
    "garman_klass_48": ("as garman_klass_12 over 48 bars", "fraction per bar", _BARS, _WARMUP),
    "rogers_satchell_12": (
        "sqrt(mean of max(ln(high/close) ln(high/open) + ln(low/close) ln(low/open), 0)) over 12 bars "
        "(Rogers and Satchell 1991)",
        "fraction per bar",
        _BARS,
        _WARMUP,
    ),
    "rogers_satchell_48": ("as rogers_satchell_12 over 48 bars", "fraction per bar", _BARS, _WARMUP),
    "downside_share_48": (
        "(sum of r^2 of falls - sum of r^2 of rises) / sum of r^2 over 48 bars",
        "share, -1..1",
        _BARS,
        _FLAT,
    ),
    "jump_share_48": (
        "1 - (pi/2) sum of |r(t) r(t-1)| / sum of r^2 over 48 bars (bipower variation)",
        "share",
        _BARS,
        _FLAT,
    ),
    "close_in_range": (
        "(2 close - high - low) / (high - low) of the bar",
        "share, -1..1",
        _BARS,
        "when the bar is lost or has no range",
    ),
    "rsi_14": (
        "(gain - loss) / (gain + loss), Wilder's averages over 14 bars; RSI = 50 (1 + value)",
        "share, -1..1",
        _BARS,
        _FLAT,
    ),
    "macd_line": ("(EMA 12 - EMA 26 of P) / P", "fraction", _BARS, _WARMUP),
    "macd_signal": ("EMA 9 of (EMA 12 - EMA 26 of P), over P", "fraction", _BARS, _WARMUP),
    "macd_hist": ("macd_line - macd_signal", "fraction", _BARS, _WARMUP),
    "ma_dist_7": ("P / mean of the last 7 P - 1", "fraction", _BARS, _WARMUP),
    "ma_dist_30": ("P / mean of the last 30 P - 1", "fraction", _BARS, _WARMUP),
    "ma_dist_96": ("P / mean of the last 96 P - 1", "fraction", _BARS, _WARMUP),
    "ema_dist_12": ("P / EMA 12 of P - 1", "fraction", _BARS, _WARMUP),
    "ema_dist_26": ("P / EMA 26 of P - 1", "fraction", _BARS, _WARMUP),
    "bollinger_20": (
        "(P - mean) / (2 standard deviations) of the last 20 P",
        "half bands",
        _BARS,
        _FLAT,
    ),
    "bollinger_width_20": ("4 standard deviations / mean of the last 20 P", "fraction", _BARS, _WARMUP),
    "atr_14": ("Wilder's average true range over 14 bars / P", "fraction", _BARS, _WARMUP),
    "donchian_24": (
        "(2 P - highest high - lowest low) / (highest high - lowest low) over 24 bars",
        "share, -1..1",
        _BARS,
        _FLAT,
    ),
    "donchian_96": ("as donchian_24 over 96 bars", "share, -1..1", _BARS, _FLAT),
    "drawdown_96": ("1 - P / highest high of 96 bars", "positive fraction", _BARS, _WARMUP),
    "drawdown_288": ("1 - P / highest high of 288 bars", "positive fraction", _BARS, _WARMUP),
    "skew_96": ("third central moment of the last 96 r / vol_96^3", "dimensionless", _BARS, _FLAT),
    "kurt_96": ("fourth central moment of the last 96 r / vol_96^4 - 3", "dimensionless", _BARS, _FLAT),
    "up_share_24": ("(rising bars - falling bars) / 24", "share, -1..1", _BARS, _WARMUP),
    "up_share_96": ("(rising bars - falling bars) / 96", "share, -1..1", _BARS, _WARMUP),
    "autocorr_24": (
        "correlation of the last 24 r with the r one bar before",
        "correlation",
        _BARS,
        _FLAT,
    ),
    "autocorr_96": ("correlation of the last 96 r with the r one bar before", "correlation", _BARS, _FLAT),
    "volume_z_48": (
        "(ln(1+V) - mean) / standard deviation of the last 48 ln(1+V)",
        "standard deviations",
        _BARS,
        f"{_WARMUP}, or when the volume of the window does not change",
    ),
    "volume_ratio_12_96": (
        "(a - b) / (a + b), a and b the mean volume of 12 and 96 bars",
        "share, -1..1",
        _BARS,
        _NO_VOLUME,
    ),
    "amihud_ratio_12_96": (
        "(a - b) / (a + b), a and b the Amihud (2002) illiquidity of 12 and 96 bars: mean of |r| / (P V) "
        "over bars that traded",
        "share, -1..1",
        _BARS,
        f"{_NO_VOLUME} or no price moved",
    ),
    "amihud_ratio_48_288": (
        "as amihud_ratio_12_96 of 48 and 288 bars",
        "share, -1..1",
        _BARS,
        f"{_NO_VOLUME} or no price moved",
    ),
    "corwin_schultz_24": (
        "mean over 24 bars of the high-low spread estimate of Corwin and Schultz (2012), negative ones as 0",
        "fraction",
        _BARS,
        _WARMUP,
    ),
    "corwin_schultz_96": ("as corwin_schultz_24 over 96 bars", "fraction", _BARS, _WARMUP),
    "roll_24": (
        "2 sqrt(-covariance of the last 24 r with the r before), 0 if the covariance is positive (Roll 1984)",
        "fraction",
        _BARS,
        _WARMUP,
    ),
    "roll_96": ("as roll_24 over 96 bars", "fraction", _BARS, _WARMUP),
    "signed_volume_24": (
        "(volume of rising bars - volume of falling bars) / volume over 24 bars",
        "share, -1..1",
        _BARS,
        _NO_VOLUME,
    ),
    "vwap_dist_24": (
        "P / volume-weighted mean of (high + low + close) / 3 over 24 bars - 1",
        "fraction",
        _BARS,
        _NO_VOLUME,
    ),
    "hour_sin": (
        "sin(2 pi minute of the day / 1440) at the bar's open, UTC",
        "dimensionless",
        "clock",
        "when the bar is lost",
    ),
    "hour_cos": (
        "cos(2 pi minute of the day / 1440) at the bar's open, UTC",
        "dimensionless",
        "clock",
        "when the bar is lost",
    ),
    "weekday_sin": (
        "sin(2 pi day / 7), Monday = 0, at the bar's open, UTC",
        "dimensionless",
        "clock",
        "when the bar is lost",
    ),
    "weekday_cos": (
        "cos(2 pi day / 7), Monday = 0, at the bar's open, UTC",
        "dimensionless",
        "clock",
        "when the bar is lost",
    ),
    "funding_change": (
        "last funding rate - the one before",
        "fraction per period",
        "funding",
        "when fewer than two are known or the last is older than 24 h",
    ),
    "funding_age_h": (
        "hours since the last funding rate",
        "hours",
        "funding",
        "when none is known or it is older than 24 h",
    ),
    "funding_mean_3d": (
        "mean of the funding rates of the last 72 h",
        "fraction per period",
        "funding",
        "when none is known or the last is older than 24 h",
    ),
    "event_count_1h": (
        "ln(1 + events about the symbol known in the last hour)",
        "ln of count",
        "events",
        _EVENTS,
    ),
    "event_count_24h": ("ln(1 + events of the last 24 h)", "ln of count", "events", _EVENTS),
    "event_count_7d": ("ln(1 + events of the last 7 days)", "ln of count", "events", _EVENTS),
    "event_funding_24h": ("ln(1 + funding events of the last 24 h)", "ln of count", "events", _EVENTS),
    "event_mna_24h": ("ln(1 + merger events of the last 24 h)", "ln of count", "events", _EVENTS),
    "event_product_24h": ("ln(1 + product events of the last 24 h)", "ln of count", "events", _EVENTS),
    "event_regulatory_24h": ("ln(1 + regulatory events of the last 24 h)", "ln of count", "events", _EVENTS),
    "event_market_24h": ("ln(1 + market events of the last 24 h)", "ln of count", "events", _EVENTS),
    "event_tier1_7d": (
        "ln(1 + events from tier 1 sources of the last 7 days)",
        "ln of count",
        "events",
        _EVENTS,
    ),
    "event_tier2_7d": (
        "ln(1 + events from tier 2 sources of the last 7 days)",
        "ln of count",
        "events",
        _EVENTS,
    ),
    "event_tier3_7d": (
        "ln(1 + events from tier 3 sources of the last 7 days)",
        "ln of count",
        "events",
        _EVENTS,
    ),
    "rank_ret_1": ("centred rank of ret_1 among the symbols, ties share", "rank, -0.5..0.5", _MARKET, _ALONE),
    "rank_ret_12": ("centred rank of ret_12 among the symbols", "rank, -0.5..0.5", _MARKET, _ALONE),
    "rank_ret_48": ("centred rank of ret_48 among the symbols", "rank, -0.5..0.5", _MARKET, _ALONE),
    "rank_vol_48": ("centred rank of vol_48 among the symbols", "rank, -0.5..0.5", _MARKET, _ALONE),
    "market_ret_1": ("mean of ret_1 over the symbols", "fraction", _MARKET, _ALONE),
    "market_ret_12": ("mean of ret_12 over the symbols", "fraction", _MARKET, _ALONE),
    "market_ret_48": ("mean of ret_48 over the symbols", "fraction", _MARKET, _ALONE),
    "dispersion_1": ("standard deviation of ret_1 over the symbols", "fraction", _MARKET, _ALONE),
    "beta_96": (
        "covariance of ret_1 with market_ret_1 / variance of market_ret_1, of 96 bars that have both",
        "dimensionless",
        _MARKET,
        f"{_ALONE}, on each of the 96 bars, or when the market does not move",
    ),
    "corr_96": (
        "correlation of ret_1 with market_ret_1 over the bars of beta_96",
        "correlation",
        _MARKET,
        f"{_ALONE}, on each of the 96 bars, or when the symbol or the market does not move",
    ),
    "resid_ret_1": ("ret_1 - beta_96 * market_ret_1", "fraction", _MARKET, "when beta_96 is missing"),
}


def _define(name: str) -> FeatureDef:
    definition, unit, source, missing_rule = _DEFINITIONS[name]
    return FeatureDef(name, definition, unit, WARMUP_BARS[name], source, missing_rule)


SCHEMA = FeatureSchema(FEATURE_VERSION, tuple(_define(name) for name in NAMES))
BUILTIN = CompiledFeatureSet(SCHEMA, STATE_SIZE, step, batch)
