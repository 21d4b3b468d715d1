"""Common Alerting Protocol 1.2 (and 1.1): one warning for each ``info`` block, its translations put together.

The Chinese profile is read as it is used: colours (Red, Orange, Yellow, Blue) in ``severity``, identifiers that tell
who issued the warning (``ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N``), texts without a language. Text is English and Chinese;
another language stands in for English where there is none. An ``info`` without ``severity`` or colour counts as
Moderate, so that it is neither lost nor shouted.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar, get_args

import shapely

from geo.cap_text import AreaError, centre, corners
from models.values import SEVERITIES, Area, Severity, Text, Warning
from sensors.codecs import markup, moments
from sensors.codecs.base import Codec, Decoded, Envelope, bounded
from sensors.codecs.errors import Amiss, Fault, Unreadable
from sensors.codecs.markup import Element

NAMESPACES = ("urn:oasis:names:tc:emergency:cap:1.2", "urn:oasis:names:tc:emergency:cap:1.1", "")
CORNERS = 20_000  # of one polygon
SMALL = 500  # corners up to which a polygon may be as tangled as it likes
TANGLED = 30  # sides that a side of a larger one may meet on average; coastlines have 3
Colour = Literal["", "blue", "yellow", "orange", "red"]
Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
Message = Literal["Alert", "Update", "Cancel", "Ack", "Error"]
URGENCIES = ("Immediate", "Expected", "Future", "Past", "Unknown")
CERTAINTIES = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")
SEVERITY_OF: dict[str, Severity] = {"red": "Extreme", "orange": "Severe", "yellow": "Moderate", "blue": "Minor"}
COLOUR_PARAMETERS = {"awareness_level", "alertlevel", "colour", "color", "colourcode", "colorcode", "warninglevel"}
_COLOURS: dict[str, Colour] = {
    "red": "red",
    "orange": "orange",
    "yellow": "yellow",
    "blue": "blue",
    "红色": "red",
    "橙色": "orange",
    "黄色": "yellow",
    "蓝色": "blue",
}
_COLOUR_WORD = re.compile("|".join(_COLOURS), re.IGNORECASE)
_CHINESE_COLOUR = re.compile("[红橙黄蓝]色")
_CHINESE_ID = re.compile(r"(\d{6})(\d{3})(\d{3})(\d{2})_(\d{14})(?:_(\d))?", re.ASCII)
_CHINESE_TEXT = re.compile("[\u4e00-\u9fff]")
_TAG = re.compile(r"</?(?:a|b|i|u|p|em|strong|span|div|ul|ol|li)\b[^<>]{0,400}>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s{0,3}/?>", re.IGNORECASE)
_Word = TypeVar("_Word", bound=str)


class Issuer(NamedTuple):
    """What a Chinese warning identifier tells."""

    region: str  # GB/T 2260
    trade: str  # GB/T 4657: 416 is the weather service
    unit: str  # within the trade
    entered: int  # ms: when the warning was written
    number: int  # of those written in the same second


def issuer(identifier: str) -> Issuer | None:
    """The parts of a Chinese warning identifier; ``None`` where it is another one. Raises ``Amiss`` for a bad time."""
    found = _CHINESE_ID.fullmatch(identifier)
    if found is None:
        return None
    entered = moments.local(found[5], "identifier", "Asia/Shanghai")
    return Issuer(found[1], found[2], found[3], entered, int(found[6] or 0))


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    root = markup.parse(body)
    alerts = [root] if markup.name(root) == "alert" else list(markup.below(root, "alert"))
    if not alerts:
        reason = f"the document is {markup.name(root)} and holds no alert; send CAP 1.2"
        raise Unreadable(reason, field="alert", value=markup.name(root), limit="alert")
    bounded(len(alerts), envelope.limit)
    decoded = Decoded(count=len(alerts), text=lambda index: markup.source(alerts[index]))
    for index, alert in enumerate(alerts):
        try:
            decoded.add(index, *_warnings(alert, envelope, index, decoded.faults))
        except Amiss as amiss:
            decoded.faults.append(amiss.at(index, _where(alert)))
    return decoded


def _where(alert: Element) -> str:
    return f"alert {markup.text(alert, 'identifier')[:80] or 'without identifier'}"


def _warnings(alert: Element, envelope: Envelope, index: int, faults: list[Fault]) -> list[Warning]:
    if (space := markup.namespace(alert)) not in NAMESPACES:
        raise Amiss("alert", space, NAMESPACES[0], f"the alert is of {space[:80]}; send CAP 1.2 ({NAMESPACES[0]})")
    identifier = markup.needed(alert, "identifier")
    told = issuer(identifier)
    warning = Warning(
        id=identifier,
        sender=markup.needed(alert, "sender"),
        sent=moments.local(markup.needed(alert, "sent"), "sent", envelope.zone),
        status=_word(alert, "status", get_args(Status)),
        message=_word(alert, "msgType", get_args(Message)),
        references=_references(markup.text(alert, "references")),
        event=Text(en="", zh=""),
        headline=Text(en="", zh=""),
        severity="Moderate",
        source=envelope.source,
    )
    blocks = list(markup.children(alert, "info"))
    if not blocks:
        if warning.message in ("Alert", "Update"):
            raise Amiss("info", None, "info", "info is missing; an alert or update must say what it warns of")
        return [warning]
    region = f"GB/T 2260:{told.region}" if told else ""
    return [_filled(warning, group, number, region, envelope, index, faults) for number, group in _grouped(blocks)]


def _grouped(blocks: Sequence[Element]) -> Iterable[tuple[int, list[Element]]]:
    """The blocks that say the same in several languages together: the first of each language, the second …"""
    groups: dict[int, list[Element]] = {}
    seen: dict[str, int] = {}
    for block in blocks:
        language = markup.text(block, "language").lower() or "en-us"
        groups.setdefault(seen.setdefault(language, 0), []).append(block)
        seen[language] += 1
    return groups.items()


def _filled(
    warning: Warning,
    group: Sequence[Element],
    number: int,
    region: str,
    envelope: Envelope,
    index: int,
    faults: list[Fault],
) -> Warning:
    """The warning that the blocks of ``group`` tell; the second and later ones of a message get their own id."""
    block = group[0]
    colour = _colour(block)
    return Warning(
        id=warning.id if number == 0 else f"{warning.id}#{number + 1}",
        sender=warning.sender,
        sent=warning.sent,
        status=warning.status,
        message=warning.message,
        references=warning.references,
        event=_said(group, "event"),
        headline=_said(group, "headline"),
        description=_said(group, "description"),
        instruction=_said(group, "instruction"),
        category=markup.text(block, "category"),
        severity=_severity(block, colour),
        urgency=_listed(block, "urgency", URGENCIES),
        certainty=_listed(block, "certainty", CERTAINTIES),
        colour=colour,
        onset=_moment(block, ("onset", "effective"), envelope),
        expires=_moment(block, ("expires",), envelope),
        areas=_areas(block, region, index, faults),
        source=warning.source,
    )


def _word(alert: Element, field: str, known: tuple[_Word, ...]) -> _Word:
    told = markup.needed(alert, field)
    for word in known:
        if told.lower() == word.lower():
            return word
    raise Amiss(field, told, ", ".join(known), f"{field} {told[:80]!r} is not one of {', '.join(known)}")


def _listed(block: Element, field: str, known: Sequence[str]) -> str:
    """The word of a list; "Unknown" where it is missing or another one."""
    told = markup.text(block, field).capitalize()
    return told if told in known else "Unknown"


def _severity(block: Element, colour: Colour) -> Severity:
    told = markup.text(block, "severity").capitalize()
    for severity in SEVERITIES:
        if told == severity:
            return severity
    return SEVERITY_OF.get(colour, "Moderate")


def _colour(block: Element) -> Colour:
    """The colour that the severity, a parameter or the Chinese headline names; "" where none does."""
    told = _COLOURS.get(markup.text(block, "severity").lower())
    if told:
        return told
    for parameter in markup.children(block, "parameter"):
        if markup.text(parameter, "valueName").lower() in COLOUR_PARAMETERS:
            found = _COLOUR_WORD.search(markup.text(parameter, "value"))
            return _COLOURS[found[0].lower()] if found else ""
    for field in ("headline", "event"):
        if found := _CHINESE_COLOUR.search(markup.text(block, field)):
            return _COLOURS[found[0]]
    return ""


def _said(group: Sequence[Element], field: str) -> Text:
    """What the blocks say in English (or the first other language) and in Chinese; one stands in for the other."""
    english, chinese, other = "", "", ""
    for block in group:
        text = _plain(markup.text(block, field))
        language = markup.text(block, "language").lower()
        if language.startswith("zh") or (not language and _CHINESE_TEXT.search(text)):
            chinese = chinese or text
        elif language.startswith("en") or not language:
            english = english or text
        else:
            other = other or text
    western = english or other
    return Text(en=western or chinese, zh=chinese or western)


def _plain(text: str) -> str:
    """The text without the marks of web pages that some senders put in."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).strip()


