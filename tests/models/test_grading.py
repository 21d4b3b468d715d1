"""Detection against the truth."""

from __future__ import annotations

from typing import Any

import pytest

from models.grading import Happening, Told, grade, tells

MINUTE = 60_000
SURGE = Happening(
    kind="surge",
    place="square",
    start=10 * MINUTE,
    end=14 * MINUTE,
    lon=104.0,
    lat=30.0,
    radius_m=600,
    inside=("north",),
)


def told(at_min: float, **more: Any) -> Told:
    """An alert about people at the square."""
    given: dict[str, Any] = {
        "id": f"a{at_min:g}", "rule": "crowd/Surge", "kind": "event", "place": "square", "property": "people",
        "at": int(at_min * MINUTE), "lon": 104.0, "lat": 30.0,
    }  # fmt: skip
    return Told(**given | more)


def test_what_was_found_how_soon_and_what_was_not() -> None:
    """Of two surges one is found after a minute; the alert before both is false."""
    later = Happening(kind="surge", place="park", start=30 * MINUTE, end=34 * MINUTE, lon=105.0, lat=30.0, radius_m=600)
    graded = grade([SURGE, later], [told(5), told(11), told(12)], 60 * MINUTE)
    found = graded.kinds["surge"]
    assert (found.happened, found.found, found.recall, found.delay_p50_s) == (2, 1, 0.5, 60.0)
    assert (graded.false, graded.false_per_hour, graded.false_by_rule) == (1, 1.0, {"crowd/Surge": 1.0})
    assert (graded.hits, [one.id for one in graded.strays]) == (((0, "a11"),), ["a5"])


@pytest.mark.parametrize(
    ("alert", "is_about"),
    [
        (told(11), True),
        (told(15.9), True),  # told within two minutes of its end
        (told(16.1), False),
        (told(9.9), False),
        (told(11, property="water_level"), False),
        (told(11, kind="data-quality"), False),
        (told(11, place="far", lon=104.1), False),
        (told(11, place="north", lon=104.1), True),  # a zone that holds it
        (told(11, place="box", lon=104.02, reach_m=1_500.0), True),  # 1.9 km off, both wide
        (told(11, place="cam-1", lon=104.012), False),  # 1.2 km off, a camera of elsewhere
    ],
)
def test_an_alert_tells_of_what_is_of_its_sort_at_its_place_in_its_time(alert: Told, is_about: bool) -> None:
    """Sort, place and time all have to fit."""
    assert tells(alert, SURGE) == is_about


def test_faults_of_sensors_are_told_by_gateway_sensor_or_place() -> None:
    """A silent gateway by its name, a stuck sensor by its datastream, many stuck ones by where they are."""
    silent = Happening(kind="gateway-silent", place="g5", start=0, end=MINUTE, lon=0, lat=0, gateway="g5")
    fault = Happening(kind="fault", place="cam-1", start=0, end=MINUTE, lon=104, lat=30, datastreams=("cam-1/people",))
    stuck = Happening(kind="stuck-sensors", place="station", start=0, end=MINUTE, lon=104, lat=30, radius_m=300)
    quality: dict[str, Any] = {"kind": "data-quality", "rule": "q/Fault"}
    gateway = told(0.5, place="g5", property="", gateway="g5", lon=0.0, lat=0.0, **quality)
    camera = told(0.5, place="cam-1", **quality)
    assert [tells(gateway, one) for one in (silent, fault, stuck)] == [True, False, False]
    assert [tells(camera, one) for one in (silent, fault, stuck)] == [False, True, True]


def test_nothing_happened_and_nothing_was_told() -> None:
    """A calm hour has no kinds and no false alerts; a span without time is refused."""
    calm = grade([], [], 60 * MINUTE)
    assert (calm.kinds, calm.false, calm.false_per_hour) == ({}, 0, 0.0)
    with pytest.raises(ValueError, match="give an end after the start"):
        grade([], [], 0)


def test_what_follows_from_an_injection_is_not_false_and_finds_nothing() -> None:
    """People who call where water stands make a cluster: it is no false alert, nor the detection of the water."""
    water = Happening(
        kind="pond-rising", place="dip", start=0, end=10 * MINUTE, lon=104.0, lat=30.0, radius_m=900, inside=("north",)
    )
    cluster = told(25, property="cluster", place="appeals-17", lon=104.03, reach_m=1_500.0)
    graded = grade([water], [cluster], 60 * MINUTE)
    assert (graded.false, graded.kinds["pond-rising"].found) == (0, 0)
    late, far = told(31, property="cluster"), told(25, property="cluster", lon=104.2)
    assert grade([water], [late, far], 60 * MINUTE).false == 2


def test_warnings_and_appeals_are_found_by_the_rules_on_events() -> None:
    """A warning by its alert anywhere in its areas, a burst of appeals by the cluster, also after it is over."""
    warning = Happening(kind="warning", place="510117", start=0, end=60 * MINUTE, lon=104.0, lat=30.0, radius_m=9_000)
    burst = Happening(kind="appeals-burst", place="510107", start=0, end=8 * MINUTE, lon=104.0, lat=30.0, radius_m=400)
    raised = told(1, property="warning", place="warning-1", lon=104.05)
    cluster = told(20, property="cluster", place="appeals-17", lon=104.03, reach_m=1_500.0)
    graded = grade([warning, burst], [raised, cluster], 60 * MINUTE)
    assert {kind: one.delay_p50_s for kind, one in graded.kinds.items()} == {"warning": 60.0, "appeals-burst": 1200.0}
    assert graded.false == 0


def test_what_is_true_aside_is_neither_false_nor_counted() -> None:
    """A lift that stops by itself during a drill is told rightly, and the drill is not graded by it."""
    lift = Happening(
        kind="state", place="lift-1", start=0, end=15 * MINUTE, lon=104.0, lat=30.0, properties=("trapped",), aside=True
    )
    graded = grade([lift], [told(2, property="trapped", place="lift-1")], 60 * MINUTE)
    assert (graded.false, graded.kinds) == (0, {})
