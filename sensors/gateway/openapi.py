"""The gateway described for others: /openapi.json."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from models.alarm_quality import Quality
from models.appeals_picture import Appeals
from models.incidents import DOABLE
from models.notices import Failed
from models.plans import InForce
from models.silences import Silence
from models.trust import Watch
from models.units import DOES, Nearest
from models.values import Action, Alert, Incident, Position, Unit
from models.warnings import Raised
from sensors.codecs.columns import Fault
from sensors.codecs.readings import Reading
from sensors.gateway.alerts import Ask
from sensors.gateway.asking import KEY_LENGTH
from sensors.gateway.budget import Dial
from sensors.gateway.duty import Change, Standing, Told, Trial, Tried
from sensors.gateway.incidents import NewSilence, Ordered
from sensors.gateway.positions import PATH as POSITIONS
from sensors.gateway.readings import ERRORS, FORMATS, PATH
from sensors.gateway.warnings import Confirmed
from sensors.problems import TYPE

Schema = dict[str, Any]
PUBLIC = ("/healthz", "/readyz", "/metrics", "/asyncapi.json")
OWN = ("application/json", "application/x-ndjson")
COLUMNS = ("datastream", "time", "value", "unit", "lon", "lat")

ROOM = {
    "/v1/alerts": ("alerts", "Alert"),
    "/v1/incidents": ("incidents", "Incident"),
    "/v1/silences": ("silences", "Silence"),
    "/v1/budget": ("budgets", "Watch"),
    "/v1/plans": ("plans", "InForce"),
    "/v1/units": ("units", "Unit"),
    "/v1/warnings": ("warnings", "Raised"),
}
BODIES = {
    "/{action}": "Ask",
    "/{do}": "Ordered",
    "/v1/silences": "NewSilence",
    "/v1/budget": "Dial",
    "/confirm": "Confirmed",
}
CHOICES = {
    ("/v1/alerts", "action"): get_args(Action),
    ("/v1/incidents", "do"): DOABLE,
    ("/v1/units", "do"): DOES,
}
# What duty's routes take and answer: the body's schema (or none), and that of the answer with the member that lists it
DUTY: dict[tuple[str, str], tuple[str, str, str]] = {
    ("/v1/roster", "get"): ("", "Standing", ""),
    ("/v1/roster/{do}", "post"): ("Change", "Standing", ""),
    ("/v1/quality", "get"): ("", "Quality", ""),
    ("/v1/appeals", "get"): ("", "Appeals", ""),
    ("/v1/notifications/routes", "get"): ("", "Told", "routes"),
    ("/v1/notifications/failed", "get"): ("", "Failed", "failed"),
    ("/v1/notifications/test", "post"): ("Trial", "Tried", ""),
}
IDEMPOTENCY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same key does the same command only once",
    "schema": {"type": "string", "maxLength": KEY_LENGTH},
}

PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457; field, value, limit and remedy are there where they say something",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "example": "urn:citybrain:problem:rate"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
        "value": {},
        "limit": {},
        "remedy": {"type": "string"},
        "position": {"type": "integer", "description": "the first byte that is wrong, from 0"},
        "accepted": {"type": "integer"},
        "rejected": {"type": "integer"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
    },
}
RECEIPT: Schema = {
    "type": "object",
    "required": ["accepted", "rejected", "errors", "spooled"],
    "properties": {
        "accepted": {"type": "integer", "description": "readings kept: confirmed by the broker, or on disk"},
        "rejected": {"type": "integer"},
        "errors": {"type": "array", "maxItems": ERRORS, "items": {"$ref": "#/components/schemas/Fault"}},
        "spooled": {"type": "boolean", "description": "the broker is away; the gateway's disk holds a part of them"},
    },
}
REASONS = {
    "401": "no token, or an unknown or expired one",
    "403": "the token lacks the scope",
    "404": "there is no such thing, or no such thing to do with it",
    "408": "the body did not arrive in time",
    "409": "somebody else holds it, or its state does not allow this; state and by say so",
    "413": "more bytes or readings than one request may carry",
    "415": "another content type or encoding",
    "422": "the body cannot be read, or none of its readings can be taken",
    "429": "more readings a second than this gateway may send; see Retry-After",
    "503": "nothing can be kept now; see Retry-After",
    "504": "no worker answered in time",
}


def describe(app: FastAPI) -> Schema:
    """The whole description; made once and kept in ``app``."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = _components()
        components = schema.setdefault("components", {})
        components["schemas"] = schemas
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["paths"][PATH] = {"post": _post_readings()}
        schema["paths"][POSITIONS]["post"] |= _post_positions()
        for path, item in schema["paths"].items():
            for method, operation in item.items():
                _complete(path, operation)
                if (path, method) in DUTY:
                    _complete_duty(operation, *DUTY[path, method])
        app.openapi_schema = schema
    return app.openapi_schema


