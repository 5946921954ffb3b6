"""The words of the page that compares runs, in Chinese and English, side by side."""

# key: (Chinese, English). Places in braces are filled by name.
COMPARE_TEXTS: dict[str, tuple[str, str]] = {
    "compare.kicker": ("回测对比", "Runs compared"),
    "compare.window": ("共同区间", "Common window"),
    "compare.days": ("天数", "Days"),
    "compare.left_out": ("未计入的 K 线", "Bars left out"),
    "compare.left_out_note": ("之前 {before}，之后 {after}", "{before} before, {after} after"),
    "compare.bars_note": ("{interval}，全部运行共有", "of {interval}, shared by every run"),
    "compare.run": ("运行", "Run"),
    "compare.curves": ("收益与回撤", "Return and drawdown"),
    "compare.curves_lead": (
        "各账户在共同区间起点归一，与资金规模无关。下图为相对区间内最高点的回撤。",
        "Every account starts the common window as one, whatever its capital. Below, how far each stood under its "
        "highest point in the window.",
    ),
    "compare.aria": (
        "{runs} 的收益与回撤。用左右方向键读数。",
        "Return and drawdown of {runs}. Arrow keys move the read-out.",
    ),
    "compare.metrics": ("并列指标", "Metrics side by side"),
    "compare.metrics_lead": (
        "全部在共同区间内计算；★ 为该行最优。IC 与命中率只在共同区间即该运行全部交易区间时给出。",
        "All over the common window; a star marks the best of a row. IC and hit rate stand only where that window is "
        "all that the run traded.",
    ),
    "compare.tests": ("差异是否出于运气", "Is the difference luck?"),
    "compare.tests_lead": (
        "各运行减去 {first}，逐 K 线配对。{level} 区间与 p 值来自 {n} 次分块重采样，每次对两个账户抽取相同的区块；"
        "多个比较的 p 值经 Holm 校正。",
        "Each run less {first}, bar by bar. The {level} intervals and the p values are from {n} block-bootstrap "
        "resamples that draw the same blocks from both accounts; p values of several comparisons are corrected by "
        "Holm's method.",
    ),
    "compare.excess": ("年化收益差", "Return difference p.a."),
    "compare.sharpe": ("夏普差", "Sharpe difference"),
    "compare.interval": ("区间", "Interval"),
    "compare.p": ("p 值", "p value"),
    "compare.correlation": ("收益相关", "Correlation"),
    "compare.entries": ("相同开仓", "Same entries"),
    "compare.holdings": ("相同持仓", "Same holdings"),
    "compare.differences": ("配置差异", "What differs in their making"),
    "compare.differences_lead": ("仅列出不相同的项。", "Only what is not the same is listed."),
    "compare.no_difference": ("配置与数据完全相同。", "Configuration and data are the same."),
    "compare.setting": ("项目", "Setting"),
    "compare.best": ("该行最优", "best of the row"),
    "measure.sharpe_low": ("夏普 95% 下限", "Sharpe, 95 % low"),
    "measure.sharpe_high": ("夏普 95% 上限", "Sharpe, 95 % high"),
    "measure.fee": ("手续费", "Fee"),
    "measure.slippage": ("滑点", "Slippage"),
    "measure.impact": ("市场冲击", "Impact"),
    "measure.funding": ("资金费与借币费", "Funding and borrowing"),
}
