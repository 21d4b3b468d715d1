"""``citybrain notify``: the routes, a test message by one of them, and what no attempt could bring out."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import cast

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError
from redis import Redis
from redis.exceptions import RedisError

from citybrain import running
from config import contract, duty_files, notifications
from config.notifications import Way
from config.settings import Settings
from models.notices import Failed, trial
from models.values import Notification, from_json, to_json
from streams.senders import NotSent, Senders

SEND_S = 10.0


class NotifyError(RuntimeError):
    """Notifications cannot be looked at or sent; the message says why and what to do."""


def show_routes(settings: Settings, as_json: bool) -> int:
    """One line a route; exit code 0."""
    rows = [_told(way, settings) for way in _ways(settings).values()]
    if as_json:
        print(json.dumps({"routes": rows}, ensure_ascii=False))
        return 0
    for row in rows:
        state = "connected" if row["connected"] else f"NOT CONNECTED: set {row['address']}"
        quiet = f"  quiet {row['quiet']}" if row["quiet"] else ""
        told = ", ".join(cast("list[str]", row["severities"]))
        print(f"{row['route']:<20}{row['via']:<9}{state:<56}{told}{quiet}")
    return 0


def test(settings: Settings, route: str) -> int:
    """Send the test message by ``route`` and say whether it was taken; exit code 0 or 1."""
    way = _way(settings, route)
    secrets = settings.secrets
    if not way.connected(secrets):
        raise NotifyError(f"route {route} is not connected: {way.address} is not set; set it to the route's address")
    notification = trial(route, os.environ.get("USER", "citybrain"), int(time.time() * 1000))
    try:
        asyncio.run(_send(Senders(settings.home), way, notification))
    except (NotSent, OSError) as error:
        print(f"citybrain: route {route} did not take it: {error}", file=sys.stderr)
        return 1
    print(f"route {route} took the message {notification.id}")
    return 0


def show_failed(settings: Settings, as_json: bool) -> int:
    """What was given up, the newest first; exit code 0."""
    found = sorted(_failed(settings).values(), key=lambda one: (-one.at, one.notification.id))
    if as_json:
        print(json.dumps({"failed": [msgspec.to_builtins(one) for one in found]}, ensure_ascii=False))
        return 0
    for one in found:
        at = datetime.fromtimestamp(one.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        note = one.notification
        print(f"{note.id}  {at}  {note.route:<18}  {one.attempts} attempts  {one.error}\n    {note.title}")
    if not found:
        print(f"nothing was given up in {settings.city}", file=sys.stderr)
    return 0


def send_failed(settings: Settings, key: str) -> int:
    """Put what was given up on the topic again and take it off the list; exit code 0, 1 where there is no such key."""
    chosen = _chosen(settings, key)
    kafka = running.broker(settings)
    if kafka is None:
        raise NotifyError(f"no broker runs on {settings.data}; start citybrain run all, or set CITYBRAIN_KAFKA")
    topic = contract.NOTIFICATIONS.of(settings.city)
    try:
        producer = KafkaProducer(bootstrap_servers=kafka.split(","), acks="all")
        for one in chosen.values():
            note = one.notification
            producer.send(topic, to_json(note), key=note.id.encode(), partition=0).get(timeout=SEND_S)
        producer.close()
    except KafkaError as error:
        raise NotifyError(f"the broker {kafka} did not take them: {error!r}; the list is as it was") from error
    _forget(settings, chosen)
    print(f"{len(chosen)} sent again; citybrain notify failed list shows those that fail again")
    return 0


def drop_failed(settings: Settings, key: str) -> int:
    """Take what was given up off the list; exit code 0."""
    chosen = _chosen(settings, key)
    _forget(settings, chosen)
    print(f"{len(chosen)} dropped; their dead letters stay")
    return 0


async def _send(senders: Senders, way: Way, notification: Notification) -> None:
    try:
        await senders.send(way, notification)
    finally:
        await senders.close()


def _ways(settings: Settings) -> dict[str, Way]:
    return notifications.load(duty_files.folder(settings))


def _way(settings: Settings, route: str) -> Way:
    ways = _ways(settings)
    if route not in ways:
        raise NotifyError(f"there is no route {route} in {settings.city}; routes are {', '.join(sorted(ways))}")
    return ways[route]


def _told(way: Way, settings: Settings) -> dict[str, object]:
    quiet = way.route.quiet
    return {
        "route": way.route.route,
        "name": {"en": way.name.en, "zh": way.name.zh},
        "via": way.route.via,
        "connected": way.connected(settings.secrets),
        "address": str(way.address) if way.address else "",
        "severities": list(way.route.severities),
        "incidents": way.route.incidents,
        "quiet": f"{_clock(quiet.start)}-{_clock(quiet.end)}" if quiet else "",
    }


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _store(settings: Settings) -> Redis:
    url = running.store(settings)
    if url is None:
        raise NotifyError(f"no store runs on {settings.data}; start citybrain run all, or set CITYBRAIN_REDIS")
    return Redis.from_url(url, socket_timeout=SEND_S)


def _failed(settings: Settings) -> dict[str, Failed]:
    try:
        with _store(settings) as store:
            found = cast("dict[bytes, bytes]", store.hgetall(contract.failed(settings.city)))
    except (RedisError, OSError) as error:
        raise NotifyError(f"the store cannot be read: {error}; check CITYBRAIN_REDIS") from error
    return {key.decode(): from_json(value, Failed) for key, value in found.items()}


def _chosen(settings: Settings, key: str) -> dict[str, Failed]:
    found = _failed(settings)
    chosen = found if key == "all" else {name: one for name, one in found.items() if name == key}
    if not chosen:
        what = "nothing" if key == "all" else f"no notification {key}"
        raise NotifyError(f"{what} is on the list of {settings.city}; citybrain notify failed list shows what there is")
    return chosen


def _forget(settings: Settings, chosen: dict[str, Failed]) -> None:
    with _store(settings) as store:
        store.hdel(contract.failed(settings.city), *chosen)
