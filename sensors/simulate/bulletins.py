"""What a simulated weather office says: an orange gale warning, as CAP 1.2, when an injected gale begins.

The masts measure it minutes later, as in life. No office, person or place of work is real.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from lxml import etree

from sensors.simulate.incidents import Incident, Timetable

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
SENDER: Final = "simulated-weather-office"
BEYOND_M: Final = 2_000.0  # a warning reaches so far beyond the gale
WORDS: Final = {
    "en": ("Gale", "Orange gale warning for {}", "Stop work at height and lifting; make fast what can fly."),
    "zh-CN": ("大风", "{}大风橙色预警", "停止高处和吊装作业，加固易被吹落物。"),
}


def bulletins(timetable: Timetable, zone: str, from_ms: int, to_ms: int) -> list[bytes]:
    """The CAP messages of the gales that begin in [from_ms, to_ms), by time; ``zone`` is the city's time zone."""
    active = timetable.between(from_ms, to_ms)
    return [_message(one, ZoneInfo(zone)) for one in active if one.kind == "gale" and one.start_ms >= from_ms]


def _message(gale: Incident, zone: ZoneInfo) -> bytes:
    names = {"en": gale.name_en, "zh-CN": gale.name_zh}
    alert = _made(
        "alert",
        _made("identifier", f"simulated-gale-{gale.start_ms // 1000}-{gale.place}"),
        _made("sender", SENDER),
        _made("sent", _moment(gale.start_ms, zone)),
        _made("status", "Actual"),
        _made("msgType", "Alert"),
        _made("scope", "Public"),
        *(_info(gale, zone, language, name) for language, name in names.items()),
    )
    return bytes(etree.tostring(alert, xml_declaration=True, encoding="UTF-8"))


def _info(gale: Incident, zone: ZoneInfo, language: str, name: str) -> etree._Element:
    event, headline, instruction = WORDS[language]
    reach_km = (gale.radius_m + BEYOND_M) / 1000
    return _made(
        "info",
        _made("language", language),
        _made("category", "Met"),
        _made("event", event),
        _made("urgency", "Immediate"),
        _made("severity", "Severe"),
        _made("certainty", "Likely"),
        _made("onset", _moment(gale.start_ms, zone)),
        _made("expires", _moment(gale.end_ms, zone)),
        _made("headline", headline.format(name)),
        _made("instruction", instruction),
        _made("parameter", _made("valueName", "Colour"), _made("value", "Orange")),
        _made("area", _made("areaDesc", name), _made("circle", f"{gale.lat:.5f},{gale.lon:.5f} {reach_km:g}")),
    )


def _made(name: str, *content: str | etree._Element) -> etree._Element:
    """A CAP element with its text, or with its children."""
    made = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})  # type: ignore[dict-item]  # the stubs know no default one
    for one in content:
        if isinstance(one, str):
            made.text = one
        else:
            made.append(one)
    return made


def _moment(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")
