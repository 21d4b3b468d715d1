"""One role in this process: gateway, worker, archive, wall or notifier, as ``citybrain run ROLE`` starts it."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Literal, ParamSpec

from config.settings import Settings

Role = Literal["gateway", "mqtt", "poll", "worker", "wall", "archive", "notifier"]
P = ParamSpec("P")
log = logging.getLogger(__name__)


class RoleError(RuntimeError):
    """The role cannot start; the message says what is missing."""


def addresses(settings: Settings, role: str) -> tuple[str, str]:
    """The broker and the store of ``settings``; raises ``RoleError`` when one is not set."""
    if settings.kafka is None or settings.redis is None:
        missing = "CITYBRAIN_KAFKA" if settings.kafka is None else "CITYBRAIN_REDIS"
        raise RoleError(
            f"citybrain run {role} needs {missing}; set it, or start everything on one machine with `citybrain run all`"
        )
    return settings.kafka, settings.redis.get_secret_value()


def run(role: Role, settings: Settings) -> int:
    """Run ``role`` until SIGTERM; the exit code."""
    kafka, redis = addresses(settings, role)
    if role == "notifier":  # first, and with few imports: it must be back within a second of being killed
        from streams.notifier import run_notifier

        return asyncio.run(run_notifier(settings, kafka, redis))
    _aside(_prepare, settings, kafka if role in ("gateway", "mqtt", "worker", "archive") else None)
    if role in ("gateway", "mqtt", "poll"):
        return _door(role, settings)
    if role == "wall":
        from citybrain.replay.opener import Opener
        from config import packs_reload
        from wall.app import run as wall

        packs_reload.end_when_changed(settings, packs_reload.shown)
        wall(settings, Opener(settings))
        return 0
    from config import site as sites

    site = sites.load(settings)
    if role == "archive":
        from streams.archivist import run_archive

        command = (sys.executable, "-m", "citybrain")
        train = (*command, "forecast", "train", "--city", site.city.id, "--json")
        tidy = (*command, "archive", "compact", "--city", site.city.id, "--json")
        return asyncio.run(run_archive(site, kafka, train, tidy))
    from streams.worker import run_worker

    return asyncio.run(run_worker(site, kafka, redis))


def _door(role: Role, settings: Settings) -> int:
    """Run one of the doors by which readings come in."""
    from config import city as cities

    city = cities.load(settings.city)
    if role == "poll":
        from sensors.poll import run_poll

        return asyncio.run(run_poll(settings, city.folder))
    if role == "mqtt":
        from config import register
        from sensors.mqtt.door import run_mqtt

        return asyncio.run(run_mqtt(settings, city, register.load(settings.register)))
    from config import packs_reload, services, units
    from config.registrar import Registrar
    from sensors.gateway.app import run as gateway
    from sensors.gateway.place import Place

    watched = [one for loaded in packs_reload.in_force(settings) for one in loaded.watched]
    packs_reload.end_when_changed(settings, packs_reload.measured)
    keeper = Registrar(settings.register, city, watched)
    gateway(settings, Place(city.timezone, services.load(city.folder), frozenset(units.of_city(city)), keeper))
    return 0


def _prepare(settings: Settings, kafka: str | None) -> None:
    """See that the register is there, and the topics on the broker ``kafka``."""
    from citybrain import prepare
    from config import register

    prepare.make_register(settings)
    if kafka is not None:
        prepare.make_topics(kafka, settings.city, register.load(settings.register).shards)


def _aside(work: Callable[P, None], *given: P.args, **named: P.kwargs) -> None:
    """Do the work in a child process, so that the memory it takes goes with it; raises what it raised."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        pool.submit(work, *given, **named).result()
