"""The figures of an after-action report: the map, one curve a place, and the bar of people's times."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from numpy.typing import NDArray

from citybrain.reports.after_action import AfterAction, Curve
from citybrain.reports.figure import GRID, INK, QUIET, Dot, Figure, Label, Shape
from citybrain.reports.words import Language
from config.city import City
from models.values import SEVERITIES, Alert, Severity, Text

COLOURS: dict[Severity, str] = {"Extreme": "#c4161c", "Severe": "#d9680b", "Moderate": "#b38f00", "Minor": "#1b62b8"}
WIDTH = 500.0
MAP, CURVE, BAR = 220.0, 150.0, 14.0  # so that map and first curve have room on one page
LEAST_M, ASIDE = 2_500.0, 0.35  # the map shows at least so much, and so much around what happened
METRES_A_DEGREE = 111_195.0
LAND, VENUE, BORDER, ROAD, WATER = "#f3f4f1", "#e4e8ee", "#aab2bf", "#ffffff", "#cfe0ee"
NAMED = 14  # places with their names


def said(text: Text, lang: Language) -> str:
    """The text in one language, or in the one there is."""
    return (text.zh if lang == "zh" else text.en) or text.zh or text.en


# --- the map --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """From degrees to points of the map: its middle, and points a metre."""

    lon: float
    lat: float
    scale: float

    def points(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) lon/lat as (n, 2) points."""
        east = (lonlat[:, 0] - self.lon) * METRES_A_DEGREE * math.cos(math.radians(self.lat))
        north = (lonlat[:, 1] - self.lat) * METRES_A_DEGREE
        return np.stack([WIDTH / 2 + east * self.scale, MAP / 2 - north * self.scale], axis=1)


def the_map(facts: AfterAction, lang: Language, title: str) -> Figure:
    """Where it was: the city's zones around, the alerts by severity, the incident's own place."""
    figure = Figure(WIDTH, MAP, title)
    figure.rectangle(0, 0, WIDTH, MAP, WATER)
    frame = _frame(facts)
    box = shapely.box(*_bounds(frame))
    for zone in facts.city.zones:
        if zone.kind == "district":
            _area(figure, frame, box, zone.polygon, LAND, BORDER, 0.8)
    for line in facts.city.lines:
        colour = {"road": ROAD, "river": WATER, "rail": BORDER}[line.kind]
        _line(figure, frame, box, line.shape, colour, 2.4 - 0.6 * line.rank)
    own = {alert.detection.place for alert in facts.alerts} | {facts.incident.place}
    for zone in facts.city.zones:
        if zone.kind != "district":
            fill, edge = ("#fbe3cf", "#d9680b") if zone.id in own else (VENUE, BORDER)
            _area(figure, frame, box, zone.polygon, fill, edge, 0.5)
    _names(figure, frame, facts.city, box, lang)
    placed = [one for one in facts.alerts if one.detection.place != facts.city.id]
    for alert in sorted(placed, key=lambda one: -SEVERITIES.index(one.severity)):
        x, y = frame.points(np.array([[alert.detection.lon, alert.detection.lat]]))[0]
        figure.parts.append(Dot(float(x), float(y), 5.0, COLOURS[alert.severity]))
    _scale_bar(figure, frame)
    return figure


def _frame(facts: AfterAction) -> Frame:
    """Around all alerts that are at one place; those of the whole city have none."""
    at = [(one.detection.lon, one.detection.lat) for one in facts.alerts if one.detection.place != facts.city.id]
    lon, lat = np.array(at or [(facts.incident.lon, facts.incident.lat)]).T
    middle = (float(lon.min() + lon.max()) / 2, float(lat.min() + lat.max()) / 2)
    across = float(np.ptp(lon)) * METRES_A_DEGREE * math.cos(math.radians(middle[1]))
    up = float(np.ptp(lat)) * METRES_A_DEGREE
    high = max(up * (1 + 2 * ASIDE), across * (1 + 2 * ASIDE) * MAP / WIDTH, LEAST_M)
    return Frame(*middle, MAP / high)


def _bounds(frame: Frame) -> tuple[float, float, float, float]:
    east = WIDTH / 2 / frame.scale / METRES_A_DEGREE / math.cos(math.radians(frame.lat))
    north = MAP / 2 / frame.scale / METRES_A_DEGREE
    return frame.lon - east, frame.lat - north, frame.lon + east, frame.lat + north


