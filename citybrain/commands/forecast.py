"""``citybrain forecast``: teach the forecasts' trees from the archive, and the versions that there are."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from citybrain import prepare
from config import site as sites
from config.locks import HeldError, hold
from config.settings import Settings
from config.site import Site
from models.forecast.growing import TooLittle
from models.forecast.training import replayed, tried
from models.forecast.values import PROFILE
from streams.rollup import Rollup, day_of
from streams.trained import Versions

DAYS = {3_600_000: 365}  # of history for hourly steps
DAYS_OF_SHORT_STEPS = 60
BEHIND = 19  # niceness: everything else goes first


class TrainingError(RuntimeError):
    """Nothing could be taught; the message says why."""


def train(settings: Settings, as_json: bool) -> int:
    """Teach trees for every property that is summed over zones; prints what came of it. Exit 1 where nothing could."""
    os.nice(max(0, BEHIND - os.nice(0)))
    prepare.make_register(settings)
    site = sites.load(settings)
    summed = sorted({one.property for one in site.layouts.series})
    if not summed:
        raise TrainingError(f"{site.city.id} sums nothing over zones; declare zones: in a pack")
    result: dict[str, Any] = {}
    with _alone(settings):
        for name in summed:
            result[name] = _train(site, name)
            _say(name, result[name])
    if as_json:
        print(json.dumps(result))
    return 0 if any("version" in one for one in result.values()) else 1


def _train(site: Site, property: str) -> dict[str, Any]:
    forecaster = site.layouts.zone_forecasters()[property]
    versions = Versions(site.settings.trained / property)
    now_ms = int(time.time() * 1000)
    roll = Rollup(site.settings.archive, site.settings.trained / "steps", site.layouts, property, forecaster.step_ms)
    zones = [site.layouts.series[row].place.id for row in roll.series]
    days = roll.days()[-DAYS.get(forecaster.step_ms, DAYS_OF_SHORT_STEPS) :]
    first, values = roll.read(days, day_of(now_ms))
    began = time.perf_counter()
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_ms / 1000))
    steps = replayed(first, values, forecaster, site.city.calendar)
    try:
        trial = tried(
            steps, site.city.calendar, zones, versions.candidates(), name, np.random.default_rng(first + len(steps))
        )
    except TooLittle as error:
        versions.was_tried(now_ms)
        return {"reason": str(error), "days": len(days)}
    before = versions.book().current
    versions.save(name, trial.learned, trial.losses, now_ms)
    versions.use(trial.best(name), now_ms)
    return {
        "version": name,
        "in_use": versions.book().current,
        "before": before,
        "losses": {key: round(value, 5) for key, value in trial.losses.items()},
        "days": len(days),
        "zones": len(zones),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _say(property: str, told: dict[str, Any]) -> None:
    if "version" not in told:
        print(f"{property}: nothing learned: {told['reason']}", file=sys.stderr)
        return
    losses = ", ".join(f"{name} {value:.4f}" for name, value in sorted(told["losses"].items(), key=lambda one: one[1]))
    print(
        f"{property}: {told['version']} from {told['days']} days of {told['zones']} zones in {told['seconds']} s; "
        f"missed on the last day by {losses}; in use: {told['in_use']}",
        file=sys.stderr,
    )


def show(settings: Settings, as_json: bool) -> int:
    """Print the versions of every property that was trained."""
    found: dict[str, dict[str, Any]] = {}
    for folder in sorted(path.parent for path in settings.trained.glob("*/versions.json")):
        book = Versions(folder).book()
        found[folder.name] = {
            "in_use": book.current,
            "before": book.previous,
            "versions": {one.name: one.losses.get(one.name) for one in book.versions},
        }
    if as_json:
        print(json.dumps(found))
        return 0
    for name, book_of in found.items():
        print(f"{name}: in use {book_of['in_use']}, before it {book_of['before']}")
        for version, loss in book_of["versions"].items():
            print(f"  {version}  missed by {loss:.4f} on its last day")
    if not found:
        print(f"{settings.city} has no trained forecasts yet: the profile forecasts alone; citybrain forecast train")
    return 0


def use(settings: Settings, name: str) -> int:
    """Take up the version ``name`` of whichever property has it, or none for all."""
    now_ms = int(time.time() * 1000)
    taken = []
    for folder in sorted(path.parent for path in settings.trained.glob("*/versions.json")):
        versions = Versions(folder)
        if name == PROFILE or name in {one.name for one in versions.book().versions}:
            if name != PROFILE and versions.load(name) is None:
                raise TrainingError(f"version {name} of {folder.name} is not what was saved; train again")
            versions.use(name, now_ms)
            taken.append(folder.name)
    if not taken:
        raise TrainingError(f"there is no version {name!r} in {settings.trained}; see citybrain forecast list")
    print(f"{', '.join(taken)}: in use {name}")
    return 0


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the lock of training; raises ``TrainingError`` where another process does."""
    settings.trained.mkdir(parents=True, exist_ok=True)
    try:
        lock = hold(settings.trained / "lock")
    except HeldError as error:
        raise TrainingError(
            f"another training of {settings.city} is going on in process {error.holder}; wait until it is over"
        ) from None
    try:
        yield
    finally:
        os.close(lock)
