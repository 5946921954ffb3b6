"""The words of the sections on account and trades in Chinese and English, side by side."""

# key: (Chinese, English). Places in braces are filled by name.
ACCOUNT_TEXTS: dict[str, tuple[str, str]] = {
    "equity.band": ("{level} 重采样区间", "{level} of resampled paths"),
    "equity.band_low": ("区间下沿", "Band, low"),
    "equity.band_high": ("区间上沿", "Band, high"),
    "equity.hold": ("等权买入持有", "Universe bought and held"),
    "equity.axis": ("纵轴", "Axis"),
    "equity.linear": ("线性", "linear"),
    "equity.log": ("对数", "logarithmic"),
    "equity.band_note": (
        "浅色区间：把每根 K 线的收益按 {block} 根一块重新抽样拼接 {n} 次，每一时刻有 {level} 的路径落在其中（逐点）。",
        "The pale band holds, at each moment, {level} of {n} paths made of the account's own returns, drawn again in "
        "blocks of {block} bars.",
    ),
    "equity.no_band": (
        "观测太少或权益不为正，无法重采样，因此没有区间。",
        "Without a band: too few blocks of returns to draw from, or equity that does not stay above zero.",
    ),
    "equity.hold_note": (
        "买入持有：起始资金在首个可交易时刻平均买入各标的，同样的成本，此后不再交易。",
        "Bought and held: the capital spread evenly over the symbols at the start, at the same costs.",
    ),
    "equity.zoom": (
        "按住拖动可放大，双击还原。",
        "Drag across the chart to zoom in, double-click to see it whole.",
    ),
    "drawdowns.title": ("最深的回撤", "The deepest drawdowns"),
    "drawdowns.depth": ("深度", "Depth"),
    "drawdowns.peak": ("起点（高点）", "From (peak)"),
    "drawdowns.trough": ("低点", "Trough"),
    "drawdowns.recovered": ("收复", "Recovered"),
    "drawdowns.not_yet": ("尚未", "not yet"),
    "drawdowns.length": ("历时（天）", "Length, days"),
}
