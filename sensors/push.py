"""One gateway's way to the door: requests in order, each sent until it is answered, as a real gateway does."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from http import HTTPStatus

import aiohttp
import msgspec

FIRST_WAIT_S = 0.1  # after a failed connection; doubles up to
LONGEST_WAIT_S = 2.0
ANSWER_S = 15.0  # a request without an answer for so long is sent again
NO_HINT_S = 1.0  # the wait after 429 and 503 that name none
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)  # and every 5xx

log = logging.getLogger(__name__)


class Refused(RuntimeError):
    """The gateway will never take this request; the message carries its reason."""


class _Taken(msgspec.Struct):
    """What a 202 says; other members are left alone."""

    accepted: int
    rejected: int = 0
    duplicates: int = 0


class _Refusal(msgspec.Struct):
    """What a 422 says about the rows."""

    rejected: int = 0


class _Columns(msgspec.Struct):
    """Readings as the columns of one JSON body; ``time`` in ms since 1970-01-01 UTC."""

    datastream: Sequence[str]
    time: Sequence[int]
    value: Sequence[float]


@dataclass(slots=True)
class Counts:
    """What became of the readings: counts since the feed started.

    ``duplicates`` are those the gateway says it had; ``resent`` those sent again after a connection broke, of which
    the first sending may have been taken too.
    """

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    resent: int = 0
    requests: int = 0
    retries: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


_encode = msgspec.json.Encoder().encode
_refusal = msgspec.json.Decoder(_Refusal)
_taken = msgspec.json.Decoder(_Taken)


class Pusher:
    """Pushes readings as the gateway ``name``; ``counts`` may be shared with others."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str, token: str, counts: Counts, stop: asyncio.Event
    ) -> None:
        self._session = session
        self._url = url
        self._name = name
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._counts = counts
        self._stop = stop

    async def push(self, datastream: Sequence[str], time: Sequence[int], value: Sequence[float]) -> bool:
        """Send the readings until they are taken; False when told to stop before that. Raises ``Refused``."""
        body = _encode(_Columns(datastream, time, value))
        wait = FIRST_WAIT_S
        while not self._stop.is_set():
            self._counts.requests += 1
            try:
                pause = await self._once(body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.info("%s: %s; again in %.1f s", self._name, error or type(error).__name__, wait)
                self._counts.resent += len(datastream)
                pause, wait = wait, min(2 * wait, LONGEST_WAIT_S)
            if pause is None:
                return True
            self._counts.retries += 1
            await paused(self._stop, pause)
        return False

    async def _once(self, body: bytes) -> float | None:
        """None when the readings were taken, else how many seconds to wait before sending them again."""
        async with self._session.post(self._url, data=body, headers=self._headers) as answer:
            text = await answer.read()
            if answer.status == HTTPStatus.ACCEPTED:
                taken = _taken.decode(text)
                self._counts.accepted += taken.accepted
                self._counts.rejected += taken.rejected
                self._counts.duplicates += taken.duplicates
                return None
            if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and (rejected := _none_taken(text)):
                self._counts.rejected += rejected
                log.warning("%s: none of %d readings was taken: %s", self._name, rejected, text[:300].decode())
                return None
            if answer.status in _LATER or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return retry_after_s(answer.headers.get("retry-after"))
        raise Refused(f"{self._name}: {self._url} answered {answer.status}: {text[:500].decode(errors='replace')}")


def _none_taken(body: bytes) -> int:
    """How many readings a 422 rejected, each for a reason of its own; 0 when it is the request that is wrong."""
    try:
        return _refusal.decode(body).rejected
    except msgspec.DecodeError:
        return 0


def retry_after_s(header: str | None) -> float:
    """The wait that a Retry-After asks for: seconds, or a date (RFC 9110); 1 s when it asks for none."""
    if header is None:
        return NO_HINT_S
    if header.strip().isdigit():
        return float(header)
    try:
        until = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return NO_HINT_S
    return max(0.0, (until - dt.datetime.now(dt.UTC)).total_seconds())


async def paused(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until told to stop; True when told to stop."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return stop.is_set()
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
