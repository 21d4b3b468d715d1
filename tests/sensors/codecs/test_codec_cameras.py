"""ONVIF and Axis: three ways of writing a box, counts by kind, crossings and counters."""

from __future__ import annotations

import pytest

from sensors.codecs import axis, onvif
from sensors.codecs.base import Decoded, Envelope
from sensors.codecs.errors import Unreadable
from sensors.codecs.values import CameraEvent, Observation, Scene
from tests.sensors.codecs.formats import FORMATS

here = pytest.mark.skipif(not FORMATS.exists(), reason="the payloads of shared/data/formats are not here")
NAMES = 'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"'
TIME = 1788249600000


def frame(objects: str, transformation: str = "") -> str:
    return (
        f'<tt:VideoAnalytics><tt:Frame UtcTime="2026-09-01T08:00:00Z">{transformation}{objects}</tt:Frame>'
        "</tt:VideoAnalytics>"
    )


def seen(number: int, kind: str, box: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = box
    return (
        f'<tt:Object ObjectId="{number}"><tt:Appearance><tt:Shape><tt:BoundingBox left="{left}" top="{top}" '
        f'right="{right}" bottom="{bottom}"/></tt:Shape><tt:Class><tt:Type Likelihood="0.8">{kind}</tt:Type>'
        "</tt:Class></tt:Appearance></tt:Object>"
    )


def decode(inner: str, picture: tuple[int, int] | None = None) -> Decoded:
    text = f"<tt:MetadataStream {NAMES}>{inner}</tt:MetadataStream>"
    return onvif.CODEC.decode(text.encode(), Envelope(now=0, asset="cam-1", picture=picture))


def scene(found: Decoded) -> Scene:
    return next(value for value in found.values if isinstance(value, Scene))


def counts(found: Decoded) -> dict[str, float | bool | str]:
    return {one.property: one.value for one in found.values if isinstance(one, Observation)}


@pytest.mark.parametrize(
    ("box", "transformation", "picture"),
    [
        ((-0.5, 0.5, 0.0, -0.5), "", None),
        ((160, 120, 320, 360), '<tt:Transformation><tt:Translate x="-1" y="1"/><tt:Scale x="0.003125" '
         'y="-0.00416666667"/></tt:Transformation>', None),
        ((160, 120, 320, 360), "", (640, 480)),
        ((0.25, 0.25, 0.5, 0.75), "", None),
    ],
    ids=["the standard's", "pixels with a transformation", "bare pixels", "shares, y downwards"],
)  # fmt: skip
def test_a_box_is_the_same_in_every_convention(
    box: tuple[float, float, float, float], transformation: str, picture: tuple[int, int] | None
) -> None:
    """However a vendor writes the box, it is the same share of the picture from its upper left corner."""
    (one,) = scene(decode(frame(seen(1, "Human", box), transformation), picture)).objects
    assert one.box is not None
    assert one.box == pytest.approx((0.25, 0.25, 0.5, 0.75), abs=1e-6)
    assert (one.kind, one.likelihood) == ("people", 0.8)


def test_bare_pixels_without_a_picture_are_counted_and_have_no_box() -> None:
    """Where nobody tells the size of the picture, the objects count all the same."""
    found = decode(frame(seen(1, "Human", (160, 120, 320, 360))))
    assert [one.box for one in scene(found).objects] == [None]
    assert counts(found)["people"] == 1.0


def test_objects_are_counted_by_kind() -> None:
    """People, vehicles of every kind, objects; a face is a part of a person and no object of its own."""
    words = ("Human", "Person", "Face", "Car", "Truck", "Bus", "Bicycle", "Dragon")
    objects = "".join(seen(number, kind, (0, 0.1, 0.1, 0)) for number, kind in enumerate(words))
    found = decode(frame(objects))
    expected = {"people": 2, "vehicles": 3, "objects": 7, "faces": 1, "cars": 1, "trucks": 1, "buses": 1}
    assert counts(found) == expected | {"bicycles": 1, "dragon": 1}
    assert [one.datastream for one in found.values if isinstance(one, Observation) and not one.optional] == [
        "cam-1/people"
    ]


def test_an_empty_frame_says_that_nobody_is_there() -> None:
    """No object is a count of none, not silence."""
    assert counts(decode(frame(""))) == {"people": 0, "vehicles": 0, "objects": 0}


def test_frames_of_one_time_are_one_scene() -> None:
    """A camera that sends each object as a frame of its own has as many people in view as frames."""
    inner = frame(seen(1, "Human", (0, 0.1, 0.1, 0))) + frame(seen(2, "Human", (0, 0.1, 0.1, 0)))
    found = decode(inner)
    assert counts(found)["people"] == 2.0
    assert sum(isinstance(value, Scene) for value in found.values) == 1


@here
def test_hanwhas_frame_and_event_are_read() -> None:
    """One person in the right half, and the rule that saw a person."""
    body = (FORMATS / "onvif/hanwha_wiseai_frame.xml").read_bytes()
    found = onvif.CODEC.decode(body, Envelope(now=0, asset="cam-1"))
    (person,) = scene(found).objects
    assert (person.id, person.kind, person.likelihood, scene(found).time) == ("15", "people", 0.54, 1783949084592)
    assert person.box == pytest.approx((0.525168, 0.176014, 0.98469, 0.983176), abs=1e-5)
    body = (FORMATS / "onvif/hanwha_wiseai_event.xml").read_bytes()
    (event,) = onvif.CODEC.decode(body, Envelope(now=0)).values
    assert event == CameraEvent(
        asset="vs-0",
        time=1783949085593,
        topic="OpenApp/WiseAI/ObjectDetection",
        what="state",
        state=True,
        rule="ObjectDetectionRule-1",
        objects=("people",),
        operation="Changed",
        data={"State": "true", "ClassTypes": "Person"},
    )


def notification(topic: str, data: str, source: str = "") -> str:
    return (
        f"<tt:Event><wsnt:NotificationMessage><wsnt:Topic>{topic}</wsnt:Topic><wsnt:Message>"
        f'<tt:Message UtcTime="2026-09-01T08:00:00Z"><tt:Source>{source}</tt:Source><tt:Data>{data}</tt:Data>'
        "</tt:Message></wsnt:Message></wsnt:NotificationMessage></tt:Event>"
    )


@pytest.mark.parametrize(
    ("topic", "data", "what"),
    [
        ("tns1:RuleEngine/LineDetector/Crossed", '<tt:SimpleItem Name="ObjectId" Value="7"/>', "crossing"),
        ("tnsaxis:CameraApplicationPlatform/ObjectAnalytics/Crossline", "", "crossing"),
        ("tns1:RuleEngine/CellMotionDetector/Motion", '<tt:SimpleItem Name="IsMotion" Value="true"/>', "state"),
        ("tns1:Device/HardwareFailure", "", "other"),
    ],
)
def test_events_say_what_they_are(topic: str, data: str, what: str) -> None:
    """Crossings, states and others are told apart whatever the vendor calls them."""
    (event,) = decode(notification(topic, data)).values
    assert isinstance(event, CameraEvent)
    assert (event.what, event.time, event.topic) == (what, TIME, topic.partition(":")[2])


def test_a_counters_count_is_an_observation() -> None:
    """The count of a rule is a reading of ``<asset>/count/<rule>``, beside the event."""
    source = '<tt:SimpleItem Name="Rule" Value="gate"/>'
    found = decode(
        notification("tns1:RuleEngine/CountAggregation/Counter", '<tt:SimpleItem Name="Count" Value="17"/>', source)
    )
    assert counts(found) == {"count/gate": 17.0}
    assert [value.what for value in found.values if isinstance(value, CameraEvent)] == ["count"]


def test_an_event_over_mqtt_is_json() -> None:
    """Profile M's JSON event means what its XML means; the topic tells which it is."""
    body = b'{"UtcTime":"2026-09-01T08:00:00Z","Source":{"Rule":"door"},"Data":{"State":true}}'
    topic = "site/onvif-ej/RuleEngine/FieldDetector/ObjectsInside"
    (event,) = onvif.CODEC.decode(body, Envelope(now=0, asset="cam-2", topic=topic)).values
    assert isinstance(event, CameraEvent)
    assert (event.topic, event.state, event.rule) == ("RuleEngine/FieldDetector/ObjectsInside", True, "door")


def test_a_bad_frame_spoils_no_event() -> None:
    """A box that is no number is a fault of its frame; the event beside it is read."""
    bad = frame(seen(1, "Human", (0, 0.1, 0.1, 0)).replace('left="0"', 'left="wide"'))
    found = decode(bad + notification("a:Crossing", ""))
    assert [fault.reason for fault in found.faults] == [
        "left 'wide' is not a finite number; write digits with a point, such as 12.5"
    ]
    assert [type(value) for value in found.values] == [CameraEvent]
    with pytest.raises(Unreadable, match="neither frames nor events"):
        onvif.CODEC.decode(b"<rss/>", Envelope(now=0))


@here
def test_axis_frames_are_scenes() -> None:
    """Seven objects, one car and one person of them, then five; boxes as they are sent."""
    body = (FORMATS / "axis_scene/axis_scene_description_v0_beta.ndjson").read_bytes()
    found = axis.CODEC.decode(body, Envelope(now=0, asset="cam-1"))
    scenes = [value for value in found.values if isinstance(value, Scene)]
    assert [(one.time, len(one.objects)) for one in scenes] == [(1707925040940, 7), (1707925041040, 5)]
    assert scenes[0].objects[0].box == (0.4254, 0.4216, 0.7552, 0.7384)
    assert counts(found) == {"people": 1, "vehicles": 1, "objects": 5, "cars": 1}


def test_the_released_axis_format_is_read_too() -> None:
    """``detections`` with several classes: the likeliest counts; speed is km/h."""
    body = (
        b'{"channel_id":2,"timestamp":"2026-09-01T08:00:00Z","detections":[{"object_track_id":"a","speed":10,'
        b'"classes":[{"type":"Car","score":0.2},{"type":"Human","score":0.7}]}]}'
    )
    found = axis.CODEC.decode(body, Envelope(now=0))
    one = scene(found)
    assert (one.asset, one.objects[0].kind, one.objects[0].speed_kmh) == ("channel-2", "people", 36.0)


def test_a_bad_line_of_axis_spoils_no_other() -> None:
    """The line that is no JSON, or no frame, is named by its number."""
    good = b'{"frame":{"timestamp":"2026-09-01T08:00:00Z","observations":[]}}'
    found = axis.CODEC.decode(good + b'\n{"frame": \n{"a":1}\n' + good, Envelope(now=0, asset="c"))
    assert sum(isinstance(value, Scene) for value in found.values) == 2
    assert [(fault.index, fault.reason[:7]) for fault in found.faults] == [(1, "line 2:"), (2, "line 3:")]
