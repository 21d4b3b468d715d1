"""The words of the after-action report in both languages."""

from __future__ import annotations

from citybrain.reports.words import Language

WORDS: dict[str, tuple[str, str]] = {  # key: (Chinese, English)
    "title": ("事后复盘报告", "After-action report"),
    "exercise": ("演练 EXERCISE", "EXERCISE 演练"),
    "incident": ("事件", "Incident"),
    "made": ("生成时间", "Made"),
    "glance": ("概况", "At a glance"),
    "severity": ("级别", "Severity"),
    "began": ("起始", "Began"),
    "lasted": ("持续", "Lasted"),
    "alerts": ("告警", "Alerts"),
    "first_answer": ("首次确认", "First acknowledged"),
    "assigned": ("指派", "Assigned"),
    "launched": ("启动预案", "Plan launched"),
    "on_scene": ("首支力量到场", "First unit on scene"),
    "resolved": ("处置完毕", "Resolved"),
    "escalated": ("升级次数", "Escalations"),
    "in_time": ("按时完成", "In time"),
    "after_opening": ("事件产生后", "after it opened"),
    "map": ("地点", "Where"),
    "map.note": ("圆点为告警，颜色为级别。", "Dots are alerts in the colour of their severity."),
    "map.whole": ("告警涉及全市，未标地点。", "The alerts are about the whole city, at no one place."),
    "curves": ("曲线", "What was measured"),
    "curves.note": (
        "竖线为告警起始，底色至条件解除；虚线为前几周同一时刻的中位数。",
        "A line is where an alert began, its shade lasts as long as the condition did; broken: the median of this hour "
        "in the weeks before.",
    ),
    "curves.none": ("档案中没有此时段的读数。", "The archive has no readings of this time."),
    "usual": ("前几周中位数", "weeks before"),
    "timeline": ("时间线", "Timeline"),
    "timeline.note": (
        "时间为指挥室时钟；读数为回放，其时间见“数据时间”。",
        "Times are the room's clock; the readings were a recording, whose own time is the data time.",
    ),
    "time": ("时间", "Time"),
    "data_time": ("数据时间", "Data time"),
    "since": ("距产生", "Since opening"),
    "who": ("人员", "Who"),
    "what": ("动作", "What"),
    "detail": ("内容", "Detail"),
    "system": ("系统", "system"),
    "people": ("谁做了什么", "Who did what"),
    "first": ("首次", "First"),
    "last": ("末次", "Last"),
    "times": ("次数", "Times"),
    "deadlines": ("时限", "Deadlines"),
    "deadlines.note": (
        "条形为实际用时，竖线为到期；绿色按时，红色超时，灰色为到期前已解除或未到期。",
        "A bar is what it took, the tick is when it was due; green in time, red late, grey over before or not due.",
    ),
    "due": ("到期", "Due"),
    "done": ("完成", "Done"),
    "took": ("用时", "Took"),
    "outcome": ("结果", "Outcome"),
    "met": ("按时", "in time"),
    "missed": ("超时", "missed"),
    "waiting": ("无需再办", "over before it was due"),
    "alert": ("告警", "Alert"),
    "task": ("任务", "Task"),
    "plan": ("与预案对照", "Against the plan"),
    "plan.none": ("此事件没有启动预案。", "No plan was launched for this incident."),
    "plan.proposed": ("曾建议启动 {stage}。", "Stage {stage} was proposed."),
    "plan.launched": (
        "启动预案 {plan}，阶段 {stage}（版本 {version}）。",
        "Plan {plan} was launched, stage {stage} (version {version}).",
    ),
    "plan.inputs": ("依据", "It was asked with"),
    "wanted": ("预案要求", "Wanted by the plan"),
    "was": ("实际", "What was"),
    "units": ("力量", "Units"),
    "unit": ("力量", "Unit"),
    "sent": ("派出", "Sent"),
    "there": ("到场", "On scene"),
    "measures": ("措施", "Measures"),
    "measure.ordered": ("已下达", "ordered"),
    "tasks": ("任务", "Tasks"),
    "state.open": ("未完成", "open"),
    "state.done": ("完成", "done"),
    "state.skipped": ("略过", "skipped"),
    "others": ("同一时段的其他事件", "Other incidents of the time"),
    "place": ("地点", "Place"),
    "none": ("无", "None"),
    "more": ("另有 {n} 行", "and {n} more"),
    "notices": ("档案说明", "Notes on the archive"),
    "onset": ("起始", "Began"),
    "over": ("解除", "Over"),
    "by": ("确认人", "Acknowledged by"),
    "headline": ("内容", "Headline"),
    "hidden": ("由其他告警解释，已抑制", "explained by another, suppressed"),
    "Extreme": ("红", "Red"),
    "Severe": ("橙", "Orange"),
    "Moderate": ("黄", "Yellow"),
    "Minor": ("蓝", "Blue"),
}
ACTIONS: dict[str, tuple[str, str]] = {
    "opened": ("事件产生", "opened"),
    "alert-joined": ("告警并入", "alert joined"),
    "alert-acknowledge": ("确认告警", "alert acknowledged"),
    "alert-cleared": ("告警解除", "alert over"),
    "alert-shelve": ("搁置告警", "alert shelved"),
    "alert-suppress": ("抑制告警", "alert suppressed"),
    "alert-comment": ("告警备注", "comment on an alert"),
    "alerts-more": ("更多告警", "more alerts"),
    "acknowledge": ("确认", "acknowledged"),
    "assign": ("指派", "assigned"),
    "release": ("放弃", "released"),
    "under-way": ("前往", "under way"),
    "on-scene": ("到场", "on scene"),
    "resolve": ("处置完毕", "resolved"),
    "close": ("办结", "closed"),
    "closed": ("办结", "closed"),
    "reopen": ("重新打开", "reopened"),
    "reopened": ("重新打开", "reopened"),
    "raised": ("提高级别", "raised"),
    "severity": ("调整级别", "severity changed"),
    "escalate": ("升级", "escalated"),
    "comment": ("备注", "comment"),
    "link": ("附件", "link"),
    "task": ("新增任务", "task added"),
    "task-done": ("完成任务", "task done"),
    "task-skipped": ("略过任务", "task skipped"),
    "task-open": ("重开任务", "task reopened"),
    "merged": ("并入事件", "merged"),
    "merged-into": ("并入", "merged into"),
    "split": ("拆分", "split"),
    "split-from": ("拆分自", "split from"),
    "proposed": ("建议预案", "plan proposed"),
    "launch": ("启动预案", "plan launched"),
    "decline": ("不采纳预案", "plan declined"),
    "measure-ordered": ("下达措施", "measure ordered"),
    "measure-lifted": ("解除措施", "measure lifted"),
    "zone-closed": ("封闭区域", "zone closed"),
    "zone-opened": ("开放区域", "zone opened"),
    "unit-send": ("派出力量", "unit sent"),
    "unit-accept": ("力量接受", "unit accepted"),
    "unit-take": ("力量接受", "unit accepted"),
    "unit-decline": ("力量拒绝", "unit declined"),
    "unit-arrive": ("力量到场", "unit on scene"),
    "unit-release": ("力量归队", "unit released"),
    "exercise-over": ("演练结束", "drill over"),
}
PROPERTIES: dict[str, tuple[str, str]] = {
    "people": ("画面内人数", "people in view"),
    "visitors": ("闸机人次", "people through the gates"),
    "pedestrians": ("行人数", "pedestrians"),
    "water_level": ("积水深度", "water level"),
    "rainfall": ("雨强", "rainfall"),
    "vehicles": ("车辆数", "vehicles"),
}


def words(lang: Language) -> dict[str, str]:
    """All words of one language by key."""
    place = 0 if lang == "zh" else 1
    return {key: both[place] for key, both in WORDS.items()}


def action(name: str, lang: Language) -> str:
    """A step of a timeline in words; its own name where it has none."""
    both = ACTIONS.get(name)
    return both[0 if lang == "zh" else 1] if both else name


def measured(name: str, lang: Language) -> str:
    """A property in words; its own name where it has none."""
    both = PROPERTIES.get(name)
    return both[0 if lang == "zh" else 1] if both else name.replace("_", " ")
