"""Names, order and warm-up of the built-in features, and the names of the context columns.

This table is what the kernels index by and what the schema in `core.features.builtin` describes. The warm-up
is the number of bars before the current one, without loss between, that a value needs. Recursive averages
(RSI, ATR, MACD, EMA) are held back until what came before their first bar weighs less than 1e-9.
"""

import numpy as np

CONTEXT_FIELDS = (
    "orderbook_imbalance",
    "funding_rate",
    "onchain_norm",
    "event_decay",
    "funding_change",
    "funding_age_h",
    "funding_mean_3d",
    "event_count_1h",
    "event_count_24h",
    "event_count_7d",
    "event_funding_24h",
    "event_mna_24h",
    "event_product_24h",
    "event_regulatory_24h",
    "event_market_24h",
    "event_tier1_7d",
    "event_tier2_7d",
    "event_tier3_7d",
)

# The first four context columns are contract fields 11-14; the others are copied side by side as well.
CONTRACT_CONTEXT = 4

WARMUP_BARS = {
    "ret_1": 1,
    "ret_3": 3,
    "ret_12": 12,
    "ret_48": 48,
    "vol_3": 3,
    "vol_12": 12,
    "vol_48": 48,
    "vol_96": 96,
    "log_volume": 0,
    "vol_z": 12,
    "volume_impact": 1,
    "orderbook_imbalance": 0,
    "funding_rate": 0,
    "onchain_norm": 0,
    "event_decay": 0,
    # momentum
    "ret_6": 6,
    "ret_24": 24,
    "ret_96": 96,
    "ret_288": 288,
    "trend_24": 24,
    "trend_96": 96,
    "efficiency_24": 24,
    # volatility and range
    "vol_24": 24,
    "vol_288": 288,
    "vol_ratio_12_96": 96,
    "parkinson_12": 11,
    "parkinson_48": 47,
    "garman_klass_12": 11,
    "garman_klass_48": 47,
    "rogers_satchell_12": 11,
    "rogers_satchell_48": 47,
    "downside_share_48": 48,
    "jump_share_48": 49,
    "close_in_range": 0,
    # oscillators and distances
    "rsi_14": 300,
    "macd_line": 300,
    "macd_signal": 330,
    "macd_hist": 330,
    "ma_dist_7": 6,
    "ma_dist_30": 29,
    "ma_dist_96": 95,
    "ema_dist_12": 140,
    "ema_dist_26": 300,
    "bollinger_20": 19,
    "bollinger_width_20": 19,
    "atr_14": 300,
    "donchian_24": 23,
    "donchian_96": 95,
    "drawdown_96": 95,
    "drawdown_288": 287,
    # shape of returns
    "skew_96": 96,
    "kurt_96": 96,
    "up_share_24": 24,
    "up_share_96": 96,
    "autocorr_24": 25,
    "autocorr_96": 97,
    # liquidity
    "volume_z_48": 47,
    "volume_ratio_12_96": 95,
    "amihud_ratio_12_96": 96,
    "amihud_ratio_48_288": 288,
    "corwin_schultz_24": 24,
    "corwin_schultz_96": 96,
    "roll_24": 25,
    "roll_96": 97,
    "signed_volume_24": 24,
    "vwap_dist_24": 23,
    # calendar
    "hour_sin": 0,
    "hour_cos": 0,
    "weekday_sin": 0,
    "weekday_cos": 0,
    # context, in the order of CONTEXT_FIELDS
    **dict.fromkeys(CONTEXT_FIELDS[CONTRACT_CONTEXT:], 0),
    # cross-section
    "rank_ret_1": 1,
    "rank_ret_12": 12,
    "rank_ret_48": 48,
    "rank_vol_48": 48,
    "market_ret_1": 1,
    "market_ret_12": 12,
    "market_ret_48": 48,
    "dispersion_1": 1,
    "beta_96": 96,
    "corr_96": 96,
    "resid_ret_1": 96,
}

NAMES = tuple(WARMUP_BARS)
N_FEATURES = len(NAMES)
N_CONTEXT = len(CONTEXT_FIELDS)
WARMUP = np.array(list(WARMUP_BARS.values()), dtype=np.int64)
MAX_WARMUP = int(WARMUP.max())