def _references(text: str) -> tuple[str, ...]:
    """The identifiers of ``sender,identifier,sent`` triples apart by space."""
    triples = [triple.split(",") for triple in text.split()]
    told = [parts[1] for parts in triples if len(parts) > 1] or [parts[0] for parts in triples]
    return tuple(dict.fromkeys(told))


def _moment(block: Element, fields: Iterable[str], envelope: Envelope) -> int | None:
    told = ((field, markup.text(block, field)) for field in fields)
    return next((moments.local(text, field, envelope.zone) for field, text in told if text), None)


def _areas(block: Element, region: str, index: int, faults: list[Fault]) -> tuple[Area, ...]:
    areas = []
    for element in markup.children(block, "area"):
        codes = [_code(code) for code in markup.children(element, "geocode")]
        polygons, circles = _shapes(element, index, faults)
        name = markup.text(element, "areaDesc")
        areas.append(Area(name=name, polygons=polygons, circles=circles, codes=tuple(code for code in codes if code)))
    if region and not any(area.codes or area.polygons or area.circles for area in areas):
        name = areas[0].name if areas else ""
        areas = [*areas[1:], Area(name=name, codes=(region,))]
    return tuple(areas)


def _code(geocode: Element) -> str:
    value = markup.text(geocode, "value")
    return f"{markup.text(geocode, 'valueName')}:{value}" if value else ""


