"""The words of overfitting and cross-validation in Chinese and English, side by side."""

# key: (Chinese, English). Places in braces are filled by name.
OVERFITTING_TEXTS: dict[str, tuple[str, str]] = {
    "measure.pbo": ("过拟合概率", "Probability of overfitting"),
    "measure.probability_of_loss": ("样本外亏损概率", "Probability of loss elsewhere"),
    "measure.neighbours_above_zero_frac": ("邻近参数中夏普为正的比例", "Neighbouring settings above zero"),
    "measure.losing_paths_frac": ("亏损路径的比例", "Share of losing paths"),
    "overfit.title": ("参数邻域与过拟合", "The settings around it, and overfitting"),
    "overfit.lead": (
        "在假定的回放参数附近抽取 {n} 组设置，用同样的预测回放，不从中选择任何一组，因此不计为试验。"
        "夏普为正的占 {above}；假定设置按夏普排第 {rank}。",
        "{n} settings drawn around the assumed replay parameters, replayed over the same predictions. None of them is "
        "chosen, so they are no trials. {above} have a Sharpe ratio above zero; the assumed one ranks {rank}.",
    ),
    "overfit.choice": (
        "过拟合概率 {pbo}：在一半时段选出的最优设置，在另一半时段排名不高于中位数的比例。"
        "选出处夏普 {inside}，另一半 {outside}（中位数，{n} 种划分）；另一半亏损的比例 {loss}；衰减斜率 {slope}。",
        "Probability of overfitting {pbo}: how often the best setting on one half of the bars is not above the "
        "median on the other. Sharpe {inside} where it was chosen, {outside} elsewhere (medians of {n} splits); it "
        "loses elsewhere in {loss}; slope of elsewhere on chosen {slope}.",
    ),
    "overfit.nothing": ("没有可供选择的设置。", "There was nothing to choose from."),
    "overfit.tenth": ("另一半的排名（十分位，1 最差）", "Rank elsewhere (tenth, 1 is worst)"),
    "overfit.share": ("划分占比", "Share of splits"),
    "paths.kfold": ("净化 k 折", "Purged k-fold"),
    "paths.title": ("组合净化交叉验证的路径", "Paths of the combinatorial purged cross-validation"),
    "paths.lead": (
        "{groups} 组中每次测试 {tested} 组，共 {fits} 次拟合，拼成 {paths} 条完整历史；"
        "测试组两侧各净化 {purge} 根 K 线。"
        "训练用到了测试之后的数据：这说明结果有多依赖某一段历史，不说明能赚多少。"
        "夏普中位数 {median}（{least} … {greatest}）；亏损路径占 {losing}。",
        "{groups} groups, {tested} tested at once: {fits} fits make {paths} whole histories, with a purge of {purge} "
        "bars on both sides of every test group. Training saw what came after the test, so this tells how much the "
        "result hangs on one stretch of history, not what could have been earned. Median Sharpe {median} "
        "({least} … {greatest}); {losing} of the paths lose.",
    ),
    "paths.path": ("路径", "Path"),
    "paths.chart": ("各路径的净值", "Equity of the paths"),
    "sweep.pbo": ("过拟合概率", "Overfitting"),
    "sweep.pbo_note": (
        "选出处夏普 {inside}，其余时段 {outside}",
        "Sharpe {inside} where chosen, {outside} elsewhere",
    ),
    "sweep.choice": ("选择最优参数有多大意义", "What choosing the best is worth"),
}
