"""A gateway that pushes: waits when it is told to, tries again when nobody answers, and drops nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from citybrain.local.ports import free_port
from sensors.push import Counts, Pusher, Refused, retry_after_s

READINGS = (["cam-1/people", "cam-2/people"], [1_000, 2_000], [3.0, 4.5])


class Door:
    """A gateway's door that gives the answers it is told, one a request, and remembers what it was asked."""

    def __init__(self, *answers: tuple[int, dict[str, Any], dict[str, str]] | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[float, str, dict[str, Any]]] = []

    async def post(self, request: web.Request) -> web.Response:
        """Answer one request; None breaks the connection."""
        self.asked.append((time.monotonic(), request.headers["authorization"], json.loads(await request.read())))
        answer = self.answers.pop(0)
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, body, headers = answer
        return web.json_response(body, status=status, headers=headers)


def ok(accepted: int = 2, rejected: int = 0) -> tuple[int, dict[str, Any], dict[str, str]]:
    """A 202."""
    return 202, {"accepted": accepted, "rejected": rejected, "errors": [], "spooled": False}, {}


def pushed(
    door: Door, act: Callable[[Pusher, asyncio.Event], Awaitable[Any]], opens_after_s: float = 0.0
) -> tuple[Any, Counts]:
    """What ``act`` gives with a pusher at the door, and the counts; the door opens after so many seconds."""

    async def main() -> tuple[Any, Counts]:
        app = web.Application()
        app.router.add_post("/v1/readings", door.post)
        runner = web.AppRunner(app)
        await runner.setup()
        port, stop, counts = free_port(), asyncio.Event(), Counts()

        async def open_door() -> None:
            await asyncio.sleep(opens_after_s)
            await web.TCPSite(runner, "127.0.0.1", port).start()

        opening = asyncio.create_task(open_door())
        if not opens_after_s:
            await opening
        async with aiohttp.ClientSession() as session:
            pusher = Pusher(session, f"http://127.0.0.1:{port}/v1/readings", "gw-01", "cb_secret", counts, stop)
            try:
                return await asyncio.wait_for(act(pusher, stop), 20), counts
            finally:
                await opening
                await runner.cleanup()

    return asyncio.run(main())


def push(pusher: Pusher, _: asyncio.Event) -> Awaitable[bool]:
    """Push the readings once."""
    return pusher.push(*READINGS)


def test_readings_go_as_columns_with_the_token() -> None:
    """A request carries its readings as columns, and the gateway's own token."""
    door = Door(ok())
    sent, counts = pushed(door, push)
    assert sent is True
    assert door.asked[0][1:] == (
        "Bearer cb_secret",
        {"datastream": ["cam-1/people", "cam-2/people"], "time": [1_000, 2_000], "value": [3.0, 4.5]},
    )
    assert counts == Counts(accepted=2, requests=1)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(status: int) -> None:
    """Told to come again in a second, the gateway waits that long and sends the same readings."""
    door = Door((status, {"title": "later"}, {"retry-after": "1"}), ok())
    _, counts = pushed(door, push)
    first, second = door.asked
    assert second[0] - first[0] >= 1.0
    assert second[2] == first[2]
    assert counts == Counts(accepted=2, requests=2, retries=1)


def test_a_broken_connection_is_tried_again() -> None:
    """When a connection breaks before the answer, the same readings go again, and are counted as sent twice."""
    door = Door(None, None, ok())
    _, counts = pushed(door, push)
    assert [asked[2] for asked in door.asked] == [door.asked[0][2]] * 3
    assert counts == Counts(accepted=2, resent=4, requests=3, retries=2)


def test_a_gateway_waits_for_its_door() -> None:
    """While nobody listens the gateway keeps its readings; once the door is open they go through."""
    door = Door(ok())
    _, counts = pushed(door, push, opens_after_s=0.5)
    assert (counts.accepted, len(door.asked)) == (2, 1)
    assert 2 <= counts.retries <= 6


def test_rejected_readings_are_counted_not_repeated() -> None:
    """Readings that are refused for reasons of their own are counted; the gateway goes on with the next."""
    none_taken = {"title": "Unprocessable Content", "accepted": 0, "rejected": 2, "errors": []}
    door = Door(ok(1, 1), (422, none_taken, {}), ok())

    async def three(pusher: Pusher, _: asyncio.Event) -> list[bool]:
        return [await pusher.push(*READINGS) for _ in range(3)]

    sent, counts = pushed(door, three)
    assert sent == [True] * 3
    assert counts == Counts(accepted=3, rejected=3, requests=3)


@pytest.mark.parametrize("status", [401, 413, 422])
def test_a_request_that_is_never_taken_says_why(status: int) -> None:
    """An unknown token or a malformed request ends the feed with the gateway's own words."""
    door = Door((status, {"detail": "the token is unknown"}, {}))
    with pytest.raises(Refused, match=rf"gw-01: .* answered {status}: .*the token is unknown"):
        pushed(door, push)


def test_told_to_stop_it_gives_up() -> None:
    """A gateway that waits for a closed door stops at once when it is told to."""

    async def stopped(pusher: Pusher, stop: asyncio.Event) -> tuple[bool, float]:
        asyncio.get_running_loop().call_later(0.1, stop.set)
        began = time.monotonic()
        return await pusher.push(*READINGS), time.monotonic() - began

    (sent, took), counts = pushed(Door((503, {}, {"retry-after": "30"})), stopped)
    assert sent is False
    assert took < 2
    assert counts.accepted == 0


def test_retry_after_may_be_a_date() -> None:
    """Retry-After is seconds or a date; without a sense it is a second."""
    assert retry_after_s("7") == 7
    assert retry_after_s(None) == retry_after_s("soon") == 1
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
