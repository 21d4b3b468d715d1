"""The group coordinator alone, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from citybrain.local.broker.errors import Code, Refused
from citybrain.local.broker.groups import Group, Joined, Member, MemberIdRequired, Protocols, State


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """A group, its clock, and short ways to act on it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.group = Group("g", self.clock)

    def join(
        self,
        member: str = "",
        instance: str | None = None,
        protocols: Protocols | None = None,
        session: float = 10.0,
        rebalance: float = 60.0,
    ) -> asyncio.Future[Joined]:
        return self.group.join(
            member, instance, session, rebalance, "consumer", protocols or [("range", b"m")], announce=False
        )

    def wait(self, seconds: float) -> None:
        """Let time pass in steps of the coordinator's tick."""
        for _ in range(round(seconds / 0.1)):
            self.clock.now += 0.1
            self.group.tick()

    async def stable(self, size: int) -> list[Joined]:
        """A stable group of so many members, the leader first."""
        futures = [self.join() for _ in range(size)]
        self.wait(0.3)
        joined = sorted([await f for f in futures], key=lambda j: j.member != j.leader)
        syncs = [self.group.sync(j.member, None, j.generation, {}) for j in joined[1:]]
        plan = {j.member: j.member.encode() for j in joined}
        syncs.append(self.group.sync(joined[0].member, None, joined[0].generation, plan))
        assert [await s for s in syncs] == [j.member.encode() for j in [*joined[1:], joined[0]]]
        return joined

    def code(self, act: Callable[[], object]) -> Code:
        """The error code of an act that is refused, NONE when it is not."""
        try:
            act()
        except Refused as refused:
            return refused.code
        return Code.NONE


