"""Why a detection was made, as a sentence in both languages."""

from __future__ import annotations

from models.values import Detection, Text, Why

CHANNELS: dict[str, tuple[str, str]] = {
    "spike": ("One reading stood out", "单次读数突出"),
    "shift": ("The last few readings together stood out", "最近几次读数整体偏离"),
    "long-shift": ("The readings of the last hours together stood out", "最近数小时整体偏离"),
    "record": ("It is beyond everything seen before", "超出以往所有记录"),
    "stuck": ("The value stays where it is", "数值长时间不变"),
    "silent": ("Nothing comes", "无数据上报"),
}
SEASONS: dict[str, tuple[str, str]] = {
    "workday": ("a working day", "工作日"),
    "weekend": ("a weekend", "周末"),
    "holiday": ("a holiday", "节假日"),
    "monday": ("a Monday", "周一"),
    "tuesday": ("a Tuesday", "周二"),
    "wednesday": ("a Wednesday", "周三"),
    "thursday": ("a Thursday", "周四"),
    "friday": ("a Friday", "周五"),
    "saturday": ("a Saturday", "周六"),
    "sunday": ("a Sunday", "周日"),
}
WITNESSES: dict[str, tuple[str, str]] = {
    "zone": ("its zone", "所在区域"),
    "other-kind": ("another kind of sensor nearby", "附近其他类型传感器"),
    "neighbours": ("its neighbours", "相邻监测点"),
    "persistence": ("its persistence", "持续时间"),
    "members": ("many datastreams together", "多路数据流共同表现"),
}


def sentence(found: Detection) -> Text:
    """Why ``found`` was told: what spoke, what was expected when, the neighbours, and what corroborates it."""
    why = found.why
    if why is None:
        return Text("", "")
    said = [_channel(why), _band(found, why), _lasted(why), _neighbours(why), _corroborated(found, why)]
    return Text(" ".join(part.en for part in said if part.en), "".join(part.zh for part in said if part.zh))


def _channel(why: Why) -> Text:
    en, zh = CHANNELS.get(why.channel, ("", ""))
    return Text(f"{en}." if en else "", f"{zh}。" if zh else "")


def _band(found: Detection, why: Why) -> Text:
    """What was expected, when, and within which band quiet readings lie."""
    if found.expected is None:
        return Text("", "")
    unit = "" if found.unit == "1" else f" {found.unit}"
    season = SEASONS.get(why.season, ("", ""))
    hour = "" if why.hour is None else f"{why.hour:02d}:00"
    when = Text(
        " ".join(part for part in (f"at {hour}" if hour else "", f"on {season[0]}" if season[0] else "") if part),
        f"{season[1]}{hour}",
    )
    en = f"{_figure(found.expected)}{unit} was expected {when.en}".rstrip()
    zh = f"{when.zh}预期 {_figure(found.expected)}{unit}"
    if why.low is not None and why.high is not None:
        en += f", {_figure(why.low)} to {_figure(why.high)} is usual"
        zh += f"，常见范围 {_figure(why.low)} 至 {_figure(why.high)}"
    return Text(f"{en}; {_figure(found.value)} came.", f"{zh}，实测 {_figure(found.value)}。")


def _lasted(why: Why) -> Text:
    seconds = why.lasted_ms // 1000
    if not seconds:
        return Text("", "")
    if seconds < 120:
        return Text(f"It had held for {seconds} s.", f"已持续 {seconds} 秒。")
    return Text(f"It had held for {seconds // 60} min.", f"已持续 {seconds // 60} 分钟。")


def _neighbours(why: Why) -> Text:
    if why.members > 1:
        return Text(f"It is told about {why.members:,} datastreams.", f"涉及 {why.members:,} 路数据流。")
    if not why.neighbours:
        return Text("", "")
    return Text(
        f"{why.strange} of {why.neighbours} neighbours are out of the ordinary in the same direction.",
        f"{why.neighbours} 个相邻监测点中有 {why.strange} 个同向异常。",
    )


def _corroborated(found: Detection, why: Why) -> Text:
    """By what it is corroborated, or that it has nothing."""
    told = [WITNESSES[name] for name in why.corroborated if name in WITNESSES]
    if told:
        en = [name for name, _ in told]
        listed = en[0] if len(en) == 1 else f"{', '.join(en[:-1])} and {en[-1]}"
        return Text(f"Corroborated by {listed}.", f"佐证：{'、'.join(zh for _, zh in told)}。")
    if found.kind == "data-quality":
        return Text("", "")
    return Text("Nothing else corroborates it: a single witness.", "暂无其他佐证，仅单一来源。")


def _figure(number: float | None) -> str:
    if number is None:
        return "?"
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
