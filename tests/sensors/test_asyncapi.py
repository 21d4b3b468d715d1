"""The AsyncAPI document is what the door does."""

from __future__ import annotations

import json
import re

from sensors.codecs.base import Envelope
from sensors.codecs.register import CODECS
from sensors.mqtt.asyncapi import describe
from sensors.mqtt.routes import DEFAULT, found
from tests.sensors.rig import Served

DOCUMENT = describe(DEFAULT)


def resolved(reference: str) -> object:
    """What a reference of the document leads to."""
    place: object = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        assert isinstance(place, dict), reference
        place = place[step]
    return place


def test_every_reference_leads_somewhere() -> None:
    """Also those in schemas."""
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT))
    assert references
    assert all(resolved(one) for one in references)


def test_every_channel_is_a_route_and_its_address_comes_back_to_it() -> None:
    """A topic made from the address, with anything for its parameters, is taken by the route it describes."""
    assert len(DOCUMENT["channels"]) == len(DEFAULT)
    for route, channel in zip(DEFAULT, DOCUMENT["channels"].values(), strict=True):
        topic = re.sub(r"\{[^}]+\}", "x", channel["address"])
        match = found(DEFAULT, topic)
        assert match is not None
        assert match.format == route.format
        assert list(channel["messages"]) == [route.format]
        assert set(re.findall(r"\{([^}]+)\}", channel["address"])) == set(channel["parameters"])


def test_the_example_is_taken() -> None:
    """By the codec of its message."""
    (example,) = DOCUMENT["components"]["messages"]["json"]["examples"]
    decoded = CODECS["json"].decode(json.dumps(example["payload"]).encode(), Envelope(now=0))
    assert (len(decoded.values), decoded.faults) == (1, [])


def test_the_gateway_serves_it(gateway: Served) -> None:
    """Without a token, like the OpenAPI document."""
    answer = gateway.http.get("/asyncapi.json", headers={"authorization": ""})
    assert (answer.status_code, answer.json()["asyncapi"]) == (200, "3.0.0")
