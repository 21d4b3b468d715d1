"""The after-action report as a row of blocks: headings, tables, figures. HTML and Word are made of the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from citybrain.reports.after_action import AfterAction, Deadline
from citybrain.reports.after_action_figures import said, span_words, the_curve, the_map, the_times
from citybrain.reports.after_action_words import action, measured, words
from citybrain.reports.figure import Figure
from citybrain.reports.words import Language
from models.plans import measure
from models.values import SEVERITIES, Alert, Task, Text

ROWS = 60  # of a table; what is beyond is counted
BARS = 24  # deadlines that are drawn


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a part."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence; ``loud`` stands out."""

    text: str
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Numbers:
    """The figures at a glance: (number, what it is)."""

    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; a cell of ``narrow`` columns is not broken, ``marks`` colour a row's last cell: met, missed."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    narrow: tuple[int, ...] = ()
    marks: tuple[str, ...] = ()
    more: str = ""


Block = Heading | Note | Numbers | Table | Figure


@dataclass(slots=True)
class Story:
    """The report: its title, the lines under it, its blocks."""

    lang: Language
    title: str
    place: str
    under: tuple[str, ...]
    exercise: str
    blocks: list[Block] = field(default_factory=list)


def story(facts: AfterAction, lang: Language) -> Story:
    """The whole report in one language."""
    teller = _Teller(facts, lang)
    w, it = teller.w, facts.incident
    first = facts.alerts[0].detection.onset
    gravest = min(facts.alerts, key=lambda one: (SEVERITIES.index(one.severity), -(one.detection.score or 0.0)))
    out = Story(
        lang,
        f"{w['title']}: {teller.said(gravest.detection.headline)}",
        " · ".join(dict.fromkeys((teller.said(facts.city.name), teller.said(it.place_name)))),
        (
            f"{w['incident']} {it.id} · {w[it.severity]} · {w['began']} {facts.local(first):%Y-%m-%d %H:%M} "
            f"({facts.city.timezone})",
            f"{w['made']} {facts.local(facts.made):%Y-%m-%d %H:%M}",
        ),
        w["exercise"] if it.exercise else "",
    )
    for part in (
        teller.glance,
        teller.place,
        teller.curves,
        teller.deadlines,
        teller.plan,
        teller.people,
        teller.alerts,
        teller.timeline,
        teller.others,
        teller.notices,
    ):
        out.blocks += part()
    return out


