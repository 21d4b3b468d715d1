"""Every word on the screens, in Chinese and English; what the city itself is called comes from its pack."""

from __future__ import annotations

from typing import Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

# key: (Chinese, English); {…} is filled in where the word is used
WORDS: dict[str, tuple[str, str]] = {
    "title": ("{city}城市运行中枢", "{city} City Operations"),
    # login
    "login.sub": ("请登录以处置告警", "Log in to work on alerts"),
    "login.user": ("用户名", "Name"),
    "login.password": ("密码", "Password"),
    "login.enter": ("登录", "Log in"),
    "login.wrong": ("用户名或密码不正确。", "The name or the password is wrong."),
    "login.locked": ("失败次数过多，请 {minutes} 分钟后再试。", "Too many failures; try again in {minutes} min."),
    # header
    "level": ("运行等级", "Level"),
    "level.0": ("常态", "Normal"),
    "level.1": ("关注", "Watch"),
    "level.2": ("预警", "Warning"),
    "level.3": ("应急", "Emergency"),
    "level.4": ("危机", "Crisis"),
    "level.why": ("按未结束告警的最高级别", "From the highest open alert"),
    "head.age": ("数据延迟", "Data age"),
    "head.open": ("未确认", "Unacknowledged"),
    "head.active": ("活动告警", "Open alerts"),
    "head.replay": ("回放", "Replay"),
    "head.datatime": ("数据时间", "Data time"),
    "head.logout": ("退出", "Log out"),
    "head.wall": ("大屏", "Wall"),
    "head.desk": ("席位", "Desk"),
    "head.lang": ("English", "中文"),
    # states of the whole
    "state.loading": ("正在载入…", "Loading…"),
    "state.waiting": ("等待第一批数据…", "Waiting for the first readings…"),
    "state.stale": ("数据已停止更新 {age}", "No new data for {age}"),
    "state.store": ("实时画面存储不可用，显示最后已知状态", "The live picture is away; this is its last known state"),
    "state.disconnected": ("与服务器的连接已断开，正在重连…", "Connection to the server lost; reconnecting…"),
    "state.failed": ("此面板出错：{error}", "This panel failed: {error}"),
    "badge.stale": ("数据陈旧", "Stale"),
    "badge.disconnected": ("已断开", "Offline"),
    # panels
    "panel.vitals": ("城市体征", "Vitals"),
    "panel.trends": ("趋势", "Trends"),
    "panel.zones": ("区域态势", "Places"),
    "panel.core": ("中心城区", "City centre"),
    "panel.whole": ("全域", "Whole city"),
    "panel.queue": ("告警队列", "Alert queue"),
    "panel.sources": ("数据源健康", "Source health"),
    "panel.minutes": ("近 60 分钟", "Last 60 minutes"),
    "panel.minutes.sub": ("每分钟新告警", "New alerts a minute"),
    "panel.detail": ("告警详情", "Alert"),
    "panel.map": ("地图", "Map"),
    "panel.watch": ("观察名单", "Watch list"),
    "empty.watch": ("没有待观察的异常。", "Nothing to watch."),
    "empty.queue": ("没有告警。城市运行平稳。", "No alerts. The city runs calmly."),
    "empty.sources": ("尚无数据源接入。", "No source has reported yet."),
    "empty.trends": ("尚无历史数据。", "No history yet."),
    "empty.zones": ("尚无区域数据。", "No places summed yet."),
    "empty.detail": ("在左侧选择一条告警。", "Choose an alert on the left."),
    "empty.filter": ("没有符合条件的告警。", "No alert fits the filter."),
    # vitals
    "tile.online": ("在线监测点", "Reporting"),
    "tile.online.of": ("共 {n}", "of {n}"),
    "tile.rate": ("数据接入", "Readings"),
    "tile.rate.unit": ("条/秒", "a second"),
    "tile.detections": ("异常检测", "Detections"),
    "tile.detections.sub": ("累计", "in all"),
    "tile.acknowledged": ("已确认", "Acknowledged"),
    "tile.acknowledged.sub": ("占活动告警 {share}", "{share} of open alerts"),
    "tile.longest": ("最长等待确认", "Longest wait"),
    "tile.longest.sub": ("{n} 条超时", "{n} overdue"),
    "tile.expected": ("较预期 {share}", "{share} of expected"),
    "tile.late": ("迟到 {n}", "{n} late"),
    "trend.now": ("实测", "Measured"),
    "trend.expected": ("预期", "Expected"),
    "trend.ahead": ("预测（90% 区间）", "Forecast, 90 %"),
    "zones.legend": ("实测 / 预期", "Measured / expected"),
    # properties
    "property.people": ("画面内人数", "People in view"),
    "property.visitors": ("客流", "Visitors"),
    "property.pedestrians": ("行人", "Pedestrians"),
    "property.water_level": ("积水深度", "Standing water"),
    "property.rainfall": ("雨强", "Rain"),
    "unit.1": ("人", ""),
    # legend
    "legend.heat": ("繁忙程度", "How busy"),
    "legend.low": ("低", "low"),
    "legend.high": ("高", "high"),
    "legend.none": ("无数据", "no data"),
    "legend.why": (
        "最亮 = 同类中最繁忙的 1%（{busy}），平方根刻度",
        "Brightest = the busiest 1 % of its kind ({busy}); square-root scale",
    ),
    # severities and states
    "severity.1": ("紧急", "Extreme"),
    "severity.2": ("重要", "Severe"),
    "severity.3": ("一般", "Moderate"),
    "severity.4": ("提示", "Minor"),
    "alert.unacknowledged": ("未确认", "Unacknowledged"),
    "alert.acknowledged": ("已确认", "Acknowledged"),
    "alert.returned-unacknowledged": ("恢复待确认", "Returned"),
    "alert.normal": ("已恢复", "Back to normal"),
    "alert.shelved": ("已搁置", "Shelved"),
    "alert.suppressed": ("已抑制", "Suppressed"),
    "alert.out-of-service": ("停用", "Out of service"),
    "alert.by": ("{by} 处置", "{by}"),
    "alert.overdue": ("超时", "overdue"),
    "alert.exercise": ("演练", "Exercise"),
    "alert.data-quality": ("数据质量", "Data quality"),
    "queue.more": ("还有 {n} 条", "{n} more"),
    # the watch list and the alert budget
    "watch.dial": (
        "预算 {n} 条/小时 · 分数线 {line} · 近一小时 {spent}",
        "{n} alerts/h · line {line} · {spent} in the last hour",
    ),
    "watch.less": ("减少每小时告警", "Fewer alerts an hour"),
    "watch.more": ("增加每小时告警", "More alerts an hour"),
    "watch.wants.corroboration": ("待佐证", "not corroborated"),
    "watch.wants.score": ("低于分数线", "below the line"),
    "watch.wants.budget": ("本小时预算已用完", "this hour's budget is spent"),
    "watch.wants.gateway": ("网关异常，不予采信", "its gateway is not believed"),
    "watch.wants.told": ("已并入其他告警", "told by another alert"),
    "watch.wants.over": ("已结束", "over"),
    "fault.stuck": ("卡死", "stuck"),
    "fault.zeros": ("持续为零", "at zero"),
    "fault.silent": ("无数据", "silent"),
    "fault.copy": ("重复", "copies"),
    # sources
    "source.ok": ("正常", "ok"),
    "source.late": ("延迟", "late"),
    "source.down": ("中断", "down"),
    "source.rejected": ("拒收 {n}", "{n} refused"),
    "source.summary": ("{n} 路 · 延迟 {late} · 中断 {down}", "{n} sources · {late} late · {down} down"),
    # desk
    "desk.open": ("待处置", "To do"),
    "desk.all": ("全部", "All"),
    "desk.faults": ("数据质量", "Data quality"),
    "desk.ack.key": ("确认 (A)", "Acknowledge (A)"),
    "desk.comment": ("备注（可选）", "Comment (optional)"),
    "desk.pending": ("正在提交…", "Sending…"),
    "desk.accepted": ("已提交，等待处理", "Sent; waiting to be carried out"),
    "desk.done": ("已确认", "Acknowledged"),
    "desk.conflict": ("已由 {by} 确认", "Already held by {by}"),
    "desk.unknown": ("该告警已不存在", "This alert no longer exists"),
    "desk.failed": ("未能提交：{reason}，请重试", "Not sent: {reason}. Try again"),
    "desk.offline": ("无法连接服务器", "the server cannot be reached"),
    "desk.viewonly": ("您的角色只能查看", "Your role may only look"),
    "desk.keys": ("按 ? 查看快捷键", "? for keys"),
    "detail.place": ("地点", "Place"),
    "detail.began": ("开始", "Began"),
    "detail.opened": ("发出", "Opened"),
    "detail.deadline": ("确认时限", "Due"),
    "detail.measured": ("实测", "Measured"),
    "detail.expected": ("预期", "Expected"),
    "detail.score": ("异常度", "Surprise"),
    "detail.score.why": (
        "平常约每 {odds} 次读数出现一次",
        "by chance about once in {odds} readings",
    ),
    "detail.rule": ("规则", "Rule"),
    "detail.id": ("编号", "Number"),
    "detail.state": ("状态", "State"),
    "detail.history": ("经过", "Timeline"),
    "detail.nearby": ("附近监测点", "Nearby"),
    "detail.metres": ("{n} 米", "{n} m"),
    "detail.system": ("系统", "System"),
    "step.opened": ("发出告警", "Opened"),
    "step.cleared": ("恢复正常", "Returned to normal"),
    "step.raised": ("升级", "Raised"),
    "step.acknowledge": ("确认", "Acknowledged"),
    "step.comment": ("备注", "Comment"),
    "step.confirm": ("核实", "Confirmed"),
    "step.shelve": ("搁置", "Shelved"),
    "step.unshelve": ("取消搁置", "Unshelved"),
    "step.suppress": ("抑制", "Suppressed"),
    "step.unsuppress": ("取消抑制", "Unsuppressed"),
    "step.remove-from-service": ("停用", "Taken out of service"),
    "step.return-to-service": ("恢复使用", "Back in service"),
    "step.severity": ("调整级别", "Severity changed"),
    "step.reset": ("复位", "Reset"),
    # keys
    "help.title": ("键盘快捷键", "Keys"),
    "help.move": ("下一条 / 上一条", "Next / previous alert"),
    "help.ack": ("确认所选告警", "Acknowledge the chosen alert"),
    "help.comment": ("填写备注", "Write a comment"),
    "help.filter": ("待处置 / 全部 / 数据质量", "To do / all / data quality"),
    "help.help": ("显示或关闭本帮助", "Show or close this help"),
    "help.close": ("关闭", "Close"),
    # time
    "time.seconds": ("{n} 秒", "{n} s"),
    "time.minutes": ("{n} 分钟", "{n} min"),
    "time.now": ("现在", "now"),
    "notfound": ("没有这个页面", "There is no such page"),
}


def word(key: str, lang: Language) -> str:
    """The word in one language; an unknown key raises ``KeyError``."""
    return WORDS[key][LANGUAGES.index(lang)]


def catalogue(lang: Language) -> dict[str, str]:
    """All words of one language, for the browser."""
    return {key: word(key, lang) for key in WORDS}


def language(asked: str | None, accept: str = "") -> Language:
    """The language asked for, else the first known one of an Accept-Language header, else Chinese."""
    if asked in LANGUAGES:
        return asked
    for part in accept.lower().split(","):
        for lang in LANGUAGES:
            if part.strip().startswith(lang):
                return lang
    return "zh"
