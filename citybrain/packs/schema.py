"""The JSON Schema of ``pack.yaml``, by which editors complete and check what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from config.city_layers import KINDS as ZONE_KINDS
from config.event_detectors import KINDS as EVENT_DETECTORS
from config.pack import FOLDER
from config.pack_rules import ZONES
from config.pack_shape import PackKey
from models.detectors import known as detectors

FILE = FOLDER / "pack.schema.json"
HEAD = "# yaml-language-server: $schema=../pack.schema.json"


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12), with the words that only the code knows: detectors and kinds of zones."""
    made: dict[str, Any] = msgspec.json.schema(PackKey)
    of = made["$defs"]
    of["Text"]["additionalProperties"] = False
    of["DatastreamsKey"]["properties"]["detector"]["enum"] = sorted(detectors())
    of["ZonesKey"]["properties"]["detector"]["enum"] = sorted(detectors())
    of["ZonesKey"]["properties"]["kinds"]["items"]["enum"] = list(ZONES)
    of["EventsKey"]["properties"]["detector"]["enum"] = ["", *sorted(EVENT_DETECTORS)]
    of["AssetsKey"]["properties"]["at"]["enum"] = ["", *ZONE_KINDS]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A scenario pack"}
    return head | made


def text() -> str:
    """The schema as it lies in the file."""
    return json.dumps(schema(), ensure_ascii=False, indent=1) + "\n"


def write(path: Path = FILE) -> bool:
    """Write the file where it is not as it should be; was it?"""
    there = path.read_text("utf-8") if path.exists() else ""
    if there == text():
        return False
    path.write_text(text(), "utf-8")
    return True
