"""Rules about events over the recorded appeals and warnings: the live engine takes them once more."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from citybrain.archive.reader import Archive
from citybrain.replay.states import State
from config import event_setup
from config.site import Site
from models import events
from models.event_engine import EventEngine
from models.values import Detection

BEFORE_MS = 2 * 86_400_000  # warnings so old may be in force; without a saved state events are taken from then on


def judge(
    site: Site, other: Site, archive: Archive, span: tuple[int, int], state: State | None
) -> tuple[list[Detection], list[Detection]]:
    """What the rules of ``site`` detect in ``span`` (ms, time of doing), and those of ``other``."""
    setup = event_setup.setup(site)
    same = [pack.events for pack in site.packs] == [pack.events for pack in other.packs]
    rules = tuple(rule for rule in other.layouts.rules if rule.reads == "events")
    engines = EventEngine(setup), EventEngine(replace(setup, rules=rules) if same else event_setup.setup(other))
    saved = None if state is None else state.read("events")
    if saved is not None:
        for engine in engines:
            engine.restore(saved[1])
    since = span[0] - BEFORE_MS if state is None or saved is None else state.time - BEFORE_MS
    first = 0 if saved is None else saved[0]
    found: tuple[list[Detection], list[Detection]] = ([], [])
    for message in archive.messages("events", since, span[1]):
        if message.offset < first or message.value is None:
            continue
        try:
            event = events.decode(message.value)
        except msgspec.DecodeError:
            continue  # it lies among the dead letters
        for engine, told in zip(engines, found, strict=True):
            told += engine.take(event, message.time)
    return found
