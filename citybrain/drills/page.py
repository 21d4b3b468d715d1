"""The score sheet as a page in both languages, to print and to keep."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2

from citybrain.drills.sheet import Sheet
from config import city as cities
from models.values import Text

WORDS: dict[str, tuple[str, str]] = {  # key: (Chinese, English)
    "sheet": ("演练评分表", "Score sheet of a drill"),
    "at-speed": ("快速推演（无人员参与）", "at speed, without people"),
    "live": ("实战演练", "live"),
    "blind": ("双盲", "blind"),
    "announced": ("事先通知", "announced"),
    "passed": ("合格", "passed"),
    "failed": ("不合格", "not passed"),
    "overtaken": ("真实紧急事件接管，演练中止", "a real emergency took over"),
    "points": ("得分", "Points"),
    "needed": ("合格线", "Needed"),
    "expected": ("考核项", "Expected"),
    "after": ("起算点", "After"),
    "within": ("时限", "Within"),
    "took": ("用时", "Took"),
    "outcome": ("结果", "Outcome"),
    "by": ("人员", "By"),
    "met": ("达标", "met"),
    "late": ("超时", "late"),
    "missed": ("未发生", "missed"),
    "waiting": ("未发生", "missed"),
    "not-graded": ("不评分", "not graded"),
    "alert": ("告警", "Alert"),
    "acknowledged": ("确认", "Acknowledged"),
    "plan": ("预案", "Plan"),
    "unit": ("力量", "Unit"),
    "told": ("已告知单位数", "Places told"),
    "detection": ("检测与注入真值对照", "Detection against what was injected"),
    "kind": ("注入类型", "Injected"),
    "happened": ("次数", "Times"),
    "found": ("发现", "Found"),
    "recall": ("召回率", "Recall"),
    "delay": ("中位延迟", "Median delay"),
    "false": ("误报", "False alerts"),
    "per_hour": ("每小时", "an hour"),
    "course": ("经过", "Course"),
    "injected": ("注入", "injected"),
    "opened": ("告警产生", "alert"),
    "cleared": ("解除", "cleared"),
    "acknowledge": ("确认", "acknowledged"),
    "exercise-over": ("演练结束", "drill over"),
    "began": ("开始", "Began"),
    "ended": ("结束", "Ended"),
    "led": ("组织者", "Led by"),
    "exercise": ("演练 EXERCISE", "EXERCISE 演练"),
}
KINDS: dict[str, tuple[str, str]] = {
    "surge": ("人流激增", "surge"),
    "pond-rising": ("积水上涨", "pond rising"),
    "stuck-sensors": ("传感器停滞", "stuck sensors"),
    "gateway-silent": ("网关失联", "silent gateway"),
    "change": ("读数变化", "changed readings"),
}


def html(sheet: Sheet, lang: str = "") -> str:
    """The sheet as one page that needs no other file; ``lang`` zh or en, by default the city's own."""
    city = cities.load(sheet.city)
    place = 0 if (lang or city.language) == "zh" else 1
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )

    def said(text: Text) -> str:
        return (text.zh, text.en)[place] or text.en or text.zh

    return environment.get_template("sheet.html").render(
        s=sheet,
        lang=("zh-CN", "en")[place],
        w={key: both[place] for key, both in WORDS.items()},
        kinds={key: both[place] for key, both in KINDS.items()},
        city=said(city.name),
        said=said,
        clock=lambda ms: f"{dt.datetime.fromtimestamp(ms / 1000, ZoneInfo(city.timezone)):%Y-%m-%d %H:%M:%S}",
        span=span,
    )


def span(seconds: float | None) -> str:
    """``45 s``, ``2:05``; a dash for nothing."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
