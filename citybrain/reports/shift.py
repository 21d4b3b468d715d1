"""The shift report: what the room leaves to those who take over, as HTML and as PDF."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from citybrain.reports.facts import Facts, ReportError
from citybrain.reports.words import Language, words
from models.alarm_quality import HOUR_MS
from models.escalation import ACTION
from models.values import Alert, Incident, Text

LISTED = 40  # rows of a table; what is beyond is counted
WIDTH = 500.0  # of the chart, in its own units
HEIGHT = 50.0  # of the highest bar
BARS = 48  # at most so many
STEPS_MIN = (10, 15, 30, 60, 120, 240, 720, 1440)
NEEDED = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk"  # Debian's packages


@dataclass(frozen=True, slots=True)
class Bars:
    """The chart of alerts over time: (x, height) of each bar, floods as (x, width), and the marks below."""

    minutes: int
    width: float
    step: float
    most: int
    bars: tuple[tuple[float, float], ...]
    floods: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[float, str, str], ...]


def html(facts: Facts, lang: Language) -> str:
    """The report as one page of HTML that needs no other file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    template = environment.get_template("shift.html")
    same_day = facts.local(facts.start).date() == facts.local(facts.end).date()
    until = facts.local(facts.end).strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M")
    return template.render(
        lang=lang,
        w=words(lang),
        city=_said(facts.city.name, lang),
        zone=facts.city.timezone,
        shift=_said(facts.shift, lang),
        span=f"{facts.local(facts.start):%Y-%m-%d %H:%M} – {until}",
        made=f"{facts.local(facts.now):%Y-%m-%d %H:%M:%S}",
        duty=facts.duty,
        handover=facts.handover,
        q=facts.quality,
        open=facts.open,
        settled=facts.settled,
        shelved=facts.shelved,
        anchor=facts.anchor,
        bars=bars(facts),
        limit=LISTED,
        said=lambda text: _said(text, lang),
        clock=lambda at: _clock(facts, at),
        lasting=lasting,
        reason=_reason,
        done=lambda one: f"{sum(task.state != 'open' for task in one.tasks)}/{len(one.tasks)}" if one.tasks else "–",
        escalations=_escalations,
    )


def pdf(page: str) -> bytes:
    """The page as PDF; raises ``ReportError`` where the machine lacks Pango."""
    try:
        import weasyprint  # not at the top: it needs libraries of the system, which HTML does without
    except OSError as error:
        raise ReportError(f"PDF needs Pango, which is not installed; on Debian: apt install {NEEDED}") from error
    made: Any = weasyprint.HTML(string=page, url_fetcher=_nothing).write_pdf()
    return bytes(made)


def bars(facts: Facts) -> Bars:
    """Alerts in equal steps of time, at most 48 of them."""
    span = facts.end - facts.start
    minutes = next((one for one in STEPS_MIN if span / (one * 60_000) <= BARS), STEPS_MIN[-1])
    step_ms = minutes * 60_000
    count = max(1, -(-span // step_ms))
    step = WIDTH / count
    found = Counter((one.opened - facts.start) // step_ms for one in facts.alerts)
    most = max(found.values(), default=0)
    return Bars(
        minutes=minutes,
        width=WIDTH,
        step=step,
        most=most,
        bars=tuple((place * step, HEIGHT * number / most) for place, number in sorted(found.items())),
        floods=tuple(
            ((one.start - facts.start) / step_ms * step, (one.end - one.start) / step_ms * step)
            for one in facts.quality.floods
        ),
        ticks=tuple(_ticks(facts, step, step_ms)),
    )


def lasting(seconds: float | None) -> str:
    """``45 s``, ``2:05``, ``1:02:05``; a dash for nothing."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _ticks(facts: Facts, step: float, step_ms: int) -> list[tuple[float, str, str]]:
    """Begin, middle and end."""
    form = "%H:%M" if facts.end - facts.start <= 36 * HOUR_MS else "%m-%d %H:%M"
    middle = (facts.start + facts.end) // 2
    return [
        ((at - facts.start) / step_ms * step, facts.local(at).strftime(form), anchor)
        for at, anchor in ((facts.start, "start"), (middle, "middle"), (facts.end, "end"))
    ]


def _said(text: Text, lang: Language) -> str:
    return (text.zh if lang == "zh" else text.en) or text.zh or text.en


def _clock(facts: Facts, at: int | None) -> str:
    """The time of day, with the day where it is another than the report's first."""
    if at is None:
        return "–"
    same = facts.local(at).date() == facts.local(facts.start).date()
    return facts.local(at).strftime("%H:%M" if same else "%m-%d %H:%M")


def _reason(alert: Alert) -> str:
    """What was said when it was shelved."""
    steps = [step for step in alert.history if step.now == "shelved" and step.was != "shelved"]
    return steps[-1].comment if steps else ""


def _escalations(incident: Incident) -> int:
    return sum(step.action == ACTION for step in incident.timeline)


def _nothing(url: str, *_: object, **__: object) -> Any:
    """The page has all it needs; a report never asks another machine."""
    raise ValueError(f"a report loads nothing, and not {url[:100]}")
