"""View models: what the store holds becomes what a person reads."""

from __future__ import annotations

import json
import math

import msgspec
import pytest

from models import alarm
from models.appeals_picture import Cluster
from models.trust import Watch, Watched
from models.values import Detection, Text, Why, to_json
from wall import view


def detection(**more: object) -> Detection:
    known: dict[str, object] = {
        "id": "a1", "pack": "holiday-crowd", "rule": "ZoneSurge", "place": "chunxi-road", "place_kind": "zone",
        "place_name": Text("Chunxi Road", "春熙路"), "lon": 104.0751812, "lat": 30.658, "district": "510104",
        "state": "firing", "severity": "Severe", "onset": 1000, "time": 2000, "value": 1234.567, "expected": 400.0,
        "score": 9.87654, "unit": "1", "headline": Text("Crowd surge", "人流激增"),
    }  # fmt: skip
    return Detection(**{**known, **more})  # type: ignore[arg-type]  # given by name


def test_an_alert_becomes_a_row_in_both_languages() -> None:
    """The row has what queue and map need, and no history."""
    row = view.alert(alarm.opened(detection(), 5000))
    assert row["level"] == 2
    assert row["headline"] == {"en": "Crowd surge", "zh": "人流激增"}
    assert (row["state"], row["opened"], row["deadline"]) == ("unacknowledged", 5000, 305_000)
    assert (row["value"], row["expected"], row["score"]) == (1235, 400, 9.877)
    assert "history" not in row


def test_the_detail_has_the_history() -> None:
    """The desk is told each step, with who and when."""
    row = view.detail(to_json(alarm.opened(detection(), 5000)))
    assert [(step["at"], step["action"]) for step in row["history"]] == [(5000, "opened")]


def test_what_is_no_alert_is_refused() -> None:
    """A broken row is an error that says where, not an empty one."""
    with pytest.raises(msgspec.DecodeError, match="missing required field"):
        view.detail(b'{"id": "x"}')


@pytest.mark.parametrize(
    ("given", "shown"),
    [(None, None), (math.nan, None), (math.inf, None), (3.0, 3), (0.123456, 0.1235), (12345.6, 12346)],
)
def test_numbers_are_short_and_gaps_are_none(given: float | None, shown: float | None) -> None:
    """Four digits are enough for a wall, and a gap is no number."""
    assert view.number(given) == shown


def test_zones_are_keyed_by_place_and_property() -> None:
    """Two properties of one place are two rows."""
    rows = [
        {"zone": "z", "property": p, "value": 10.25, "expected": None, "score": 1.0} for p in ("people", "visitors")
    ]
    tick, found = view.zones(json.dumps({"tick": 77, "rows": rows}).encode())
    assert tick == 77
    assert sorted(found) == ["z/people", "z/visitors"]
    assert found["z/people"]["expected"] is None
    assert view.zones(None) == (0, {})


def test_the_hour_ahead_is_the_whole_citys() -> None:
    """Of each property the horizons that are told, with the band of 90 %; other zones are left out."""
    told = {
        "middle": [None, 10.0, 12.04],
        "low": [[None, None], [9, 8], [9, 7]],
        "high": [[None, None], [11, 12], [14, 15]],
    }
    rows = [{"zone": zone, "property": "people", **told} for zone in ("wuhou", "chengdu")]
    body = json.dumps({"tick": 77, "minutes": [15, 30, 60], "versions": {"people": "profile"}, "rows": rows}).encode()
    assert view.ahead(body, "chengdu") == {"people": {"tick": 77, "points": [[30, 10, 8, 12], [60, 12.04, 7, 15]]}}
    assert view.ahead(None, "chengdu") == {}


def test_the_history_is_oldest_first() -> None:
    """The store keeps the newest first; a trend is read from left to right."""
    points = [json.dumps({"tick": t, "totals": {"people": [t, None]}}).encode() for t in (3, 2, 1)]
    assert [tick for tick, _ in view.history(points)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("silent_ms", "lag_ms", "health"),
    [(500, 40, "ok"), (500, 20_000, "late"), (15_000, 0, "late"), (61_000, 0, "down")],
)
def test_a_silent_source_is_late_then_down(silent_ms: int, lag_ms: int, health: str) -> None:
    """Ten seconds late, a minute down."""
    body = {"accepted": 5, "rejected": 0, "last": 1_000_000 - silent_ms, "lag_ms": lag_ms}
    rows = view.sources({b"video": json.dumps(body).encode()}, 1_000_000)
    assert rows["video"]["health"] == health


def test_counters_are_added_over_the_shards() -> None:
    """The wall shows the city, not its shards."""
    counted = view.counts({b"scored:0": b"5", b"scored:1": b"7", b"detections": b"2"})
    assert counted == {"scored": {"n": 12}, "detections": {"n": 2}}


def test_minutes_count_by_severity_and_forget_after_an_hour() -> None:
    """Only the last sixty minutes are on the strip."""
    now = 100 * 60_000
    opened = {"a": (now, 1), "b": (now - 30_000, 1), "c": (now - 60_000, 4), "d": (now - 61 * 60_000, 2)}
    assert view.minutes(opened, now) == {"100": {"n": [1, 0, 0, 0]}, "99": {"n": [1, 0, 0, 1]}}


def test_the_watch_list_is_the_strangest_claims_and_the_dial() -> None:
    """Rows have what a claim lacks; the dial its line and what it has spent; nothing known is nothing shown."""
    row = Watched(
        id="c1", place="cam-1", place_name=Text("Camera", "摄像机"), headline=Text("crowd", "人"), lon=104.0, lat=30.6,
        district="d", score=5.25, onset=1, ended=None, wants="corroboration", why=None,
    )  # fmt: skip
    many = Watch(at=9, per_hour=6.0, line=math.pi, spent=2, waiting=20, rows=(row,) * 20, faults={"stuck": 3})
    rows, dial = view.watch(to_json(many))
    assert rows["c1"]["wants"] == "corroboration"
    assert dial == {"now": {"per_hour": 6.0, "line": 3.1, "spent": 2, "waiting": 20, "faults": {"stuck": 3}}}
    assert view.watch(None) == ({}, {})


def test_the_detail_says_why() -> None:
    """The sentence comes in both languages; an alert of an earlier release has none."""
    told = view.detail(to_json(alarm.opened(detection(why=Why(members=3, corroborated=("members",))), 1)))
    assert told["why"]["en"] == (
        "400 was expected; 1,235 came. It is told about 3 datastreams. Corroborated by many datastreams together."
    )
    assert view.detail(to_json(alarm.opened(detection(), 1)))["why"] == {"en": "", "zh": ""}


def test_clusters_of_appeals_are_told_by_what_the_map_draws() -> None:
    """Of the picture of appeals a cluster's subject, size and place travel, the rest stays; without a picture none."""
    it = Cluster(
        id="c", category=Text("Noise", "噪声"), cases=18, expected=3.0, ratio=6.0, p=0.001, onset=0, since=0, until=0,
        place=Text("Yulin", "玉林"), lon=104.061234, lat=30.641234, radius_m=912.6, codes=(("0101", 18),),
        words=("工地",), causes=("a",), safety=True,
    )  # fmt: skip
    told = {
        "category": {"en": "Noise", "zh": "噪声"},
        "cases": 18,
        "place": {"en": "Yulin", "zh": "玉林"},
        "lon": 104.0612,
        "lat": 30.6412,
        "radius": 913,
        "safety": True,
    }
    assert view.clusters(msgspec.json.encode({"at": 1, "open": 12, "clusters": [it]})) == {"c": told}
    assert view.clusters(None) == {}
