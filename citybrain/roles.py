"""One role in this process: gateway, worker, archive, wall or notifier, as ``citybrain run ROLE`` starts it."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Literal

from config.settings import Settings

Role = Literal["gateway", "mqtt", "poll", "worker", "wall", "archive", "notifier"]
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
    from citybrain import prepare
    from config import services, units
    from config import site as sites

    prepare.make_register(settings)
    if role in ("gateway", "mqtt", "worker", "archive"):
        site = sites.load(settings)
        prepare.make_topics(kafka, site.city.id, site.register.shards)
    if role == "gateway":
        from config.registrar import Registrar
        from sensors.gateway.app import run as gateway

        fleet = frozenset(units.of_city(site.city))
        watched = [one for pack in site.packs for one in pack.watched]
        keeper = Registrar(settings.register, site.city, watched)
        gateway(settings, site.city.timezone, services.load(site.city.folder), fleet, keeper)
        return 0
    if role == "poll":
        from config import city as cities
        from sensors.poll import run_poll

        return asyncio.run(run_poll(settings, cities.load(settings.city).folder))
    if role == "mqtt":
        from sensors.mqtt.door import run_mqtt

        return asyncio.run(run_mqtt(site))
    if role == "wall":
        from wall.app import run as wall

        wall(settings)
        return 0
    if role == "archive":
        from streams.archivist import run_archive

        train = (sys.executable, "-m", "citybrain", "forecast", "train", "--city", site.city.id, "--json")
        return asyncio.run(run_archive(site, kafka, train))
    from streams.worker import run_worker

    return asyncio.run(run_worker(site, kafka, redis))
