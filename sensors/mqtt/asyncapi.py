"""The MQTT door described for others: AsyncAPI 3, made from the routes and codecs themselves (``/asyncapi.json``)."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from sensors.codecs.readings import Reading
from sensors.codecs.register import CODECS
from sensors.mqtt.routes import STATUS, Route

Schema = dict[str, Any]
_WILD = re.compile(r"[+#]")


def describe(routes: tuple[Route, ...], host: str = "127.0.0.1:1883", version: str = "5") -> Schema:
    """The whole description: one channel a route, one message a format."""
    used = sorted({route.format for route in routes})
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "citybrain MQTT door",
            "version": "1",
            "description": "What gateways publish and citybrain takes in, at QoS 1: the acknowledgement goes to the "
            "broker once the readings are confirmed by Kafka, or on disk.",
        },
        "servers": {"broker": {"host": host, "protocol": "mqtt", "protocolVersion": version}},
        "defaultContentType": "application/json",
        "channels": {_name(route): _channel(route) for route in routes},
        "operations": {
            f"take_{_name(route)}": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{_name(route)}"},
                "messages": [{"$ref": f"#/channels/{_name(route)}/messages/{route.format}"}],
                "bindings": {"mqtt": {"qos": route.qos, "bindingVersion": "0.2.0"}},
            }
            for route in routes
        },
        "components": {"messages": {form: _message(form) for form in used}, "schemas": _schemas()},
    }


def _channel(route: Route) -> Schema:
    address, parameters = route.filter, {}
    for number, _ in enumerate(_WILD.findall(route.filter), 1):
        level = address.split("/").index("+") + 1 if "+" in address.split("/") else len(address.split("/"))
        name = _parameter(route, level, number)
        address = re.sub(r"[+#]", "{" + name + "}", address, count=1)
        parameters[name] = {"description": _told(route, level)}
    return {
        "address": address,
        "messages": {route.format: {"$ref": f"#/components/messages/{route.format}"}},
        "parameters": parameters,
    }


def _parameter(route: Route, level: int, number: int) -> str:
    for what in ("source", "asset", "datastream"):
        if getattr(route, what) == f"{{{level}}}":
            return what
    return f"level{number}"


def _told(route: Route, level: int) -> str:
    return {"source": "the gateway's name", "asset": "the asset's id", "datastream": "the datastream's id"}.get(
        _parameter(route, level, 0), f"level {level} of the topic"
    )


def _message(form: str) -> Schema:
    if form == STATUS:
        return {
            "summary": "Birth and last will of a gateway; publish it retained, and declare offline as the will",
            "contentType": "text/plain",
            "payload": {"type": "string", "enum": ["online", "offline"]},
        }
    codec = CODECS[form]
    message: Schema = {"summary": codec.title, "contentType": codec.media[0]}
    if form == "json":
        message["payload"] = {"type": "array", "items": {"$ref": "#/components/schemas/Reading"}}
        message["examples"] = [
            {"payload": [{"datastream": "cam-000001/people", "time": "2026-09-21T22:13:20+08:00", "value": 12}]}
        ]
    return message


def _schemas() -> Schema:
    _, schemas = msgspec.json.schema_components([Reading], ref_template="#/components/schemas/{name}")
    return schemas


def _name(route: Route) -> str:
    """The route's filter as a name that may stand in a reference."""
    return re.sub(r"[^A-Za-z0-9]+", "_", route.filter.replace("+", "any").replace("#", "all")).strip("_")
