"""Every word of a report in Chinese and English, side by side, so that neither can lack one."""

from collections.abc import Callable

from marketsentry.reports.account_texts import ACCOUNT_TEXTS
from marketsentry.reports.compare_texts import COMPARE_TEXTS
from marketsentry.reports.evidence_texts import EVIDENCE_TEXTS
from marketsentry.reports.facts import Lang
from marketsentry.reports.overfitting_texts import OVERFITTING_TEXTS

# key: (Chinese, English). Places in braces are filled by name.
TEXTS: dict[str, tuple[str, str]] = {
    # page
    "page.html_lang": ("zh-CN", "en"),
    "page.title": ("{name} · 回测报告", "{name} · backtest report"),
    "page.kicker": ("回测报告", "Backtest report"),
    "page.candidates_title": ("候选模型评审", "Candidates judged"),
    "page.run": ("运行 {run}", "Run {run}"),
    "page.period": ("{first} 至 {last}（UTC）", "{first} to {last} UTC"),
    "page.bars": ("{n} 根 {interval} K 线", "{n} bars of {interval}"),
    "page.written": ("由 MarketSentry {version} 生成", "Written by MarketSentry {version}"),
    "page.ran": ("运行于 {at} UTC", "ran at {at} UTC"),
    "page.disclaimer": (
        "历史模拟不代表未来收益，不构成投资建议。",
        "A simulation of the past. It promises nothing about the future and is no investment advice.",
    ),
    "page.scheme": ("涨跌配色", "Gain and loss colours"),
    "page.scheme.us": ("绿涨", "green up"),
    "page.scheme.cn": ("红涨", "red up"),
    "page.missing": ("“—”表示该数值缺失。", "A dash (—) stands for a number that is missing."),
    "page.synthetic": (
        "合成数据：行情由带种子的模型生成，并非真实市场。结果只说明流程可用，不说明能够盈利。",
        "Synthetic data: a seeded model made these prices, no market did. "
        "The result shows that the machinery works, not that it earns.",
    ),
    # verdict
    "verdict.title": ("评审结论", "Verdict"),
    "verdict.pass": ("通过", "Passed"),
    "verdict.fail": ("未通过", "Refused"),
    "verdict.insufficient_observation": ("观测不足", "Not enough observations"),
    "verdict.none": ("未评审", "Not judged"),
    "verdict.lead": (
        "依据全部前向滚动折与最终区间评定，而非仅本次回测的区间。每项实测值与其限制并列；缺失的数值不视为通过。",
        "Judged on all walk-forward folds and the final block, not on the span of this backtest alone. "
        "Each measured value beside its limit; a value that is missing does not pass.",
    ),
    "verdict.lead.pass": ("{name} {version} 满足全部 {n} 项限制。", "{name} {version} meets all {n} limits."),
    "verdict.lead.fail": (
        "{name} {version} 有 {failed} / {n} 项未满足限制。",
        "{name} {version} misses {failed} of {n} limits.",
    ),
    "verdict.lead.insufficient_observation": (
        "{name} {version} 的证据不足以判断，不视为通过。",
        "There is too little evidence to judge {name} {version}. That is not a pass.",
    ),
    "verdict.lead.refused": ("{name} {version} 未通过评审。", "{name} {version} was refused."),
    "verdict.lead.none": ("本次运行没有关联的评审结论。", "No verdict is stored with this run."),
    "verdict.of_window": ("{measure}（窗口 {n}）", "{measure}, window {n}"),
    "verdict.check": ("检查项", "Check"),
    "verdict.value": ("实测", "Measured"),
    "verdict.limit": ("限制", "Limit"),
    "verdict.outcome": ("结果", "Outcome"),
    "outcome.pass": ("通过", "pass"),
    "outcome.fail": ("不满足", "fail"),
    "outcome.insufficient_observation": ("观测不足", "too few"),
    "verdict.reasons": ("原因", "Reasons"),
    "status.failed": ("运行失败", "The run failed"),
    "status.running": ("运行未完成", "The run has not ended"),
    # measures
    "measure.pnl_after_cost": ("净收益率", "Return after costs"),
    "measure.max_drawdown": ("最大回撤", "Largest drawdown"),
    "measure.max_drawdown_frac": ("最大回撤", "Largest drawdown"),
    "measure.pnl_after_cost_frac": ("净收益率", "Return after costs"),
    "measure.sharpe": ("夏普比率", "Sharpe ratio"),
    "measure.sortino": ("索提诺比率", "Sortino ratio"),
    "measure.ic": ("IC", "IC"),
    "measure.rank_ic": ("秩相关 IC", "Rank IC"),
    "measure.hit_rate": ("方向命中率", "Hit rate"),
    "measure.turnover": ("换手", "Turnover"),
    "measure.volatility": ("年化波动率", "Volatility p.a."),
    "measure.exposure": ("平均敞口", "Mean exposure"),
    "measure.trades": ("成交笔数", "Trades"),
    "measure.liquidations": ("强平次数", "Liquidations"),
    "measure.funding_gaps": ("缺失的资金费", "Charges of unknown funding"),
    "measure.shortfall": ("穿仓损失", "Loss beyond the equity"),
    "measure.n_trades": ("成交笔数", "Trades"),
    "measure.samples": ("样本数", "Samples"),
    "measure.n_samples": ("样本数", "Samples"),
    "measure.n_observations": ("观测数", "Observations"),
    "measure.folds": ("折数", "Folds"),
    "measure.n_windows": ("窗口数", "Windows"),
    "measure.n_folds": ("折数", "Folds"),
    "measure.n_leaks": ("泄漏的特征数", "Leaking features"),
    "measure.leaks": ("泄漏的特征数", "Leaking features"),
    "measure.canary_caught": ("泄漏探针被发现（1 = 是）", "Leak canary caught (1 = yes)"),
    "measure.batch_equals_stream": ("批量与流式逐位一致（1 = 是）", "Batch equals stream (1 = yes)"),
    "measure.warmup_violations": ("预热期违规的特征数", "Features shown before warm-up"),
    "measure.ic_plausible": ("IC 绝对值在可信范围内", "IC not too good to be true"),
    "measure.n_independent_samples": ("独立样本数", "Independent samples"),
    "measure.final_ic": ("最终区间 IC", "IC of the final block"),
    "measure.final_pnl_after_cost_frac": ("最终区间净收益率", "Return after costs, final block"),
    "measure.final_max_drawdown_frac": ("最终区间最大回撤", "Largest drawdown, final block"),
    "measure.lineage_coverage": ("血缘覆盖率", "Lineage coverage"),
    "measure.turnover_per_day": ("日均换手", "Turnover a day"),
    "note.pnl_after_cost": ("扣除手续费、滑点与冲击后", "after fee, slippage and impact"),
    "note.max_drawdown": ("相对此前最高权益", "below the highest equity so far"),
    "note.sharpe": ("按每年 {periods} 期年化", "annualised over {periods} periods a year"),
    "note.sharpe_interval": ("95% 区间 {low} 至 {high}", "95 % interval {low} to {high}"),
    "note.ic": ("预测与实际收益的相关系数", "correlation of prediction and return"),
    "note.hit_rate": ("{n} 个样本", "of {n} samples"),
    "note.turnover": ("成交额 / 权益的累计", "traded value over equity, summed"),
    "note.trades": ("{symbols} 个标的", "in {symbols} symbols"),
    "note.exposure": ("总持仓 / 权益", "gross position over equity"),
    # equity
    "equity.title": ("权益与回撤", "Equity and drawdown"),
    "equity.lead": (
        "上图为扣除成本后的账户权益，下图为相对历史最高点的回撤，两图共用时间轴。"
        "阴影为各折的样本外测试区间，标注该折的 IC 与账户在其中的收益。",
        "Above, the account after costs; below, how far it stood under its highest point. Shaded spans are the "
        "folds' out-of-sample tests, with the IC of the fold and what the account earned in it.",
    ),
    "equity.empty": ("没有权益曲线。", "There is no equity curve."),
    "equity.equity": ("权益", "Equity"),
    "equity.return": ("收益率", "Return"),
    "equity.drawdown": ("回撤", "Drawdown"),
    "equity.start": ("起始资金", "starting capital"),
    "equity.aria": (
        "权益从 {start} 到 {end}，最大回撤 {drawdown}。用左右方向键读数。",
        "Equity from {start} to {end}, largest drawdown {drawdown}. Arrow keys move the read-out.",
    ),
    "equity.thinned": (
        "图中 {shown} 点来自 {n} 根 K 线，每段的最高与最低点均保留。",
        "{shown} points drawn of {n} bars; the highest and lowest of every stretch are kept.",
    ),
    # months
    "months.title": ("月度收益", "Returns by month"),
    "months.year": ("年份", "Year"),
    "months.total": ("全年", "Total"),
    "months.lead": (
        "按 UTC 自然月，首尾月可能不完整。",
        "UTC calendar months; the first and the last may be partial.",
    ),
    # folds
    "folds.title": ("前向滚动各折", "Walk-forward folds"),
    "folds.lead": (
        "每一折只用测试区间之前的数据训练，并在两者之间清除与标签重叠的样本。",
        "Each fold trains on the past of its test span only; "
        "rows whose label reaches into the test are dropped.",
    ),
    "folds.empty": ("没有折的记录。", "No folds are recorded."),
    "folds.fold": ("折", "Fold"),
    "windows.window": ("窗口", "Window"),
    "folds.final": ("最终", "Final"),
    "folds.final_note": ("最终区间从未参与任何选择。", "The final block took part in no choice."),
    "folds.test": ("测试区间", "Test span"),
    "folds.n_train": ("训练样本", "Train rows"),
    "folds.n_test": ("测试样本", "Test rows"),
    "folds.pnl": ("净收益率", "Net return"),
    "folds.own_account": (
        "净收益率来自训练评审时各折连续运行的账户，最终区间使用独立的新账户。",
        "Net return is that of the account that judged the candidate; the final block had a fresh one.",
    ),
    "windows.title": (
        "本次运行的 {n} 个报告窗口及其检查",
        "The {n} reporting windows of this run, and their checks",
    ),
    # symbols
    "symbols.title": ("分标的结果", "Results by symbol"),
    "symbols.lead": (
        "盈亏为扣除成本后的计价货币金额，各标的之和等于组合。",
        "Profit and loss net of costs, in quote currency; the symbols add up to the portfolio.",
    ),
    "symbols.empty": ("没有分标的记录。", "No results by symbol are recorded."),
    "symbols.symbol": ("标的", "Symbol"),
    "symbols.pnl": ("净盈亏", "Net PnL"),
    "symbols.cost": ("成本", "Costs"),
    "symbols.cumulative": ("累计净盈亏", "Cumulated net PnL"),
    # costs
    "costs.title": ("成本分解", "Where the money went"),
    "costs.lead": (
        "毛收益为同样的成交在没有任何成本时的盈亏。",
        "Gross is what the same trades would have earned without any cost.",
    ),
    "costs.gross": ("毛收益", "Gross"),
    "costs.fee": ("手续费", "Fee"),
    "costs.slippage": ("滑点", "Slippage"),
    "costs.impact": ("市场冲击", "Impact"),
    "costs.net": ("净收益", "Net"),
    "costs.part": ("项目", "Part"),
    "costs.quote": ("金额", "Amount"),
    "costs.capital": ("占起始资金", "Of capital"),
    "costs.empty": ("没有成本记录。", "No costs are recorded."),
    # refused
    "others.title": ("未通过的候选", "Candidates refused"),
    "others.title_mixed": ("其他候选", "Other candidates"),
    "others.lead": (
        "同一流程评审，因以下原因不得继续。",
        "Judged by the same rules, and stopped for these reasons.",
    ),
    "leak.title": ("读取了未来的特征", "Features that read the future"),
    "leak.lead": (
        "改变某根 K 线之后的全部数据，正常特征在该 K 线上的取值不应变化。以下特征变化了：",
        "Change every bar after some moment, and a sound feature keeps its value at that moment. "
        "These did not:",
    ),
    "leak.feature": ("特征", "Feature"),
    "leak.bar": ("首个异常 K 线（UTC）", "First bad bar (UTC)"),
    "leak.with": ("原数据下的值", "Value as recorded"),
    "leak.without": ("改变未来后的值", "Value with another future"),
    # reasons by code
    "reason.leak": ("特征读取了未来", "a feature reads the future"),
    "reason.leaks": ("特征读取了未来", "a feature reads the future"),
    "reason.n_leaks": ("特征读取了未来", "a feature reads the future"),
    "reason.leak_test": ("特征读取了未来", "a feature reads the future"),
    "reason.blocked_by_data_quality": (
        "数据质量未达标，禁止训练",
        "blocked by data quality: nothing was trained",
    ),
    "reason.data_quality_blocked": ("数据质量未达标", "blocked by data quality"),
    "reason.missing_rate_exceeded": ("缺失 K 线过多", "too many bars are missing"),
    "reason.invalid_price_rate_exceeded": ("无效价格过多", "too many prices are invalid"),
    "reason.duplicate_rate_exceeded": ("重复 K 线过多", "too many bars are doubled"),
    "reason.stale_ratio_exceeded": ("过时间隔过多", "too many gaps between bars"),
    "reason.min_rows_not_met": ("数据行数不足", "too few rows"),
    "reason.quality_gate_failed": ("数据质量检查未通过", "the quality gate failed"),
    "reason.model_artifact_missing": ("没有登记的模型文件", "no model artifact is registered"),
    "reason.model_load_failed": ("模型文件无法读取", "the model artifact could not be loaded"),
    "reason.insufficient_features": ("可用特征行不足", "too few rows with features"),
    "reason.insufficient_prices": ("价格不足", "too few prices"),
    "reason.insufficient_funding": ("资金费率不足", "too few rates of funding"),
    "reason.lineage_mismatch": ("血缘不一致", "the lineage does not match"),
    "reason.not_measured": ("{measure}：未能测得，要求 {limit}", "{measure}: not measured, needs {limit}"),
    "reason.below_limit": (
        "{measure}：实测 {value}，要求 {limit}",
        "{measure}: measured {value}, needs {limit}",
    ),
    # assumptions
    "assumptions.title": ("模拟假设", "What the simulation assumes"),
    "assumptions.fills": (
        "第 t 根 K 线的决策只用其收盘时已知的数据，最早在 t+1 根按开盘价成交；"
        "超出参与率上限的部分顺延到下一根。",
        "A decision on bar t knows nothing after its close and fills no earlier than bar t+1, at its open; "
        "what exceeds the share of volume it may take goes on in the next bar.",
    ),
    "assumptions.costs": (
        "成本按成交额收取一次：手续费、半价差，以及随参与率平方根增长的冲击。",
        "Costs are charged once, on traded value: fee, half the spread, and impact that grows "
        "with the square root of participation.",
    ),
    "assumptions.lost": (
        "缺失的 K 线不补造价格：不开仓，持仓按最后价格计值，下一根有成交的 K 线才能平仓。",
        "No price is invented for a lost bar: nothing opens, holdings keep their last price, "
        "and can close at the next traded bar.",
    ),
    "assumptions.shorts": (
        "现货账户总敞口不超过权益；卖空的币按名义价值每日计借币费。",
        "A spot account holds no more than its equity; "
        "what it sells short it borrows, for a daily share of the notional.",
    ),
    "assumptions.perpetuals": (
        "永续合约为全仓保证金：按交易所费率收付资金费，费率缺失时按惩罚值计入成本；"
        "K 线内最不利价格下权益低于维持保证金即强平，强平价成交并收强平费。",
        "Perpetuals share one cross margin account. They pay and receive the venue's funding, a punishing rate "
        "where it is unknown. The account is liquidated where the worst prices of a bar leave less than the "
        "maintenance margin, "
        "at that price and with the venue's fee.",
    ),
    "assumptions.oos": (
        "预测全部来自样本外：每根 K 线由未见过它的模型预测。",
        "Every prediction is out of sample: made by a model that never saw the bar.",
    ),
    "assumption.capital_quote": ("起始资金", "Starting capital"),
    "assumption.fee_bps": ("手续费", "Fee"),
    "assumption.half_spread_bps": ("半价差", "Half-spread"),
    "assumption.impact_coefficient": ("冲击系数", "Impact coefficient"),
    "assumption.participation_frac": ("单根 K 线最大参与率", "Largest share of a bar's volume"),
    "assumption.latency_bars": ("成交延迟（K 线）", "Latency in bars"),
    "assumption.periods_per_year": ("每年期数", "Periods a year"),
    "assumption.horizon_bars": ("预测跨度（K 线）", "Horizon in bars"),
    "assumption.entry_edge_bps": ("超出成本的开仓边际", "Edge over cost to open"),
    "assumption.exit_edge_bps": ("平仓边际", "Edge at which it closes"),
    "assumption.cost_multiple": ("开仓所需成本倍数", "Round-trip costs to open"),
    "assumption.full_conviction_sigmas": ("满仓信念（σ）", "Full conviction (sigmas)"),
    "assumption.min_confidence": ("最低置信度", "Least confidence"),
    "assumption.prediction_ttl_bars": ("预测有效期（K 线）", "Prediction lives (bars)"),
    "assumption.allow_short": ("允许做空", "Short positions"),
    "assumption.position_volatility_frac": ("单仓年化波动目标", "Volatility of a full position"),
    "assumption.volatility_halflife_bars": ("波动率半衰期（K 线）", "Volatility half-life (bars)"),
    "assumption.volatility_warmup_bars": ("波动率预热（K 线）", "Volatility warm-up (bars)"),
    "assumption.taper_start_frac": ("开始减仓的回撤", "Drawdown where size tapers"),
    "assumption.taper_stop_frac": ("减仓到底的回撤", "Drawdown of smallest size"),
    "assumption.taper_floor_frac": ("减仓下限", "Smallest size"),
    "assumption.risk_budget": ("风险预算", "Risk budget"),
    "assumption.max_single_weight": ("单标的权重上限", "Largest weight of a symbol"),
    "assumption.max_gross_exposure": ("总敞口上限", "Largest gross exposure"),
    "assumption.max_turnover": ("单次换手上限", "Largest turnover at once"),
    "assumption.max_sector_exposure": ("单板块敞口上限", "Largest sector exposure"),
    "assumption.max_style_exposure": ("单风格敞口上限", "Largest style exposure"),
    "assumption.rebalance_band_frac": ("不调仓区间", "Changes left undone up to"),
    "assumption.min_notional_quote": ("最小下单额", "Smallest order"),
    "assumption.market": ("市场", "Market"),
    "assumption.max_leverage": ("最大杠杆", "Largest leverage"),
    "assumption.maintenance_margin_frac": ("维持保证金率", "Maintenance margin"),
    "assumption.liquidation_fee_bps": ("强平费", "Liquidation fee"),
    "assumption.missing_funding_bps": ("资金费率缺失时的成本", "Charge where funding is unknown"),
    "assumption.borrow_bps_per_day": ("每日借币费", "Borrowing of shorts, a day"),
    "value.yes": ("是", "yes"),
    "value.no": ("否", "no"),
    # lineage
    "lineage.title": ("血缘与复现", "Lineage, and how to reproduce it"),
    "lineage.lead": (
        "每个结果由其来源的内容哈希命名。用下面的命令重新运行；哈希相同，或指出第一处差异。",
        "A result is named by the hashes of what went in. This command runs it again and compares: "
        "the same hash, or the first difference by name.",
    ),
    "lineage.bars": ("K 线", "Bars"),
    "lineage.feature_schema": ("特征定义", "Feature schema"),
    "lineage.features": ("特征", "Features"),
    "lineage.model": ("模型", "Model"),
    "lineage.code": ("代码", "Code"),
    "lineage.params": ("参数", "Parameters"),
    "lineage.policy": ("策略代码", "Policy"),
    "lineage.seed": ("种子", "Seed"),
    "lineage.run": ("运行结果", "Run"),
    "lineage.dataset": ("数据集", "Dataset"),
    "lineage.predictions": ("预测", "Predictions"),
    "lineage.training": ("训练", "Training"),
    "lineage.copy": ("复制", "Copy"),
    "lineage.copied": ("已复制", "Copied"),
    # sweeps
    "sweep.kicker": ("参数扫描", "Parameter sweep"),
    "sweep.facts": ("{n} 组参数，按 {rank} 排序", "{n} settings, ranked by {rank}"),
    "sweep.settings": ("参数组数", "Settings"),
    "sweep.best": ("最优值", "Best"),
    "sweep.share": ("邻域中位数 / 最优", "Neighbours to best"),
    "sweep.share_note": ("最优附近 {n} 组的中位数", "median of the {n} around it"),
    "sweep.positive": ("为正的比例", "Above zero"),
    "sweep.trials": ("该赛道累计试验", "Trials of the track"),
    "sweep.trials_note": ("每组参数计为一次试验", "every setting counts as one"),
    "sweep.uncounted": ("未入库，未计为试验", "not recorded: nobody counted them"),
    "sweep.shape.plateau": ("高原：邻近参数表现相近。", "A plateau: its neighbours do nearly as well."),
    "sweep.shape.slope": ("斜坡：邻近参数明显较差。", "A slope: its neighbours do clearly worse."),
    "sweep.shape.peak_alone": (
        "孤峰：邻近参数不及其一半，多半出于运气。",
        "A peak alone on its hill: its neighbours do less than half as well, so it is more likely luck than skill.",
    ),
    "sweep.shape.no_hill": ("没有一组参数取得正值。", "No setting is above zero."),
    "sweep.shape.unknown": ("最优参数没有可比的邻居。", "The best setting has no neighbour to compare with."),
    "sweep.shape.none": ("没有一组参数有可用的数值。", "No setting has a value."),
    "sweep.heat": ("{row} × {column}", "{row} by {column}"),
    "sweep.heat_lead": (
        "{rank}，其余参数取中位数；“—”表示没有数值。",
        "{rank}, the median over all other parameters; a dash is no value.",
    ),
    "sweep.table": ("最优参数", "Best settings"),
    "sweep.deflate": (
        "这些数值是同一段历史上多次尝试的最优，须按试验次数折减后才能当作证据。",
        "The best of many attempts on one stretch of history: evidence only after it is deflated by their number.",
    ),
    # sources
    "source.synthetic": ("合成行情", "synthetic"),
    "source.binance_spot": ("币安现货", "Binance spot"),
    "source.binance_perp": ("币安永续", "Binance perpetual"),
    "source.coinbase_spot": ("Coinbase 现货", "Coinbase spot"),
    **ACCOUNT_TEXTS,
    **EVIDENCE_TEXTS,
    **OVERFITTING_TEXTS,
    **COMPARE_TEXTS,
}

Texts = Callable[..., str]


def texts(lang: Lang) -> Texts:
    """Give the function that looks up a text by key and fills its places, in one language."""
    column = 0 if lang is Lang.ZH else 1

    def text(key: str, **places: object) -> str:
        return TEXTS[key][column].format(**places) if places else TEXTS[key][column]

    return text


def name_of(text: Texts, group: str, name: str) -> str:
    """The words for a name that comes from data, such as a metric; a name without words reads as it is."""
    key = f"{group}.{name}"
    return text(key) if key in TEXTS else name.replace("_", " ")