def _components() -> dict[str, Schema]:
    _, schemas = msgspec.json.schema_components(
        [
            Reading,
            Ask,
            Alert,
            Ordered,
            Incident,
            NewSilence,
            Silence,
            Watch,
            Dial,
            Unit,
            InForce,
            Nearest,
            Position,
            Raised,
            Confirmed,
            Standing,
            Change,
            Quality,
            Appeals,
            Told,
            Failed,
            Trial,
            Tried,
            Fault,
        ],
        ref_template="#/components/schemas/{name}",
    )
    readings = {"type": "array", "items": {"$ref": "#/components/schemas/Reading"}}
    rows = {"type": "object", "required": ["readings"], "properties": {"readings": readings}}
    one = schemas["Reading"]["properties"]
    columns: Schema = {
        "type": "object",
        "description": "columns of one length",
        "required": ["datastream", "time", "value"],
        "properties": {name: {"type": "array", "items": one[name]} for name in COLUMNS},
    }
    one["time"]["description"] = "RFC 3339 with its offset, or milliseconds since 1970-01-01 UTC"
    one["datastream"]["description"] = "<asset>/<property>"
    return schemas | {
        "Problem": PROBLEM,
        "Receipt": RECEIPT,
        "Readings": {"oneOf": [rows, readings, columns]},
    }


def _post_readings() -> Schema:
    return {
        "tags": ["readings"],
        "operationId": "post_readings",
        "summary": "Push readings",
        "description": "202 comes once the broker has confirmed every row that is accepted, or the disk holds it. "
        "A row that is refused is told in errors and kept among the dead letters; the others are accepted. "
        "The body may come as gzip (Content-Encoding).",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Readings"}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "one Reading a line"}},
                **{media: {"schema": {"type": "string", "format": "binary"}} for media in FORMATS if media not in OWN},
            },
        },
        "responses": {"202": _answer("what was taken", "application/json", "Receipt")}
        | _problems("401", "403", "408", "413", "415", "422", "429", "503"),
    }


def _post_positions() -> Schema:
    return {
        "description": "202 comes once the broker has confirmed them, or the disk holds them. What is refused is told "
        "in errors. A position may name its crs: wgs84 (without it), gcj02 or bd09.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Position"}}}
            },
        },
        "responses": {"202": _answer("what was taken", "application/json", "Receipt")}
        | _problems("401", "403", "408", "413", "415", "422", "429", "503"),
    }


def _complete(path: str, operation: Schema) -> None:
    """Tokens, answers and bodies, which the routes themselves do not tell."""
    if path in PUBLIC:
        operation["security"] = []
        return
    operation["security"] = [{"token": []}]
    _complete_formats(operation)
    for head, (plural, one) in ROOM.items():
        if path.startswith(head):
            _complete_room(path, operation, plural, one)


def _complete_formats(operation: Schema) -> None:
    """What every route may answer besides; those of the tag formats take any body and answer as readings do."""
    answers = operation["responses"]
    if operation.get("tags") == ["formats"]:
        answers["202"] = _answer("what was taken", "application/json", "Receipt")
        answers |= _problems("404", "408", "413", "415", "422", "429", "503")
        whole = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {"required": True, "content": {"application/octet-stream": whole}}
    answers |= _problems("401", "403", "422")


def _complete_room(path: str, operation: Schema, plural: str, one: str) -> None:
    """Routes over what is open in the room: a list, one of it, something to do with it."""
    answers = operation["responses"] = {"200": _answer(f"the {one.lower()}", "application/json", one)}
    answers.update(_problems("401", "403", "404", "503"))
    acts = "post" in operation["operationId"] or "delete" in operation["operationId"]
    if path == f"/v1/{plural}" and not acts:
        rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{one}"}}
        answers["200"] = {
            "description": f"the {plural}",
            "content": {"application/json": {"schema": {"type": "object", "properties": {plural: rows}}}},
        }
        answers.update(_problems("422"))
    if acts:
        answers.update(_problems("408", "409", "413", "422", "504"))
        operation.setdefault("parameters", []).append(IDEMPOTENCY)
    for body, names in BODIES.items():
        if acts and path.endswith(body):
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{names}"}}},
            }
    if path == "/v1/units/nearest":
        rows = {"type": "array", "items": {"$ref": "#/components/schemas/Nearest"}}
        units: Schema = {"type": "object", "properties": {"units": rows}}
        answers["200"] = {"description": "free units", "content": {"application/json": {"schema": units}}}
    if path == "/v1/silences" and acts:
        answers["201"] = answers.pop("200")
    for parameter in operation.get("parameters", ()):
        choices = CHOICES.get((f"/v1/{plural}", parameter["name"]))
        if choices:
            parameter["schema"] = {"type": "string", "enum": list(choices)}


def _complete_duty(operation: Schema, body: str, answer: str, listed: str) -> None:
    """Routes about who is on duty and how they are told."""
    operation["responses"] = {"200": _answer(f"the {answer.lower()}", "application/json", answer)}
    operation["responses"] |= _problems("401", "403", "422", "503")
    if listed:
        rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{answer}"}}
        content: Schema = {"schema": {"type": "object", "properties": {listed: rows}}}
        operation["responses"]["200"]["content"] = {"application/json": content}
    if body:
        operation["responses"] |= _problems("404", "408", "409", "413", "504")
        content = {"schema": {"$ref": f"#/components/schemas/{body}"}}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if answer == "Appeals":  # a city without a hotline
        operation["responses"] |= _problems("404")
    if body == "Change":
        operation.setdefault("parameters", []).append(IDEMPOTENCY)


def _problems(*statuses: str) -> Schema:
    return {status: _answer(REASONS[status], TYPE, "Problem") for status in statuses}


def _answer(description: str, form: str, schema: str) -> Schema:
    return {"description": description, "content": {form: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