def _shapes(
    area: Element, index: int, faults: list[Fault]
) -> tuple[tuple[tuple[tuple[float, float], ...], ...], tuple[tuple[float, float, float], ...]]:
    """The polygons and circles of an area; one that cannot be read is a fault, the others stay."""
    polygons: list[tuple[tuple[float, float], ...]] = []
    circles: list[tuple[float, float, float]] = []
    for element in markup.children(area, "polygon", "circle"):
        shape, text = markup.name(element), markup.text(element)
        if not text:
            continue
        try:
            if shape == "polygon":
                polygons.append(_ring(text))
            else:
                circles.append(centre(text))
        except AreaError as error:
            reason = f"{shape} of area {markup.text(area, 'areaDesc')[:80]!r} is left out: {error}"
            faults.append(Fault(index, "position", shape, text[:100], "lat,lon pairs", reason))
    return tuple(polygons), tuple(circles)


def _ring(text: str) -> tuple[tuple[float, float], ...]:
    if "(" in text:
        raise AreaError("a bracket stands among the corners; send each ring as a polygon of its own, without brackets")
    if (pairs := text.count(",")) > CORNERS:
        raise AreaError(f"the polygon has {pairs} corners, at most {CORNERS} are taken; simplify it")
    ring = corners(text)
    if len(ring) > SMALL and not shapely.Polygon(ring).is_valid and _tangled(ring):
        raise AreaError(f"the polygon of {len(ring)} corners crosses itself all over; check the order of its corners")
    return tuple(ring)


def _tangled(ring: Sequence[tuple[float, float]]) -> bool:
    """Whether the sides meet so often that mending the ring would take the time of many."""
    sides = shapely.linestrings([[start, end] for start, end in pairwise(ring)])
    tree = shapely.STRtree(sides)
    met = 0
    for start in range(0, len(sides), 64):
        met += tree.query(sides[start : start + 64]).shape[1]
        if met > TANGLED * len(sides):
            return True
    return False


CODEC = Codec(
    name="cap",
    title="Common Alerting Protocol 1.2",
    media=("application/cap+xml", "application/xml", "text/xml"),
    endings=(".cap", ".cap.xml", ".xml"),
    decode=_decode,
)
