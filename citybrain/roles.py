"""One role in this process: gateway, worker, archive or wall, as ``citybrain run ROLE`` starts it."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from citybrain import prepare
from config import site as sites
from config.settings import Settings

Role = Literal["gateway", "worker", "wall", "archive"]
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
    prepare.make_register(settings)
    if role in ("gateway", "worker", "archive"):
        site = sites.load(settings)
        prepare.make_topics(kafka, site.city.id, site.register.shards)
    if role == "gateway":
        from sensors.gateway.app import run as gateway

        gateway(settings)
        return 0
    if role == "wall":
        from wall.app import run as wall

        wall(settings)
        return 0
    if role == "archive":
        from streams.archivist import run_archive

        return asyncio.run(run_archive(site, kafka))
    from streams.worker import run_worker

    return asyncio.run(run_worker(site, kafka, redis))
