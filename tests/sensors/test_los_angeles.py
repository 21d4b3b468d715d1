"""Los Angeles' appeals through the door: gateway, broker and topic change nothing of what their engine sees."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from bench import appeals
from config import contract
from models import events
from models.event_engine import EventEngine
from models.values import Detection, ServiceRequest
from sensors.codecs.base import Envelope
from sensors.codecs.open311 import CODEC
from tests.sensors.rig import create_topics, prepared, served

EVENTS = 4_170  # to the evening of 29 December, of graffiti alone
TOGETHER = 500  # appeals in one request
PATH = "/open311/v2/requests.json"


@pytest.mark.skipif(not appeals.DATA.is_dir(), reason="needs the shared data")
def test_the_first_cluster_of_los_angeles_comes_through_the_live_door(broker: str, tmp_path: Path) -> None:
    """What was posted stands in the topic event by event as the codec alone reads it; the engine tells Hermon of it."""
    rows = [row for row in appeals.read() if row["requesttype"] == "Graffiti Removal"]
    made = appeals.setup(rows)
    engine = EventEngine(replace(made, rules=tuple(rule for rule in made.rules if rule.property == "cluster")))
    bodies = list(islice(appeals.bodies(rows, engine), EVENTS))
    create_topics(broker, "los-angeles")
    settings, token = prepared(tmp_path, broker, "los-angeles")
    with served(settings, token, zone=appeals.ZONE) as gateway:
        for first in range(0, EVENTS, TOGETHER):
            part = b"[" + b",".join(body[1:-1] for body in bodies[first : first + TOGETHER]) + b"]"
            answer = gateway.http.post(PATH, content=part, headers={"content-type": "application/json"})
            assert answer.is_success, answer.text
        logged = [events.decode(value) for value in gateway.values(contract.EVENTS)]
    alone = Envelope(now=0, source="gate-7", zone=appeals.ZONE)
    assert logged == [one for body in bodies for one in CODEC.decode(body, alone).values]
    told: list[Detection] = []
    for one in logged:
        assert isinstance(one, ServiceRequest)
        told += engine.take(one, max(one.requested, one.updated or 0))
    clusters = [appeals.cluster(one, told) for one in told if one.state == "firing" and "Cluster" in one.rule]
    assert [(one["told"], one["cases"]) for one in clusters] == [("2017-12-29 22:05", 87.0)]
    assert "Graffiti Removal" in clusters[0]["headline"] and "Hermon" in clusters[0]["headline"]