def _area(figure: Figure, frame: Frame, box: Any, shape: Any, fill: str, edge: str, width: float) -> None:
    for part in _parts(shapely.intersection(shape, box), "Polygon"):
        points = frame.points(shapely.get_coordinates(part.exterior))
        figure.parts.append(Shape([tuple(point) for point in points.tolist()], edge, width, fill))


def _line(figure: Figure, frame: Frame, box: Any, shape: Any, colour: str, width: float) -> None:
    for part in _parts(shapely.intersection(shape, box), "LineString"):
        points = frame.points(shapely.get_coordinates(part))
        figure.parts.append(Shape([tuple(point) for point in points.tolist()], colour, width))


def _parts(shape: Any, kind: str) -> list[Any]:
    return [part for part in shapely.get_parts(shape).tolist() if part.geom_type == kind]


def _names(figure: Figure, frame: Frame, city: City, box: Any, lang: Language) -> None:
    """The names of the smallest places in sight, none over another."""
    taken: list[tuple[float, float, float]] = []
    inside = [zone for zone in city.zones if shapely.contains_xy(box, zone.lon, zone.lat)]
    for zone in sorted(inside, key=lambda one: (one.kind == "district", one.area_m2)):
        x, y = frame.points(np.array([[zone.lon, zone.lat]]))[0].tolist()
        text = said(zone.name, lang)
        half = len(text) * (3.6 if lang == "zh" else 1.9)
        crowded = any(abs(y - other[1]) < 9 and abs(x - other[0]) < half + other[2] for other in taken)
        if not crowded and len(taken) < NAMED and half < x < WIDTH - half and 10 < y < MAP - 16:
            taken.append((x, y, half))
            figure.parts.append(Label(x, y + 11, text, 7.0, QUIET, "middle", halo=True))


def _scale_bar(figure: Figure, frame: Frame) -> None:
    metres = next(
        length for length in (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000) if length * frame.scale > 45
    )
    width = metres * frame.scale
    figure.parts.append(Shape(((12, MAP - 10), (12 + width, MAP - 10)), INK, 1.5))
    text = f"{metres} m" if metres < 1000 else f"{metres // 1000} km"
    figure.parts.append(Label(14, MAP - 13, text, 7.0, INK, halo=True))


# --- curves ---------------------------------------------------------------------------------------------------------


def the_curve(facts: AfterAction, curve: Curve, lang: Language, title: str, usual: str) -> Figure:
    """What the place showed, what is usual there, and where the alerts began and ended."""
    figure = Figure(WIDTH, CURVE, title)
    left, right, top, bottom = 42.0, WIDTH - 6.0, 16.0, CURVE - 18.0
    high = _nice(
        float(np.nanmax(np.concatenate([curve.value, [] if curve.usual is None else curve.usual]), initial=0.0))
    )
    span = max(facts.end - facts.start, 1)

    def x(at: float) -> float:
        return left + (right - left) * (at - facts.start) / span

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / high

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        figure.parts.append(Shape(((left, y(high * share)), (right, y(high * share))), GRID, 0.5))
        figure.parts.append(Label(left - 4, y(high * share) + 2.5, _number(high * share), 7.0, QUIET, "end"))
    for at, text in ticks(facts.start, facts.end, facts.city.timezone):
        figure.parts.append(Shape(((x(at), bottom), (x(at), bottom + 3)), QUIET, 0.5))
        figure.parts.append(Label(x(at), CURVE - 5, text, 7.0, QUIET, "end" if x(at) > right - 14 else "middle"))
    _marks(figure, curve.marks, x, top, bottom, facts.end)
    if curve.usual is not None:
        _plot(figure, curve.time, curve.usual, x, y, "#8a93a3", 0.9, curve.step_ms, dash=True)
    _plot(figure, curve.time, curve.value, x, y, INK, 1.3, curve.step_ms)
    figure.parts.append(Label(left, 9, title, 8.0, INK))
    if curve.usual is not None:
        figure.parts.append(Shape(((right - 62, 6.5), (right - 46, 6.5)), "#8a93a3", 0.9, dash=True))
        figure.parts.append(Label(right, 9, usual, 7.0, QUIET, "end"))
    return figure


