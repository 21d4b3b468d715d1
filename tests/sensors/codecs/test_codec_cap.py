"""CAP: languages, areas, references, update and cancel, and the Chinese profile."""

from __future__ import annotations

import random
import time

import pytest

from models.values import Text, Warning
from sensors.codecs.base import Decoded, Envelope
from sensors.codecs.cap import CODEC, issuer
from sensors.codecs.errors import Amiss, Unreadable
from tests.sensors.codecs.formats import FORMATS

HEAD = (
    "<identifier>{id}</identifier><sender>s@x</sender><sent>2026-07-17T15:30:22+08:00</sent>"
    "<status>Actual</status><msgType>{message}</msgType><scope>Public</scope>"
)
here = pytest.mark.skipif(not FORMATS.exists(), reason="the payloads of shared/data/formats are not here")


def decode(inner: str, message: str = "Alert", identifier: str = "id-1") -> Decoded:
    head = HEAD.format(id=identifier, message=message)
    text = f'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">{head}{inner}</alert>'
    return CODEC.decode(text.encode(), Envelope(now=0, source="gate"))


def one(found: Decoded) -> Warning:
    (warning,) = found.values
    assert isinstance(warning, Warning)
    return warning


def info(severity: str = "Severe", more: str = "", language: str = "en-US", event: str = "Flood") -> str:
    return (
        f"<info><language>{language}</language><category>Met</category><event>{event}</event>"
        f"<urgency>Immediate</urgency><severity>{severity}</severity><certainty>Likely</certainty>{more}</info>"
    )


@here
def test_a_warning_in_two_languages_is_one() -> None:
    """The OASIS example: English and Spanish of the same abduction are one warning, in English."""
    found = CODEC.decode((FORMATS / "cap/oasis_amber_alert_example.xml").read_bytes(), Envelope(now=0))
    warning = one(found)
    assert (warning.id, warning.severity, warning.urgency, warning.certainty) == (
        "KAR0-0306112239-SW",
        "Severe",
        "Immediate",
        "Likely",
    )
    assert warning.event == Text(en="Child Abduction", zh="Child Abduction")
    assert warning.sent == 1055396340000
    assert [(area.name, area.codes) for area in warning.areas] == [("Los Angeles County", ("SAME:006037",))]


@here
def test_the_weather_service_of_ireland_says_yellow() -> None:
    """A colour in ``awareness_level`` is the warning's; onset and expiry are UTC; four area codes."""
    path = FORMATS / "cap/ie-2.49.0.1.372.0.250413231648.N_Norm002_SmallCraft.xml"
    warning = one(CODEC.decode(path.read_bytes(), Envelope(now=0)))
    assert (warning.colour, warning.severity) == ("yellow", "Moderate")
    assert (warning.onset, warning.expires) == (1744632000000, 1744657200000)
    assert warning.areas[0].codes == ("EMMA_ID:EI807", "EMMA_ID:EI809", "EMMA_ID:EI806", "EMMA_ID:EI808")


@here
def test_a_real_outline_of_seven_thousand_corners_is_kept() -> None:
    """The weather service's coast crosses itself and is kept corner by corner; all 18 polygons are there, lon first."""
    path = next((FORMATS / "cap").glob("noaa-*"))
    found = CODEC.decode(path.read_bytes(), Envelope(now=0))
    polygons = one(found).areas[0].polygons
    assert found.faults == []
    assert (len(polygons), max(map(len, polygons))) == (18, 6842)
    assert polygons[0][0] == (-76.0733, 38.1251)


def test_english_and_chinese_stand_beside_each_other() -> None:
    """Each language keeps its words; blocks that repeat a language are warnings of their own."""
    both = info(language="en", event="Rainstorm") + info(language="zh-CN", event="暴雨")
    assert one(decode(both)).event == Text(en="Rainstorm", zh="暴雨")
    found = decode(both + info(severity="Minor", language="en", event="Wind"))
    assert [(each.id, each.severity) for each in found.values] == [  # type: ignore[union-attr]
        ("id-1", "Severe"),
        ("id-1#2", "Minor"),
    ]


@pytest.mark.parametrize(
    ("told", "colour", "severity"),
    [("Red", "red", "Extreme"), ("ORANGE", "orange", "Severe"), ("Yellow", "yellow", "Moderate"),
     ("Blue", "blue", "Minor"), ("红色", "red", "Extreme"), ("Unknown", "", "Moderate"), ("Minor", "", "Minor")],
)  # fmt: skip
def test_chinese_severities_are_colours(told: str, colour: str, severity: str) -> None:
    """Red, orange, yellow and blue in ``severity`` are CAP's Extreme to Minor; Unknown counts as Moderate."""
    warning = one(decode(info(severity=told)))
    assert (warning.colour, warning.severity) == (colour, severity)