# Kernels index output columns by these; numba takes module integers as constants.
RET_1, RET_3, RET_12, RET_48 = (NAMES.index(f"ret_{k}") for k in (1, 3, 12, 48))
VOL_3, VOL_12, VOL_48, VOL_96 = (NAMES.index(f"vol_{k}") for k in (3, 12, 48, 96))
LOG_VOLUME = NAMES.index("log_volume")
VOL_Z = NAMES.index("vol_z")
VOLUME_IMPACT = NAMES.index("volume_impact")
ORDERBOOK_IMBALANCE = NAMES.index("orderbook_imbalance")
RET_6, RET_24, RET_96, RET_288 = (NAMES.index(f"ret_{k}") for k in (6, 24, 96, 288))
TREND_24, TREND_96 = NAMES.index("trend_24"), NAMES.index("trend_96")
EFFICIENCY_24 = NAMES.index("efficiency_24")
VOL_24, VOL_288 = NAMES.index("vol_24"), NAMES.index("vol_288")
VOL_RATIO_12_96 = NAMES.index("vol_ratio_12_96")
PARKINSON_12, PARKINSON_48 = NAMES.index("parkinson_12"), NAMES.index("parkinson_48")
GARMAN_KLASS_12, GARMAN_KLASS_48 = NAMES.index("garman_klass_12"), NAMES.index("garman_klass_48")
ROGERS_SATCHELL_12 = NAMES.index("rogers_satchell_12")
ROGERS_SATCHELL_48 = NAMES.index("rogers_satchell_48")
DOWNSIDE_SHARE_48 = NAMES.index("downside_share_48")
JUMP_SHARE_48 = NAMES.index("jump_share_48")
CLOSE_IN_RANGE = NAMES.index("close_in_range")
RSI_14 = NAMES.index("rsi_14")
MACD_LINE, MACD_SIGNAL, MACD_HIST = (NAMES.index(f"macd_{k}") for k in ("line", "signal", "hist"))
MA_DIST_7, MA_DIST_30, MA_DIST_96 = (NAMES.index(f"ma_dist_{k}") for k in (7, 30, 96))
EMA_DIST_12, EMA_DIST_26 = NAMES.index("ema_dist_12"), NAMES.index("ema_dist_26")
BOLLINGER_20, BOLLINGER_WIDTH_20 = NAMES.index("bollinger_20"), NAMES.index("bollinger_width_20")
ATR_14 = NAMES.index("atr_14")
DONCHIAN_24, DONCHIAN_96 = NAMES.index("donchian_24"), NAMES.index("donchian_96")
DRAWDOWN_96, DRAWDOWN_288 = NAMES.index("drawdown_96"), NAMES.index("drawdown_288")
SKEW_96, KURT_96 = NAMES.index("skew_96"), NAMES.index("kurt_96")
UP_SHARE_24, UP_SHARE_96 = NAMES.index("up_share_24"), NAMES.index("up_share_96")
AUTOCORR_24, AUTOCORR_96 = NAMES.index("autocorr_24"), NAMES.index("autocorr_96")
VOLUME_Z_48 = NAMES.index("volume_z_48")
VOLUME_RATIO_12_96 = NAMES.index("volume_ratio_12_96")
AMIHUD_RATIO_12_96, AMIHUD_RATIO_48_288 = (NAMES.index(f"amihud_ratio_{k}") for k in ("12_96", "48_288"))
CORWIN_SCHULTZ_24, CORWIN_SCHULTZ_96 = NAMES.index("corwin_schultz_24"), NAMES.index("corwin_schultz_96")
ROLL_24, ROLL_96 = NAMES.index("roll_24"), NAMES.index("roll_96")
SIGNED_VOLUME_24 = NAMES.index("signed_volume_24")
VWAP_DIST_24 = NAMES.index("vwap_dist_24")
HOUR_SIN = NAMES.index("hour_sin")
FUNDING_CHANGE = NAMES.index("funding_change")
RANK_RET_1, RANK_RET_12, RANK_RET_48 = (NAMES.index(f"rank_ret_{k}") for k in (1, 12, 48))
RANK_VOL_48 = NAMES.index("rank_vol_48")
MARKET_RET_1, MARKET_RET_12, MARKET_RET_48 = (NAMES.index(f"market_ret_{k}") for k in (1, 12, 48))
DISPERSION_1 = NAMES.index("dispersion_1")
BETA_96, CORR_96 = NAMES.index("beta_96"), NAMES.index("corr_96")
RESID_RET_1 = NAMES.index("resid_ret_1")
