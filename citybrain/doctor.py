"""``citybrain doctor``: looks at the machine, what is declared, the servers and the archive; one line a check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from citybrain import running
from citybrain.checks import Check, archive, broker, declared, duty, machine, store
from config.settings import Settings


def doctor(settings: Settings, as_json: bool) -> int:
    """Make every check and print it; exit code 1 when there is a fault."""
    found = []
    for check in checks(settings):
        found.append(check)
        if not as_json:
            print(check.line(), flush=True)
    faults = sum(check.status == "FAULT" for check in found)
    warnings = sum(check.status == "warning" for check in found)
    if as_json:
        told = {"checks": [asdict(check) for check in found], "faults": faults, "warnings": warnings}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(f"{len(found)} checks, {faults} faults, {warnings} warnings")
    return 1 if faults else 0


def checks(settings: Settings) -> Iterator[Check]:
    """All checks, one after the other."""
    yield machine.python()
    yield from machine.names()
    yield machine.disk(settings)
    yield machine.open_files()
    yield from machine.ports(settings)
    yield machine.clock(settings)
    yield from declared.scenario_packs()
    city, about = declared.city(settings)
    yield from about
    if city is not None:
        yield from duty.told(settings, city)
    yield duty.reports()
    shards, registered = declared.registered(settings, city)
    yield registered
    bounds, about = broker.broker(running.broker(settings), settings.city, shards)
    yield from about
    yield from store.store(running.store(settings), settings.future_tolerance_s)
    yield from archive.archive(settings, bounds)
