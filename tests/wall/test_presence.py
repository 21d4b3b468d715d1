"""Who looks at what, and acknowledgements that can still be taken back, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from config import contract
from models.values import Command, to_json
from wall import presence
from wall.holding import FORGET_MS, GRACE_MS, HOLD_MS, Held, Holding, hold_ms
from wall.presence import AWAY_MS, Looking, Present

CITY = "chengdu"
PAGE = "0123456789abcdef"


def command(name: str = "c-00000001", by: str = "chen") -> Command:
    return Command(id=name, alert="a1", action="acknowledge", by=by, at=0)


class Desk:
    """A holding with a clock of its own; ``sent`` is what reached the broker, which may be away."""

    def __init__(self, redis: Redis) -> None:
        self.now = 1_000_000
        self.sent: list[str] = []
        self.away = False
        self.holding = Holding(redis, CITY, self._send, lambda: self.now)

    async def _send(self, command: Command) -> None:
        if self.away:
            raise OSError("the broker is away")
        self.sent.append(command.id)


def on(url: str, work: Callable[[Redis], Awaitable[None]]) -> None:
    """Run ``work`` with a client of the store at ``url``."""

    async def main() -> None:
        async with Redis.from_url(url) as redis:
            await work(redis)

    asyncio.run(main())


async def rows(redis: Any, key: str) -> dict[bytes, bytes]:
    """A hash of the store; the client is typed for text too."""
    found: dict[bytes, bytes] = await redis.hgetall(key)
    return found


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def test_a_page_is_seen_until_it_goes_silent_or_says_that_it_closes(store_url: str) -> None:
    """A page's alert and person are shown for 40 s after its last word; a page without an alert is not shown."""

    async def work(redis: Redis) -> None:
        await presence.tell(redis, CITY, Looking(page=PAGE, alert="a1"), "chen", 0)
        await presence.tell(redis, CITY, Looking(page=PAGE[::-1], alert="a2"), "wang", 30_000)
        found = await rows(redis, contract.present(CITY))
        both = {PAGE: {"by": "chen", "alert": "a1"}, PAGE[::-1]: {"by": "wang", "alert": "a2"}}
        assert presence.shown(found, AWAY_MS) == both
        assert list(presence.shown(found, AWAY_MS + 1)) == [PAGE[::-1]]
        await presence.tell(redis, CITY, Looking(page=PAGE), "chen", 31_000)
        assert list(await rows(redis, contract.present(CITY))) == [PAGE[::-1].encode()]

    on(store_url, work)


def test_the_room_is_told_of_another_alert_and_not_of_every_heartbeat(store_url: str) -> None:
    """A change is published once; the same word again is not."""

    async def work(redis: Redis) -> None:
        async with redis.pubsub() as channel:
            await channel.subscribe(contract.changes(CITY))
            await channel.get_message(timeout=5)
            for alert in ("a1", "a1", "a2", None):
                await presence.tell(redis, CITY, Looking(page=PAGE, alert=alert), "chen", 0)
            told = 0
            while await channel.get_message(ignore_subscribe_messages=True, timeout=0.5):
                told += 1
        assert told == 3

    on(store_url, work)


def test_pages_that_vanished_are_swept(store_url: str) -> None:
    """What crashed without a word does not stay in the store for ever."""

    async def work(redis: Redis) -> None:
        await redis.hset(contract.present(CITY), "old", to_json(Present("chen", "a1", 0)))
        await redis.hset(contract.present(CITY), "new", to_json(Present("wang", "a1", 20 * AWAY_MS)))
        await presence.sweep(redis, CITY, await rows(redis, contract.present(CITY)), 20 * AWAY_MS)
        assert list(await rows(redis, contract.present(CITY))) == [b"new"]

    on(store_url, work)


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [(100_000, HOLD_MS), (HOLD_MS + 1_500, HOLD_MS), (HOLD_MS + 1_499, 0), (1, 0), (0, HOLD_MS), (-60_000, HOLD_MS)],
)
def test_nothing_is_held_into_its_deadline(deadline: int, expected: int) -> None:
    """Five seconds, none where the deadline comes first; what is overdue already loses nothing by waiting."""
    assert hold_ms(deadline, 0) == expected


def test_what_is_held_is_sent_when_its_time_is_up_and_not_before(store_url: str) -> None:
    """Everybody sees whose it is meanwhile; afterwards it waits no more."""

    async def work(redis: Redis) -> None:
        made = Desk(redis)
        await made.holding.hold(command(), made.now + 200)
        found = await rows(redis, contract.held(CITY))
        assert presence.waiting(found) == {"c-00000001": {"by": "chen", "alert": "a1", "until": made.now + 200}}
        assert made.sent == []
        await until(lambda: made.sent == ["c-00000001"])
        async with asyncio.timeout(20):
            while await redis.hlen(contract.held(CITY)):
                await asyncio.sleep(0.01)
        await made.holding.close()

    on(store_url, work)


def test_only_its_person_takes_it_back_and_only_in_time(store_url: str) -> None:
    """Another's hand and a late one change nothing; what was taken back is never sent."""

    async def work(redis: Redis) -> None:
        made = Desk(redis)
        held = await made.holding.hold(command(), made.now + 100)
        assert await made.holding.take_back(held.command.id, "wang") is False
        made.now += 101
        assert await made.holding.take_back(held.command.id, "chen") is False
        made.now -= 101
        assert await made.holding.take_back(held.command.id, "chen") is True
        assert await made.holding.take_back(held.command.id, "chen") is False
        await asyncio.sleep((100 + GRACE_MS + 200) / 1000)
        assert made.sent == []
        await made.holding.close()

    on(store_url, work)


def test_the_same_command_twice_is_held_once(store_url: str) -> None:
    """A browser that lost the answer asks again; the time does not begin anew."""

    async def work(redis: Redis) -> None:
        made = Desk(redis)
        first = await made.holding.hold(command(), made.now + 100)
        again = await made.holding.hold(command(), made.now + 9_000)
        assert again.until == first.until
        await until(lambda: bool(made.sent))
        await asyncio.sleep(0.1)
        assert made.sent == ["c-00000001"]
        await made.holding.close()

    on(store_url, work)


def test_a_broker_that_is_away_is_waited_for(store_url: str) -> None:
    """It is tried again until it is taken."""

    async def work(redis: Redis) -> None:
        made = Desk(redis)
        made.away = True
        await made.holding.hold(command(), made.now)
        await asyncio.sleep((GRACE_MS + 200) / 1000)
        assert await made.holding.find("c-00000001") is not None
        made.away = False
        await until(lambda: made.sent == ["c-00000001"])
        await made.holding.close()

    on(store_url, work)


def test_a_new_wall_takes_up_what_the_old_one_left_and_lets_the_forgotten_go(store_url: str) -> None:
    """An acknowledgement of just now is sent, one of an hour ago is not."""

    async def work(redis: Redis) -> None:
        made = Desk(redis)
        await redis.hset(contract.held(CITY), "left", to_json(Held(command("left"), made.now - 2_000)))
        await redis.hset(contract.held(CITY), "old", to_json(Held(command("old"), made.now - FORGET_MS - 1)))
        made.holding.start()
        await until(lambda: made.sent == ["left"])
        async with asyncio.timeout(20):
            while await redis.hlen(contract.held(CITY)):
                await asyncio.sleep(0.01)
        assert made.sent == ["left"]
        await made.holding.close()

    on(store_url, work)