def test_the_chinese_headline_names_the_colour() -> None:
    """Where nothing else does, 橙色 in the headline is the colour; text without a language is Chinese by its signs."""
    told = info(severity="Unknown", more="<headline>成都市气象台发布暴雨橙色预警</headline>", language="")
    warning = one(decode(told))
    assert (warning.colour, warning.severity) == ("orange", "Severe")
    assert warning.headline.zh == "成都市气象台发布暴雨橙色预警"


def test_the_chinese_identifier_tells_who_issued_it() -> None:
    """Region, trade, unit, time and number; the region is the area where no other is given."""
    told = issuer("51010041600000_20240717153022_0")
    assert told == ("510100", "416", "000", 1721201422000, 0)
    assert issuer("KAR0-0306112239-SW") is None
    with pytest.raises(Amiss, match="not a time"):
        issuer("51010041600000_20249917153022_0")
    warning = one(decode(info(), identifier="51010041600000_20240717153022_0"))
    assert warning.areas[0].codes == ("GB/T 2260:510100",)


def test_an_update_and_a_cancel_name_what_they_follow() -> None:
    """References give the identifiers; a cancel needs no ``info``, an alert does."""
    references = "<references>s@x,first,2026-07-17T15:00:00+08:00 s@x,second,2026-07-17 15:10:00+08:00</references>"
    assert one(decode(references + info(), "Update")).references == ("first", "second")
    cancel = one(decode(references, "Cancel"))
    assert (cancel.message, cancel.references) == ("Cancel", ("first", "second"))
    assert "info is missing" in decode(references).faults[0].reason


def test_polygons_and_circles_are_lon_lat_and_metres() -> None:
    """CAP writes lat,lon and kilometres; a shape that cannot be read is told and the others stay."""
    area = (
        "<area><areaDesc>city</areaDesc><polygon>30.6,104 30.7,104 30.7,104.1 30.6,104</polygon>"
        "<polygon>104,30.6 104,30.7 1,1</polygon><circle>30.65,104.05 2.5</circle><circle>30.65,104.05 0</circle>"
        "<circle>30.65,104.05 -1</circle></area>"
    )
    found = decode(info(more=area))
    (told,) = one(found).areas
    assert told.polygons == (((104.0, 30.6), (104.0, 30.7), (104.1, 30.7), (104.0, 30.6)),)
    assert told.circles == ((104.05, 30.65, 2500.0), (104.05, 30.65, 0.0))
    assert [fault.field for fault in found.faults] == ["polygon", "circle"]
    assert "no place on earth" in found.faults[0].reason


def test_a_tangle_of_corners_is_refused_in_time() -> None:
    """Twenty thousand corners in disorder would take those who mend it minutes; they are refused within a second."""
    rng = random.Random(1)
    tangle = " ".join(f"{30 + rng.random():.5f},{104 + rng.random():.5f}" for _ in range(19_000))
    start = time.perf_counter()
    found = decode(info(more=f"<area><areaDesc>a</areaDesc><polygon>{tangle}</polygon></area>"))
    assert time.perf_counter() - start < 2
    assert "crosses itself all over" in found.faults[0].reason


@pytest.mark.parametrize(
    ("inner", "message", "reason"),
    [
        (info(), "Alarm", "msgType 'Alarm' is not one of Alert, Update, Cancel, Ack, Error"),
        (info(more="<onset>tomorrow</onset>"), "Alert", "onset 'tomorrow' is not a time"),
    ],
)
def test_what_is_wrong_is_named_with_its_alert(inner: str, message: str, reason: str) -> None:
    """The refusal names the alert, the field, the value and what may stand there."""
    (fault,) = decode(inner, message).faults
    assert fault.reason.startswith("alert id-1: ")
    assert reason in fault.reason


def test_other_documents_and_versions_are_refused_by_name() -> None:
    """A document without alerts is refused, an alert of CAP 1.0 is a fault."""
    with pytest.raises(Unreadable, match="the document is feed and holds no alert"):
        CODEC.decode(b"<feed><entry/></feed>", Envelope(now=0))
    found = CODEC.decode(b'<alert xmlns="http://www.incident.com/cap/1.0"/>', Envelope(now=0))
    assert "send CAP 1.2" in found.faults[0].reason