class _Teller:
    """Each part of the report by itself."""

    def __init__(self, facts: AfterAction, lang: Language) -> None:
        self.facts, self.lang, self.w = facts, lang, words(lang)

    def said(self, text: Text) -> str:
        """The text in the report's language."""
        return said(text, self.lang)

    def own(self, both: str) -> str:
        """Of a line that holds both languages, ``中文 / English``, the report's own."""
        zh, slash, en = both.partition(" / ")
        if not slash:
            return both
        return zh if self.lang == "zh" else en

    def clock(self, at: int | None) -> str:
        """A moment of the room, with its day where that is another than the first."""
        if at is None:
            return "–"
        first, now = self.facts.local(self.facts.incident.opened), self.facts.local(at)
        return f"{now:%H:%M:%S}" if first.date() == now.date() else f"{now:%m-%d %H:%M:%S}"

    def data(self, at: int | None) -> str:
        """A moment of the readings."""
        return "–" if at is None else f"{self.facts.local(at):%m-%d %H:%M}"

    # --- parts ------------------------------------------------------------------------------------------------

    def glance(self) -> list[Block]:
        """The numbers that matter most."""
        facts, w = self.facts, self.w
        begin, end = facts.alerts[0].detection.onset, max((one.cleared or facts.end) for one in facts.alerts)
        judged = [one for one in facts.deadlines if one.met is not None]
        good = f"{sum(one.met is True for one in judged)}/{len(judged)}"
        cells = [
            (str(len(facts.alerts)), w["alerts"]),
            (_long((end - begin) / 1000), w["lasted"]),
            (span_words(facts.took_s("alert-acknowledge", "acknowledge", "assign")), w["first_answer"]),
            (span_words(facts.took_s("launch")), w["launched"]),
            (span_words(facts.took_s("unit-arrive", "on-scene")), w["on_scene"]),
            (span_words(facts.took_s("resolve", "closed", "close")), w["resolved"]),
            (good if judged else "–", w["in_time"]),
            (str(facts.escalations), w["escalated"]),
        ]
        return [Heading(w["glance"]), Numbers(tuple(cells[:4])), Numbers(tuple(cells[4:]))]

    def place(self) -> list[Block]:
        """The map."""
        w = self.w
        whole = all(one.detection.place == self.facts.city.id for one in self.facts.alerts)
        return [
            Heading(w["map"]),
            the_map(self.facts, self.lang, w["map"]),
            Note(w["map.whole"] if whole else w["map.note"]),
        ]

    def curves(self) -> list[Block]:
        """One curve a place."""
        w, facts = self.w, self.facts
        if not facts.curves:
            return [Heading(w["curves"]), Note(w["curves.none"])]
        blocks: list[Block] = [Heading(w["curves"])]
        for curve in facts.curves:
            unit = "" if curve.unit == "1" else f" ({curve.unit})"
            title = f"{self.said(curve.place)}: {measured(curve.property, self.lang)}{unit}"
            blocks.append(the_curve(facts, curve, self.lang, title, w["usual"]))
        return [*blocks, Note(w["curves.note"])]

    def deadlines(self) -> list[Block]:
        """What had to be done by when, drawn and as a table."""
        w, rows = self.w, self.facts.deadlines
        if not rows:
            return [Heading(w["deadlines"]), Note(w["none"])]
        bars = [(self._short(one), one.since, one.done, one.due, one.met) for one in rows[:BARS]]
        table = tuple(
            (
                w[one.what],
                self.said(one.name),
                self.clock(one.due),
                self.clock(one.done),
                "–" if one.done is None else span_words((one.done - one.since) / 1000),
                one.by or "–",
                w[_outcome(one)],
            )
            for one in rows[:ROWS]
        )
        head = ("", w["headline"], w["due"], w["done"], w["took"], w["who"], w["outcome"])
        marks = tuple(_outcome(one) for one in rows[:ROWS])
        return [
            Heading(w["deadlines"]),
            the_times(bars, w["deadlines"], self.facts.incident.opened),
            Note(w["deadlines.note"]),
            Table(head, table, (2, 3, 4), marks, self._more(len(rows))),
        ]

    def plan(self) -> list[Block]:
        """What the plan wanted beside what was."""
        w, it = self.w, self.facts.incident
        blocks: list[Block] = [Heading(w["plan"])]
        plan = it.plan
        if plan is None:
            blocks.append(Note(w["plan.none"]))
            if it.proposal is not None:
                blocks.append(Note(w["plan.proposed"].format(stage=self.said(it.proposal.title) or it.proposal.stage)))
        else:
            stage = self.said(plan.title) or plan.stage
            blocks.append(Note(w["plan.launched"].format(plan=plan.plan, stage=stage, version=plan.version)))
            known = ", ".join(f"{key} {_plain(value)}" for key, value in plan.inputs.items() if value not in (None, ""))
            blocks.append(Note(f"{w['plan.inputs']}: {known}"))
            rows = [(w["units"], f"{one.count} × {one.kind}", str(len(self._of_kind(one.kind)))) for one in plan.units]
            rows += [(w["measures"], self.own(measure(name)), w["measure.ordered"]) for name in plan.measures]
            blocks.append(Table(("", w["wanted"], w["was"]), tuple(rows)))
        if it.tasks:
            blocks.append(self._tasks(it.tasks))
        if self.facts.sent:
            rows_ = tuple((unit, self.clock(sent), self.clock(there)) for unit, sent, there in self.facts.sent)
            blocks.append(Table((w["unit"], w["sent"], w["there"]), rows_, (1, 2)))
        return blocks

    def people(self) -> list[Block]:
        """Each person's acts in short."""
        w = self.w
        names = sorted({act.by for act in self.facts.acts if act.by})
        rows = []
        for name in names:
            mine = [act for act in self.facts.acts if act.by == name]
            kinds = dict.fromkeys(act.action for act in mine)
            done = ", ".join(f"{action(kind, self.lang)} × {sum(act.action == kind for act in mine)}" for kind in kinds)
            rows.append((name, self.clock(mine[0].at), self.clock(mine[-1].at), done))
        if not rows:
            return [Heading(w["people"]), Note(w["none"])]
        return [Heading(w["people"]), Table((w["who"], w["first"], w["last"], w["what"]), tuple(rows), (0, 1, 2))]

    def alerts(self) -> list[Block]:
        """Its alerts by onset."""
        w = self.w
        rows = tuple(self._alert(one) for one in self.facts.alerts[:ROWS])
        head = (w["severity"], w["headline"], w["onset"], w["over"], w["by"])
        return [Heading(w["alerts"]), Table(head, rows, (0, 2, 3), (), self._more(len(self.facts.alerts)))]

    def timeline(self) -> list[Block]:
        """Every step."""
        facts, w = self.facts, self.w
        opened, two = facts.incident.opened, not facts.clock.live
        rows = []
        for act in facts.acts[:ROWS]:
            row = [self.clock(act.at), span_words((act.at - opened) / 1000)]
            row += [self.data(facts.clock.phenomenon(act.at))] if two else []
            who = act.by or w["system"]
            rows.append((*row, who, action(act.action, self.lang), self._comment(act.comment)))
        head = [w["time"], w["since"], *([w["data_time"]] if two else []), w["who"], w["what"], w["detail"]]
        notes: list[Block] = [Note(w["timeline.note"])] if two else []
        narrow = tuple(range(len(head) - 1))  # all but the detail
        table = Table(tuple(head), tuple(rows), narrow, (), self._more(len(facts.acts)))
        return [Heading(w["timeline"]), *notes, table]

    def others(self) -> list[Block]:
        """What else was open then."""
        w = self.w
        if not self.facts.others:
            return []
        rows = tuple(
            (w[one.severity], self.said(one.title), self.said(one.place_name), self.clock(one.opened))
            for one in self.facts.others[:ROWS]
        )
        head = (w["severity"], w["incident"], w["place"], w["began"])
        return [Heading(w["others"]), Table(head, rows, (0, 3), (), self._more(len(self.facts.others)))]

    def notices(self) -> list[Block]:
        """What of the archive could not be read."""
        if not self.facts.notices:
            return []
        return [Heading(self.w["notices"]), *(Note(one.words(self.lang)) for one in self.facts.notices)]

    # --- rows -------------------------------------------------------------------------------------------------

    def _alert(self, one: Alert) -> tuple[str, ...]:
        by = self.w["hidden"] if one.state == "suppressed" else one.acknowledged_by or "–"
        it = one.detection
        return self.w[one.severity], self.said(it.headline), self.data(it.onset), self.data(one.cleared), by

    def _tasks(self, tasks: Sequence[Task]) -> Table:
        w = self.w
        rows = tuple(
            (
                self.said(one.what),
                one.who,
                self.clock(one.deadline),
                self.clock(one.at),
                one.by or "–",
                w[f"state.{one.state}"],
            )
            for one in tasks[:ROWS]
        )
        return Table(
            (w["task"], "", w["due"], w["done"], w["who"], w["outcome"]), rows, (2, 3), (), self._more(len(tasks))
        )

    def _of_kind(self, kind: str) -> list[str]:
        return [unit for unit, _, _ in self.facts.sent if unit.startswith(kind)]

    def _short(self, one: Deadline) -> str:
        text = self.said(one.name)
        longest = 17 if self.lang == "zh" else 34
        return text if len(text) <= longest else text[: longest - 1] + "…"

    def _comment(self, text: str) -> str:
        """A line's words without the id that it begins with; a severity by its name."""
        if text in SEVERITIES:
            return self.w[text]
        head, _, rest = text.partition(" ")
        plain = rest if len(head) == 16 and all(letter in "0123456789abcdef" for letter in head) else text
        left, dot, right = plain.partition(" · ")
        return self.own(left) + (f" · {right}" if dot else "")

    def _more(self, count: int) -> str:
        return self.w["more"].format(n=count - ROWS) if count > ROWS else ""


def _outcome(one: Deadline) -> str:
    return "waiting" if one.met is None else "met" if one.met else "missed"


def _plain(value: str | float | None) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _long(seconds: float) -> str:
    """Hours and minutes, or days."""
    hours = seconds / 3600
    return f"{hours / 24:.1f} d" if hours >= 48 else f"{hours:.1f} h" if hours >= 1 else span_words(seconds)
