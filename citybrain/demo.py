"""``citybrain demo``: the whole product on one machine, from the first reading to the acknowledged alert."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from citybrain import prepare
from citybrain.access import DISPATCHER, Access, access
from citybrain.attended import say, tell_end, until
from citybrain.commands import feed
from citybrain.local.supervisor import Supervisor
from citybrain.stack import SPARE, Stack, check_machine
from citybrain.viewer import Viewer
from config import contract
from config import site as sites
from config.settings import Settings
from models.values import Alert, Incident, from_json
from streams import archive

log = logging.getLogger(__name__)
DRAIN_S = 60.0  # how long the end waits for what is under way
ACKNOWLEDGE_AFTER_S = 3.0  # a headless demonstration plays the dispatcher, who needs a moment


@dataclass(slots=True)
class Counted:
    """What is known of a run so far; numbers since the run's start, but ``open`` alerts now."""

    accepted: int = 0
    scored: int = 0
    archived: int = 0
    detections: int = 0
    alerts: int = 0
    open: int = 0
    acknowledged: int = 0


async def demo(settings: Settings, speed: float | None, for_s: float | None, headless: bool, as_json: bool) -> int:
    """Run the city until ``for_s`` is over or it is told to stop; the exit code."""
    check_machine(settings)
    stop = asyncio.Event()
    started = time.monotonic()
    async with Supervisor(settings.data, on_end=tell_end) as supervisor:
        ending = asyncio.create_task(supervisor.run_until(stop))
        try:
            run = await until(stop, _start(settings, supervisor, speed, started))
            if run is None:
                return 130
            summary = await run.watch(stop, for_s, headless)
        finally:
            stop.set()
            await ending
    if as_json:
        print(json.dumps(summary), flush=True)  # the contract: one JSON object, the last line
    else:
        say("stopped: " + ", ".join(f"{name} {value}" for name, value in summary.items()))
    return 0


async def _start(settings: Settings, supervisor: Supervisor, speed: float | None, started: float) -> _Run:
    stack = Stack(settings, supervisor)
    making = asyncio.create_task(asyncio.to_thread(prepare.make_register, settings))
    say(f"citybrain: starting {settings.city}; logs are in {settings.data / 'log'}")
    await stack.start_local()
    say("  broker and store are up")
    await making
    site = await asyncio.to_thread(sites.load, settings)
    say(f"  register: {len(site.register):,} datastreams in {len(site.city.zones)} zones")
    kafka = stack.settings.kafka
    assert kafka is not None
    await asyncio.to_thread(prepare.make_topics, kafka, site.city.id, site.register.shards)
    secrets = access(settings, feed.gateways(site.city))
    learning = asyncio.create_task(asyncio.to_thread(_learn, site))
    await asyncio.gather(*(stack.start_role(role) for role in ("gateway", "wall", "archive", "notifier")))
    say("  gateway, wall, archive and notifier are up")
    await learning
    await asyncio.gather(stack.start_role("worker"), stack.start_role("notifier", SPARE))
    run = _Run(stack, site, secrets)
    await run.begin()
    await stack.start_feed(*(("--speed", str(speed)) if speed is not None else ()))
    say(f"  worker and feed are up, {time.monotonic() - started:.1f} s after the start")
    _invite(settings, secrets)
    return run


def _learn(site: sites.Site) -> None:
    """What the city knows before its first reading and its first appeal."""
    prepare.begin_events(site, _progress())
    prepare.warm_up(site, _progress())


def _progress() -> prepare.Progress:
    told = {"at": 0.0}

    def progress(what: str, share: float) -> None:
        now = time.monotonic()
        if now - told["at"] >= 1.0:
            told["at"] = now
            say(f"  {what}: {share:.0%}")

    return progress


def _invite(settings: Settings, secrets: Access) -> None:
    url = f"http://{settings.host}:{settings.wall_port}"
    say(
        f"\n  wall   {url}/wall?display={secrets.display}\n"
        f"  desk   {url}/desk      login: {DISPATCHER} / {secrets.password}\n"
        f"  door   http://{settings.host}:{settings.gateway_port}/openapi.json\n\n"
        "  Look at the wall: districts fill with readings, an alert appears in the queue within a minute.\n"
        "  On the desk choose it with j and k, acknowledge it with a. Ctrl-C stops all; the next start goes on.\n"
    )