def _run(scenario: Callable[[Rig], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await scenario(Rig())

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_members_that_start_together_make_one_generation(size: int) -> None:
    """They all join generation 1; the leader alone is told who is there; each gets its own share."""

    async def scenario(rig: Rig) -> None:
        joined = await rig.stable(size)
        assert {j.generation for j in joined} == {1}
        assert [len(j.members) for j in joined] == [size] + [0] * (size - 1)
        assert rig.group.state is State.STABLE

    _run(scenario)


def test_a_newcomer_makes_the_others_join_again() -> None:
    """Members learn of a rebalance by their heartbeat, join again, and the generation rises."""

    async def scenario(rig: Rig) -> None:
        first, second = await rig.stable(2)
        third = rig.join()
        beats = [rig.code(lambda m=m: rig.group.heartbeat(m.member, None, 1)) for m in (first, second)]  # type: ignore[misc]  # bound at once
        assert beats == [Code.REBALANCE_IN_PROGRESS] * 2
        again = [rig.join(first.member), rig.join(second.member)]
        answers = [await f for f in (*again, third)]
        assert {j.generation for j in answers} == {2}
        assert {j.leader for j in answers} == {first.member}

    _run(scenario)


def test_the_dead_are_evicted_while_a_rebalance_is_prepared() -> None:
    """A rebalance waits for a silent member as long as its session lasts, not as long as rebalances may."""

    async def scenario(rig: Rig) -> None:
        first, _ = await rig.stable(2)
        newcomer = rig.join()
        back = rig.join(first.member)
        rig.wait(9.0)
        assert not newcomer.done()
        rig.wait(1.5)
        assert len((await back).members) == 2
        assert (await newcomer).generation == 2

    _run(scenario)


def test_a_member_that_beats_but_never_joins_is_evicted_in_the_end() -> None:
    """Signs of life alone do not hold up a rebalance longer than its own time limit."""

    async def scenario(rig: Rig) -> None:
        (first,) = await rig.stable(1)
        newcomer = rig.join()
        for _ in range(61):
            rig.wait(1.0)
            rig.code(lambda: rig.group.heartbeat(first.member, None, 1))
        assert (await newcomer).leader == (await newcomer).member

    _run(scenario)


def test_a_leader_that_never_assigns_is_evicted() -> None:
    """Followers that wait for an assignment are told to join again when the leader has died."""

    async def scenario(rig: Rig) -> None:
        futures = [rig.join(), rig.join()]
        rig.wait(0.3)
        leader, follower = sorted([await f for f in futures], key=lambda j: j.member != j.leader)
        waiting = rig.group.sync(follower.member, None, 1, {})
        rig.wait(10.5)
        with pytest.raises(Refused) as refused:
            await waiting
        assert refused.value.code is Code.REBALANCE_IN_PROGRESS
        assert list(rig.group.members) == [follower.member]
        assert leader.member not in rig.group.members

    _run(scenario)


def test_a_closed_connection_does_not_keep_a_joining_member_alive() -> None:
    """Who vanishes while it waits for the rebalance is evicted by its session like anybody else."""

    async def scenario(rig: Rig) -> None:
        first, _ = await rig.stable(2)
        vanished = rig.join()
        vanished.cancel()
        back = rig.join(first.member)
        rig.wait(10.5)
        assert [m[0] for m in (await back).members] == [first.member]

    _run(scenario)


def test_leaving_is_noticed_at_once() -> None:
    """When a member leaves in order the others need not wait for its session."""

    async def scenario(rig: Rig) -> None:
        first, second = await rig.stable(2)
        rig.group.leave(second.member, None)
        assert rig.code(lambda: rig.group.heartbeat(first.member, None, 1)) is Code.REBALANCE_IN_PROGRESS
        assert len((await rig.join(first.member)).members) == 1
        assert rig.code(lambda: rig.group.leave("nobody", None)) is Code.UNKNOWN_MEMBER_ID

    _run(scenario)


def test_a_lost_answer_does_not_cost_a_rebalance() -> None:
    """A follower that joins again unchanged is told the generation as it is."""

    async def scenario(rig: Rig) -> None:
        _, second = await rig.stable(2)
        assert (await rig.join(second.member)).generation == 1
        assert rig.group.state is State.STABLE

    _run(scenario)


def test_the_protocol_is_one_that_all_know() -> None:
    """Among those all members know, the one that most like best is taken; none in common is refused."""

    async def scenario(rig: Rig) -> None:
        futures = [
            rig.join(protocols=[("a", b""), ("b", b"")]),
            rig.join(protocols=[("b", b""), ("c", b"")]),
            rig.join(protocols=[("c", b""), ("b", b"")]),
        ]
        rig.wait(0.3)
        assert {(await f).protocol for f in futures} == {"b"}
        assert rig.code(lambda: rig.join(protocols=[("z", b"")])) is Code.INCONSISTENT_GROUP_PROTOCOL

    _run(scenario)


def test_a_static_member_takes_its_own_place() -> None:
    """A restarted member with an instance id gets a new id; the old one is fenced off."""

    async def scenario(rig: Rig) -> None:
        first = rig.join(instance="worker-1")
        rig.wait(0.3)
        old = await first
        again = rig.join(instance="worker-1")
        new = await again
        assert new.member != old.member
        assert list(rig.group.members) == [new.member]
        fenced = rig.code(lambda: rig.group.heartbeat(old.member, "worker-1", 1))
        assert fenced is Code.FENCED_INSTANCE_ID

    _run(scenario)


def test_a_newcomer_is_told_its_id_first() -> None:
    """A newcomer that never comes back with its id holds up the group no longer than its session."""

    async def scenario(rig: Rig) -> None:
        with pytest.raises(MemberIdRequired) as told:
            rig.group.join("", None, 10.0, 60.0, "consumer", [("range", b"")], announce=True)
        other = rig.join()
        rig.wait(5)
        assert not other.done()
        rig.wait(6)
        assert len((await other).members) == 1
        assert rig.code(lambda: rig.join(told.value.member)) is Code.UNKNOWN_MEMBER_ID

    _run(scenario)


def test_limits_are_named() -> None:
    """A session that is too short or too long is refused, with the limits."""

    async def scenario(rig: Rig) -> None:
        with pytest.raises(Refused, match=r"session timeout 0\.1 s; use 1\.0 to 1800\.0 s"):
            rig.join(session=0.1)

    _run(scenario)


def test_a_member_knows_whether_it_waits() -> None:
    """A cancelled future is nobody waiting."""

    async def scenario(rig: Rig) -> None:
        member = Member("m", None, 1.0, 1.0, [], 0.0)
        member.joining = asyncio.get_running_loop().create_future()
        assert member.waiting
        member.joining.cancel()
        assert not member.waiting

    _run(scenario)