def _marks(
    figure: Figure, alerts: Sequence[Alert], x: Callable[[float], float], top: float, bottom: float, end: int
) -> None:
    """From the onset of each alert to the end of its condition, in its colour; the line is its onset."""
    for alert in sorted(alerts, key=lambda one: -SEVERITIES.index(one.severity)):
        begin, over = alert.detection.onset, min(alert.cleared or end, end)
        shade = {"Extreme": "#f9e2e3", "Severe": "#fbeadb", "Moderate": "#f8f1d8", "Minor": "#e2ebf6"}[alert.severity]
        if over > begin:
            figure.parts.insert(0, Shape(_box(x(begin), top, x(over), bottom), fill=shade))
        figure.parts.append(Shape(((x(begin), top), (x(begin), bottom)), COLOURS[alert.severity], 1.0))


def _box(left: float, top: float, right: float, bottom: float) -> tuple[tuple[float, float], ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _plot(
    figure: Figure,
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    x: Callable[[float], float],
    y: Callable[[float], float],
    stroke: str,
    width: float,
    step_ms: int,
    dash: bool = False,
) -> None:
    """A line, broken where readings are missing."""
    known = np.isfinite(value)
    gaps = np.flatnonzero((np.diff(time) > 2.5 * step_ms) | ~known[1:] | ~known[:-1]) + 1
    for part in np.split(np.arange(len(time)), gaps):
        points = [(x(float(time[row])), y(float(value[row]))) for row in part if known[row]]
        if len(points) > 1:
            figure.parts.append(Shape(points, stroke, width, dash=dash))
        elif points:
            figure.parts.append(Dot(*points[0], 1.2, stroke, stroke))


def ticks(start: int, end: int, timezone: str) -> list[tuple[int, str]]:
    """Round moments between two (ms) in local time, at most nine, each with its words; a day's first bears its date."""
    zone = ZoneInfo(timezone)
    steps_min = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 43_200)
    step = next((one for one in steps_min if (end - start) / (one * 60_000) <= 8), steps_min[-1])
    first = dt.datetime.fromtimestamp(start / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    found, day = [], None
    at = first
    while at.timestamp() * 1000 <= end:
        ms = int(at.timestamp() * 1000)
        if ms >= start:
            new_day = at.date() != day
            day = at.date()
            text = f"{at:%m-%d}" if step >= 1440 else f"{at:%m-%d %H:%M}" if new_day else f"{at:%H:%M}"
            found.append((ms, text))
        at += dt.timedelta(minutes=step)
    return found


def _nice(most: float) -> float:
    """The next round number above."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(factor * power for factor in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0) if factor * power >= most)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


# --- people's times -------------------------------------------------------------------------------------------------


def the_times(rows: Sequence[tuple[str, int, int | None, int, bool | None]], title: str, since: int) -> Figure:
    """One bar a deadline (name, since, done, due, met; ms), as long as it took; the tick is when it was due."""
    figure = Figure(WIDTH, BAR * len(rows) + 14, title)
    ends = [due for _, _, _, due, _ in rows] + [done for _, _, done, _, _ in rows if done is not None]
    last = max(ends, default=since + 1)
    left, right = 190.0, WIDTH - 44.0
    span = max(last - since, 1)

    def x(at: float) -> float:
        return left + (right - left) * (at - since) / span

    for number, (name, begin, done, due, met) in enumerate(rows):
        top = 4 + number * BAR
        colour = "#1c7c3c" if met else "#8a93a3" if met is None else "#c4161c"
        end = last if done is None else done
        figure.rectangle(x(begin), top + 1, max(x(end) - x(begin), 1.0), BAR - 6, colour)
        figure.parts.append(Shape(((x(due), top - 1), (x(due), top + BAR - 3)), INK, 1.1))
        figure.parts.append(Label(left - 6, top + 8, name[:34], 7.0, INK, "end"))
        if done is not None:
            figure.parts.append(Label(x(end) + 4, top + 8, span_words((done - begin) / 1000), 7.0, QUIET))
    return figure


def span_words(seconds: float | None) -> str:
    """``45 s``, ``2:05 min``, ``1:02:05 h``; a dash for nothing."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if abs(whole) < 60:
        return f"{whole} s"
    sign, whole = ("-", -whole) if whole < 0 else ("", whole)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{sign}{minutes}:{rest:02d} min"