class _Run:
    """One run, counted from its begin to its end."""

    def __init__(self, stack: Stack, site: sites.Site, secrets: Access) -> None:
        settings = stack.settings
        assert settings.redis is not None
        self.stack = stack
        self.site = site
        self.secrets = secrets
        self.city = site.city.id
        self.redis = Redis.from_url(settings.redis.get_secret_value(), socket_timeout=5)
        self.url = f"http://{settings.host}:{settings.gateway_port}"
        self.viewer = Viewer(f"http://{settings.host}:{settings.wall_port}", secrets.display)
        self.before = Counted()
        self.opened_before: set[str] = set()
        self.opened: set[str] = set()
        self.acknowledged: set[str] = set()

    async def begin(self) -> None:
        """Note what the runs before have left."""
        feed.forget(self.stack.settings)
        self.started_ms = int(time.time() * 1000)
        self.before.archived = await asyncio.to_thread(archive.count, self._archive("readings"))
        self.before.detections = await asyncio.to_thread(archive.count, self._archive("detections"))
        self.before.scored = prepare.scored(self.site)

    def _archive(self, topic: str) -> Any:
        return self.site.settings.archive / topic

    async def watch(self, stop: asyncio.Event, for_s: float | None, headless: bool) -> dict[str, Any]:
        """Show how it goes until the time is over or it is told to stop; then end it in order; the summary."""
        tasks = [asyncio.create_task(self.viewer.follow())]
        if headless:
            say("  headless: this run acknowledges each alert and launches each plan over HTTP, as a dispatcher would")
            tasks.append(asyncio.create_task(self._play_dispatcher()))
        end = time.monotonic() + for_s if for_s is not None else float("inf")
        shown = 0.0
        while not stop.is_set() and time.monotonic() < end:
            await asyncio.sleep(0.25)
            if time.monotonic() - shown >= (1.0 if sys.stderr.isatty() else 10.0):
                shown = time.monotonic()
                self._show(await self._counted())
        counted = await self._finish()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.redis.aclose()
        p50, p99 = self.viewer.percentiles()
        return {
            "accepted": counted.accepted,
            "scored": counted.scored,
            "archived": counted.archived,
            "detections": counted.detections,
            "alerts": counted.alerts,
            "acknowledged": counted.acknowledged,
            "p50_ms": p50,
            "p99_ms": p99,
        }

    def _show(self, counted: Counted) -> None:
        p50, _ = self.viewer.percentiles()
        line = (
            f"  accepted {counted.accepted:,}  scored {counted.scored:,}  alerts {counted.alerts} "
            f"({counted.open} open, {counted.acknowledged} acknowledged)  accepted to wall p50 "
            + (f"{p50:.0f} ms" if p50 is not None else "…")
        )
        if sys.stderr.isatty():
            print(f"\r{line}   ", end="", file=sys.stderr, flush=True)
        else:
            say(line)

    async def _counted(self) -> Counted:
        """What is known now; what cannot be asked is left at 0."""
        counted = Counted(accepted=feed.said(self.stack.settings).accepted)
        try:
            numbers: dict[Any, Any] = await self.redis.hgetall(contract.counters(self.city))  # bytes, as asked for
            held = await self.redis.hgetall(contract.alerts(self.city))
        except (RedisError, OSError):
            return counted
        counted.scored = sum(int(v) for k, v in numbers.items() if k.startswith(b"scored:")) - self.before.scored
        alerts = [from_json(value, Alert) for value in held.values()]
        for alert in alerts:
            if alert.opened >= self.started_ms:
                self.opened.add(alert.id)
            if alert.acknowledged_at is not None and alert.acknowledged_at >= self.started_ms:
                self.acknowledged.add(alert.id)
        counted.open = sum(alert.closed is None for alert in alerts)
        counted.alerts, counted.acknowledged = len(self.opened), len(self.acknowledged)
        return counted

    async def _play_dispatcher(self) -> None:
        """Acknowledge each alert over HTTP a few seconds after it came, and launch what is proposed."""
        headers = {"authorization": f"Bearer {self.secrets.desk}"}
        done: set[str] = set()
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                await asyncio.sleep(1)
                due = time.time() * 1000 - ACKNOWLEDGE_AFTER_S * 1000
                try:
                    held = await self.redis.hgetall(contract.alerts(self.city))
                    for alert in (from_json(value, Alert) for value in held.values()):
                        if alert.acknowledged_at is None and alert.opened <= due and alert.id not in done:
                            body = msgspec.json.encode({"by": DISPATCHER, "comment": "seen"})
                            answer = await session.post(
                                f"{self.url}/v1/alerts/{alert.id}/acknowledge",
                                data=body,
                                headers={"content-type": "application/json"},
                            )
                            if answer.status in (200, 404, 409):
                                done.add(alert.id)
                    await self._launch(session)
                except (RedisError, OSError, aiohttp.ClientError) as error:
                    log.info("the played dispatcher waits: %s", error)

    async def _launch(self, session: aiohttp.ClientSession) -> None:
        """Launch what the response plans propose, with the units that arrive first."""
        held = await self.redis.hgetall(contract.incidents(self.city))
        for incident in (from_json(value, Incident) for value in held.values()):
            if incident.proposal is not None:
                args = {"stage": incident.proposal.stage, "units": "nearest"}
                url = f"{self.url}/v1/incidents/{incident.id}/launch"
                async with session.post(url, json={"by": DISPATCHER, "args": args}) as answer:
                    if answer.status not in (200, 404, 409):
                        log.info("the plan of %s was not launched: %s", incident.id, await answer.text())

    async def _finish(self) -> Counted:
        """Stop the feed, wait until everything accepted is scored and archived, count."""
        say("\n  stopping the feed; waiting until everything accepted is scored and archived")
        await self.stack.supervisor.end("feed")
        accepted = feed.said(self.stack.settings).accepted
        until = time.monotonic() + DRAIN_S
        while True:
            counted = await self._counted()
            counted.archived = await asyncio.to_thread(archive.count, self._archive("readings")) - self.before.archived
            if (counted.scored >= accepted and counted.archived >= accepted) or time.monotonic() > until:
                break
            await asyncio.sleep(0.25)
        counted.accepted = accepted
        await self.stack.supervisor.end("archive")  # its last files hold the last detections
        detections = await asyncio.to_thread(archive.count, self._archive("detections"))
        counted.detections = detections - self.before.detections
        return counted
