"""``citybrain run poll``: servers asked on a schedule, for those that do not push: SensorThings, Open311, any codec.

What is asked stands in ``polls.yaml`` in the city's folder:

    polls:
      - name: harbour
        url: "http://sta.example/v1.1/Datastreams(7)/Observations?$filter=phenomenonTime gt {since}"
        format: sensorthings
        every: 5m
        datastream: gauge-0007/water_level
        headers: {Authorization: "env:HARBOUR_TOKEN"}   # secrets come from the environment

``{since}`` is the newest time seen so far (RFC 3339), kept in the data folder, so that a restart goes on from there;
before the first answer it is ``first`` ago. Pages are followed. The answers go through the gateway like everything
else, so they are checked, counted, spooled and dead-lettered there.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urljoin

import httpx
import msgspec
import yaml

from config.pack import Duration, milliseconds
from config.settings import Settings
from sensors.codecs.base import Envelope
from sensors.codecs.errors import Unreadable
from sensors.codecs.register import CODECS
from sensors.codecs.values import Value

FILE = "polls.yaml"
ANSWER_S = 30.0
PAGES = 100  # followed in one round
BODY_BYTES = 8 * 1024 * 1024
SOON_S = 5.0  # after a failure, doubled up to the poll's own interval
ENVIRONMENT = "env:"

log = logging.getLogger(__name__)


class PollError(ValueError):
    """The polls cannot be used; the message names the file, the key, the value and the remedy."""


class Poll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server that is asked again and again."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,60}$")]
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://")]
    format: str
    every: Duration
    first: Duration = "1h"
    asset: str = ""
    datastream: str = ""
    zone: str = "UTC"
    mapping: dict[str, Any] | None = None
    headers: dict[str, str] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    polls: list[Poll]


def load(folder: Path) -> tuple[Poll, ...]:
    """The polls of the city in ``folder``; raises ``PollError``."""
    path = folder / FILE
    try:
        polls = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), _File).polls
    except FileNotFoundError:
        raise PollError(f"{path}: no such file; it says which servers are asked, see docs/gateway.md") from None
    except (msgspec.ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise PollError(f"{path}: {error}") from error
    names = [poll.name for poll in polls]
    for number, poll in enumerate(polls):
        at = f"{path}: polls[{number}]"
        if poll.format not in CODECS:
            raise PollError(f"{at}.format: {poll.format!r} is not known; use one of {', '.join(CODECS)}")
        if names.count(poll.name) > 1:
            raise PollError(f"{at}.name: {poll.name!r} is there {names.count(poll.name)} times; names must differ")
        if milliseconds(poll.every) < 1_000:
            raise PollError(f"{at}.every: {poll.every} is under 1s; ask less often")
        for header, value in poll.headers.items():
            variable = value.removeprefix(ENVIRONMENT)
            if value.startswith(ENVIRONMENT) and variable not in os.environ:
                raise PollError(f"{at}.headers.{header}: the variable {variable} is not set in the environment")
    return tuple(polls)


@dataclass(frozen=True, slots=True)
class Poller:
    """Asks the servers and hands what they answer to the gateway at ``gateway`` with ``token``."""

    polls: tuple[Poll, ...]
    notes: Path  # folder of how far each poll came
    gateway: str
    token: str

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop."""
        async with httpx.AsyncClient(timeout=ANSWER_S, follow_redirects=True) as http, asyncio.TaskGroup() as tasks:
            for poll in self.polls:
                tasks.create_task(self._keep(http, poll, stop))

    async def _keep(self, http: httpx.AsyncClient, poll: Poll, stop: asyncio.Event) -> None:
        every = milliseconds(poll.every) / 1_000
        soon = min(SOON_S, every)
        while not stop.is_set():
            try:
                await self.once(http, poll)
                wait, soon = every, min(SOON_S, every)
            except (httpx.HTTPError, PollError, OSError) as error:
                log.warning("poll %s: %s; again in %.0f s", poll.name, error or type(error).__name__, soon)
                wait, soon = soon, min(2 * soon, every)
            try:
                await asyncio.wait_for(stop.wait(), wait)
            except TimeoutError:
                continue

    async def once(self, http: httpx.AsyncClient, poll: Poll) -> int:
        """One round: every page asked for and handed on; how many values came. Raises ``PollError`` and httpx's."""
        since = self._since(poll)
        url = poll.url.replace("{since}", quote(_moment(since), safe=":"))
        newest, values = since, 0
        for _ in range(PAGES):
            body = await self._asked(http, poll, url)
            found = list(self._values(poll, body))
            if found:
                await self._handed_on(http, poll, body)
            values += len(found)
            newest = max([newest, *(time for one in found if (time := _time(one)) is not None)])
            following = _next(body)
            if following is None:
                break
            url = urljoin(url, following)
        if newest > since:
            self._remember(poll, newest)
        return values

    async def _asked(self, http: httpx.AsyncClient, poll: Poll, url: str) -> bytes:
        headers = {
            name: os.environ[value.removeprefix(ENVIRONMENT)] if value.startswith(ENVIRONMENT) else value
            for name, value in poll.headers.items()
        }
        answer = await http.get(url, headers=headers)
        if answer.status_code != httpx.codes.OK:
            raise PollError(f"{url} answered {answer.status_code}: {answer.text[:200]}")
        if len(answer.content) > BODY_BYTES:
            raise PollError(f"{url} answered {len(answer.content)} bytes, at most {BODY_BYTES}; ask for smaller pages")
        return answer.content

    def _values(self, poll: Poll, body: bytes) -> Iterator[Value]:
        envelope = Envelope(
            now=_now(), asset=poll.asset, datastream=poll.datastream, zone=poll.zone, mapping=poll.mapping
        )
        try:
            yield from CODECS[poll.format].decode(body, envelope).values
        except Unreadable as error:
            raise PollError(f"what {poll.name} answers is no {poll.format}: {error}") from error

    async def _handed_on(self, http: httpx.AsyncClient, poll: Poll, body: bytes) -> None:
        """Through the gateway; raises ``PollError`` when it does not take it now, so that it is asked for again."""
        query = {"asset": poll.asset, "datastream": poll.datastream, "zone": poll.zone}
        if poll.mapping is not None:
            query["mapping"] = msgspec.json.encode(poll.mapping).decode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": CODECS[poll.format].media[0]}
        path = f"{self.gateway}/v1/ingest/{poll.format}"
        answer = await http.post(path, params=query, content=body, headers=headers)
        if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            log.warning("poll %s: the gateway took nothing: %s", poll.name, answer.text[:300])
        elif answer.status_code != httpx.codes.ACCEPTED:
            raise PollError(f"the gateway answered {answer.status_code}: {answer.text[:200]}")

    def _since(self, poll: Poll) -> int:
        path = self.notes / f"{poll.name}.json"
        if path.exists():
            return int(msgspec.json.decode(path.read_bytes(), type=dict[str, int])["newest"])
        return _now() - milliseconds(poll.first)

    def _remember(self, poll: Poll, newest: int) -> None:
        self.notes.mkdir(parents=True, exist_ok=True)
        part = self.notes / f"{poll.name}.part"
        part.write_bytes(msgspec.json.encode({"newest": newest}))
        part.replace(self.notes / f"{poll.name}.json")


async def run_poll(settings: Settings, folder: Path) -> int:
    """Ask the servers of the city in ``folder`` until told to stop; the exit code. Raises ``PollError``."""
    polls = load(folder)
    if settings.poll_token is None:
        raise PollError("CITYBRAIN_POLL_TOKEN is not set; issue one with `citybrain token new poll` and set it")
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    gateway = f"http://{settings.host}:{settings.gateway_port}"
    await Poller(polls, settings.home / "poll", gateway, settings.poll_token.get_secret_value()).run(stop)
    return 0


def _next(body: bytes) -> str | None:
    """The address of the next page, where the answer names one (SensorThings)."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    link = told.get("@iot.nextLink", told.get("@nextLink")) if isinstance(told, Mapping) else None
    return link if isinstance(link, str) else None


def _time(value: Value) -> int | None:
    """The newest time a value tells of itself."""
    for name in ("updated", "time", "requested", "sent"):
        at = getattr(value, name, None)
        if isinstance(at, int):
            return at
    return None


def _moment(time_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(time_ms / 1_000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _now() -> int:
    return int(dt.datetime.now(dt.UTC).timestamp() * 1_000)
