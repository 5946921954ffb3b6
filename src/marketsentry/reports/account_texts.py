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
    # rolling
    "rolling.title": ("滚动稳健性", "How steady it was"),
    "rolling.lead": (
        "每一点只看此前的 {n} 天（夏普另看 90 天）。夏普按每根 K 线收益年化；浅色为其标准误。"
        "敞口为总持仓占权益的平均，换手为日均成交额占权益。",
        "Every point looks back over {n} days, the Sharpe ratio over 90 as well. The ratio is annualised from returns "
        "per bar; the pale band is its standard error. Exposure is the mean gross position over equity, turnover what "
        "was traded a day over equity.",
    ),
    "rolling.days": ("{n} 天", "{n} days"),
    "rolling.error": ("± 一个标准误", "± one standard error"),
    "rolling.error_of": ("标准误（{n} 天）", "Standard error, {n} days"),
    "rolling.no_long": (
        "运行不足 {n} 天，没有 {n} 天的曲线。",
        "The run is too short for a window of {n} days.",
    ),
    "rolling.exposure": ("平均总敞口", "Mean gross exposure"),
    "rolling.turnover": ("日均换手", "Turnover a day"),
    "rolling.aria": (
        "滚动夏普、敞口与换手。用左右方向键读数。",
        "Rolling Sharpe ratio, exposure and turnover. Arrow keys move the read-out.",
    ),
    # days
    "days.title": ("日收益的分布", "Daily returns"),
    "days.lead": (
        "UTC 自然日。曲线为均值与标准差相同的正态分布：柱子高出其尾部，说明大涨大跌比正态更常见。",
        "UTC days. The line is the normal distribution of the same mean and deviation: bars beyond its tails are days "
        "that a normal market would not have had.",
    ),
    "days.bins": ("天数", "Days"),
    "days.normal": ("正态分布", "Normal distribution"),
    "days.count": ("天数", "Days"),
    "days.mean": ("日均收益", "Mean"),
    "days.deviation": ("标准差", "Deviation"),
    "days.up": ("上涨天数", "Days above zero"),
    "days.best": ("最好的一天", "Best day"),
    "days.worst": ("最差的一天", "Worst day"),
    "days.skew": ("偏度", "Skewness"),
    "days.kurtosis": ("超额峰度", "Excess kurtosis"),
    # trades
    "trades.title": ("交易", "Trades"),
    "trades.lead": (
        "共 {n} 笔往返交易，其中 {n_open} 笔在结束时仍未平仓（按最后价格计值，不参与排名）。"
        "价格为含滑点与冲击的成交均价。",
        "{n} round trips, {n_open} of them still open at the end, valued at the last price and not ranked. Prices are "
        "averages of the fills, slippage and impact included.",
    ),
    "trades.best": ("盈利最多", "Most profitable"),
    "trades.worst": ("亏损最多", "Most costly"),
    "trades.longest": ("持有最久", "Held longest"),
    "trades.side": ("方向", "Side"),
    "trades.long": ("做多", "long"),
    "trades.short": ("做空", "short"),
    "trades.open": ("未平仓", "still open"),
    "trades.entry": ("开仓（UTC）", "Entry (UTC)"),
    "trades.exit": ("平仓（UTC）", "Exit (UTC)"),
    "trades.bars": ("K 线数", "Bars"),
    "trades.qty": ("数量", "Quantity"),
    "trades.entry_price": ("开仓价", "Entry price"),
    "trades.exit_price": ("平仓价", "Exit price"),
    "trades.return": ("收益率", "Return"),
    "trades.pnl": ("净盈亏", "Net PnL"),
    # candles
    "candles.title": ("K 线上的交易", "Trades on the chart"),
    "candles.lead": (
        "每个标的最好、最差和最后一笔交易及其前后的行情，K 线即本次运行所用的数据。三角为首次成交，圆圈为末次成交，"
        "虚线相连；同一时段的其他交易以浅色表示。文字中的价格为成交均价。",
        "The best, the worst and the last trade of every symbol and the market around them, on the very bars that the "
        "run saw. A triangle is the first fill, a ring the last, a dashed line joins them; other trades in the window "
        "are pale. Prices in words are averages over the fills.",
    ),
    "candles.long": ("做多开仓", "Long entry"),
    "candles.short": ("做空开仓", "Short entry"),
    "candles.best": ("最好的一笔", "Best trade"),
    "candles.worst": ("最差的一笔", "Worst trade"),
    "candles.last": ("最后一笔", "Last trade"),
    "candles.length": ("每根 {interval}。", "Candles of {interval}."),
    "candles.left_out": ("另有 {n} 笔未画出。", "{n} more trades are not drawn."),
    "candles.none": ("这段时间没有完整的 K 线。", "There is no whole candle in this stretch."),
    "candles.open": ("开", "Open"),
    "candles.high": ("高", "High"),
    "candles.low": ("低", "Low"),
    "candles.close": ("收", "Close"),
    "candles.bars_changed": (
        "数据库中的 K 线已不是本次运行所用的那些（哈希 {detail}），因此不画交易，也不画买入持有。",
        "The record no longer holds the bars that this run saw (hash {detail}), so no trade is drawn on them and "
        "nothing is bought and held.",
    ),
    "candles.bars_gone": (
        "数据库中没有本次运行的 K 线（{detail}），因此不画交易，也不画买入持有。",
        "The record has no bars of this run ({detail}), so no trade is drawn on them and nothing is bought and held.",
    ),
    # costs
    "costs.funding": ("资金费与借币费", "Funding and borrowing"),
    "costs.of_gross": ("占毛收益", "Of gross"),
    "costs.by_symbol": ("分标的", "By symbol"),
    "costs.eaten": ("成本占毛收益", "Costs of gross"),
    # pictures of the evidence
    "evidence.by_fold": ("各折 IC 及其区间", "IC by fold, with its interval"),
    "evidence.by_month": ("各月 IC 及其区间", "IC by month, with its interval"),
    "evidence.few": (
        "；浅色：互不重叠的标签窗口少于 {n} 个，数值多为噪声",
        "; faint: fewer than {n} label windows that do not overlap, mostly noise",
    ),
    "evidence.calibration_axes": (
        "横轴：预测收益；纵轴：实际收益及其区间；虚线：言行一致",
        "Across: predicted return. Up: what came, with its interval. Dashed: means what it says.",
    ),
    "evidence.calibration_aria": (
        "各十分位的预测与实际收益，数值见下表。",
        "Predicted against realised return of every tenth; the table below has the numbers.",
    ),
    "evidence.trials_aria": (
        "各次试验的夏普与运气所能解释的水平，数值见下表。",
        "Sharpe ratios of the trials and the level that luck explains; the table below has the numbers.",
    ),
    "evidence.this_one": ("本次", "this one"),
    "evidence.luck": ("运气所能解释的最好夏普", "the best that luck explains"),
}
