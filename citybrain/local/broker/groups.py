"""The coordinator of consumer groups: who is a member, which generation it is, who leads, who has died.

The states and answers are those of Apache Kafka's classic group protocol. What the members assign to each other is
opaque here. Memberships live in memory: after a restart clients are told that they are unknown and join again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from uuid import uuid4

from citybrain.local.broker.errors import Code, Refused

_SESSION_S = (1.0, 1800.0)  # session timeouts that are accepted
_MEMBERS = 500  # of one group
_GROUPS = 2_000
_FIRST_DELAY_S = 0.1  # a new group waits so long for more members, so that workers started together join once
_TICK_S = 0.1

Protocols = list[tuple[str, bytes]]  # name and metadata, in order of preference


class State(Enum):
    """What a group is doing."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"  # waiting for all members to join again
    COMPLETING = "CompletingRebalance"  # waiting for the leader's assignment
    STABLE = "Stable"


class Joined(NamedTuple):
    """The answer to a join; ``members`` (id, instance, metadata) is for the leader alone."""

    generation: int
    protocol: str
    leader: str
    member: str
    members: list[tuple[str, str | None, bytes]]


@dataclass(eq=False)
class Member:
    """One consumer of a group; ``seen`` is the monotonic time of its last sign of life, in s."""

    id: str
    instance: str | None
    session_s: float
    rebalance_s: float
    protocols: Protocols
    seen: float
    joining: asyncio.Future[Joined] | None = None
    syncing: asyncio.Future[bytes] | None = None
    assignment: bytes = b""

    @property
    def waiting(self) -> bool:
        """True while its connection waits for an answer: it is alive then."""
        return any(future is not None and not future.done() for future in (self.joining, self.syncing))

    @property
    def joined(self) -> bool:
        """True when it waits for the rebalance to complete."""
        return self.joining is not None and not self.joining.done()

    def refuse(self, code: Code, why: str) -> None:
        """Answer what it waits for with an error."""
        for future in (self.joining, self.syncing):
            if future is not None and not future.done():
                future.set_exception(Refused(code, why))


class Group:
    """One consumer group."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.state = State.EMPTY
        self.generation = 0
        self.kind = ""  # protocol type: "consumer"
        self.protocol = ""
        self.leader = ""
        self.members: dict[str, Member] = {}
        self._announced: dict[str, float] = {}  # ids given out but not yet joined, until when
        self._not_before = self._deadline = 0.0
        self._clock = clock

    @property
    def idle(self) -> bool:
        """True when nothing has to be remembered."""
        return not self.members and not self._announced

    # --- join -----------------------------------------------------------------------------------------------

    def join(
        self,
        member_id: str,
        instance: str | None,
        session_s: float,
        rebalance_s: float,
        kind: str,
        protocols: Protocols,
        announce: bool,
    ) -> asyncio.Future[Joined]:
        """Let a member in, or in again; the answer comes when the rebalance is complete. Raises ``Refused``.

        ``announce``: a newcomer is first told its id (MEMBER_ID_REQUIRED), so that a repeated request counts once.
        """
        if not _SESSION_S[0] <= session_s <= _SESSION_S[1]:
            raise Refused(
                Code.INVALID_SESSION_TIMEOUT, f"session timeout {session_s} s; use {_SESSION_S[0]} to {_SESSION_S[1]} s"
            )
        self._must_fit(kind, protocols, member_id)
        member = self._known(member_id, instance)
        if member is None:
            member = self._admit(member_id, instance, announce, session_s)
        changed = member.protocols != protocols
        member.session_s, member.rebalance_s = session_s, rebalance_s
        member.protocols, member.seen = protocols, self._clock()
        self.kind = kind
        member.refuse(Code.UNKNOWN_MEMBER_ID, "the member joined again on another connection")
        member.joining = asyncio.get_running_loop().create_future()
        self._rebalance_for(member, changed)
        return member.joining

    def _must_fit(self, kind: str, protocols: Protocols, member_id: str) -> None:
        others = [m for m in self.members.values() if m.id != member_id]
        if not kind or not protocols or (others and kind != self.kind):
            raise Refused(
                Code.INCONSISTENT_GROUP_PROTOCOL, f"group {self.name} has type {self.kind!r}, the member sent {kind!r}"
            )
        if others and not self._common(others) & {name for name, _ in protocols}:
            raise Refused(
                Code.INCONSISTENT_GROUP_PROTOCOL, f"no protocol in common with the members of group {self.name}"
            )

    def _known(self, member_id: str, instance: str | None) -> Member | None:
        """The member who asks, when it is one; a static member that comes back takes its own place."""
        if instance is not None:
            same = next((m for m in self.members.values() if m.instance == instance), None)
            if same is not None and member_id == "":
                same.refuse(Code.FENCED_INSTANCE_ID, f"{instance} joined again elsewhere")
                self._rename(same)
                return same
            if same is not None and same.id != member_id:
                raise Refused(Code.FENCED_INSTANCE_ID, f"{instance} joined again elsewhere")
        if member_id and member_id not in self.members and member_id not in self._announced:
            raise Refused(Code.UNKNOWN_MEMBER_ID, f"{member_id} is no member of group {self.name}")
        return self.members.get(member_id)

    def _rename(self, member: Member) -> None:
        del self.members[member.id]
        was, member.id = member.id, f"{member.instance}-{uuid4()}"
        self.members[member.id] = member
        if self.leader == was:
            self.leader = member.id

    def _admit(self, member_id: str, instance: str | None, announce: bool, session_s: float) -> Member:
        if len(self.members) + len(self._announced) >= _MEMBERS and member_id not in self._announced:
            raise Refused(Code.GROUP_MAX_SIZE_REACHED, f"group {self.name} is full with {_MEMBERS} members")
        new = member_id or f"{instance or 'member'}-{uuid4()}"
        if not member_id and announce and instance is None:
            self._announced[new] = self._clock() + session_s
            raise MemberIdRequired(new)
        self._announced.pop(new, None)
        if not self.members:
            self._not_before = self._clock() + _FIRST_DELAY_S
        member = Member(new, instance, session_s, session_s, [], self._clock())
        self.members[new] = member
        return member

    def _rebalance_for(self, member: Member, changed: bool) -> None:
        """Begin or go on with a rebalance, unless the member only lost the answer to its last join."""
        if self.state is State.PREPARING:
            self._complete_if_ready()
        elif changed or self.state is State.EMPTY or (self.state is State.STABLE and member.id == self.leader):
            self._prepare()
        else:
            self._answer(member)

    # --- rebalance ------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Ask all members to join again."""
        self.state = State.PREPARING
        self._deadline = self._clock() + max(m.rebalance_s for m in self.members.values())
        for member in self.members.values():
            if member.syncing is not None and not member.syncing.done():
                member.syncing.set_exception(Refused(Code.REBALANCE_IN_PROGRESS, "the group rebalances"))
        self._complete_if_ready()

    def _complete_if_ready(self) -> None:
        ready = all(m.joined for m in self.members.values()) and not self._announced
        if self.members and ready and self._clock() >= self._not_before:
            self._complete()

    def _complete(self) -> None:
        """All have joined: a new generation, and the leader is asked for an assignment."""
        self.generation += 1
        self.state = State.COMPLETING
        self._deadline = self._clock() + max(m.rebalance_s for m in self.members.values())
        self.protocol = self._vote()
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        for member in self.members.values():
            member.assignment = b""
            member.syncing = None
            self._answer(member)

    def _answer(self, member: Member) -> None:
        """Tell a member that waits in a join how the generation looks."""
        member.seen = self._clock()
        everyone = [(m.id, m.instance, dict(m.protocols)[self.protocol]) for m in self.members.values()]
        if member.joining is not None and not member.joining.done():
            members = everyone if member.id == self.leader else []
            member.joining.set_result(Joined(self.generation, self.protocol, self.leader, member.id, members))

    def _common(self, members: list[Member]) -> set[str]:
        """The protocols that all of them know."""
        return set.intersection(*({name for name, _ in m.protocols} for m in members))

    def _vote(self) -> str:
        """The protocol that most members like best among those all know; the leader's order breaks ties."""
        members = list(self.members.values())
        common = self._common(members)
        votes = [next(name for name, _ in m.protocols if name in common) for m in members]
        return max(dict.fromkeys(votes), key=votes.count)

    # --- sync, heartbeat, leave -------------------------------------------------------------------------------

    def sync(
        self, member_id: str, instance: str | None, generation: int, assignments: dict[str, bytes]
    ) -> asyncio.Future[bytes]:
        """The member's assignment, once the leader has sent it. Raises ``Refused``."""
        member = self.check(member_id, instance, generation)
        if self.state is State.PREPARING:
            raise Refused(Code.REBALANCE_IN_PROGRESS, f"group {self.name} rebalances")
        member.syncing = asyncio.get_running_loop().create_future()
        answer = member.syncing
        if self.state is State.STABLE:
            answer.set_result(member.assignment)
        elif member_id == self.leader:
            self._assign(assignments)
        return answer

    def _assign(self, assignments: dict[str, bytes]) -> None:
        self.state = State.STABLE
        for member in self.members.values():
            member.assignment = assignments.get(member.id, b"")
            if member.syncing is not None and not member.syncing.done():
                member.seen = self._clock()
                member.syncing.set_result(member.assignment)

    def check(self, member_id: str, instance: str | None, generation: int) -> Member:
        """The member, alive from now on; raises ``Refused`` when it is none, or of another generation."""
        member = self.members.get(member_id)
        if instance is not None and any(m.instance == instance and m.id != member_id for m in self.members.values()):
            raise Refused(Code.FENCED_INSTANCE_ID, f"{instance} joined again elsewhere")
        if member is None:
            raise Refused(Code.UNKNOWN_MEMBER_ID, f"{member_id!r} is no member of group {self.name}")
        if generation != self.generation:
            raise Refused(Code.ILLEGAL_GENERATION, f"generation {generation}, but the group is at {self.generation}")
        member.seen = self._clock()
        return member

    def heartbeat(self, member_id: str, instance: str | None, generation: int) -> None:
        """Take a sign of life; raises ``Refused``, with REBALANCE_IN_PROGRESS when the member is to join again."""
        self.check(member_id, instance, generation)
        if self.state is State.PREPARING:
            raise Refused(Code.REBALANCE_IN_PROGRESS, f"group {self.name} rebalances")

    def may_commit(self, member_id: str, instance: str | None, generation: int) -> None:
        """Raise ``Refused`` when the member may not commit offsets now; generation -1 needs an empty group."""
        if generation < 0 and not self.members:
            return
        self.check(member_id, instance, generation)
        if self.state is State.COMPLETING:
            raise Refused(Code.REBALANCE_IN_PROGRESS, f"group {self.name} rebalances")

    def leave(self, member_id: str, instance: str | None) -> None:
        """Let a member go at once; raises ``Refused`` when it is none."""
        if instance is not None and not member_id:
            member_id = next((m.id for m in self.members.values() if m.instance == instance), "")
        if self._announced.pop(member_id, None) is not None:
            return self._after_change()
        if member_id not in self.members:
            raise Refused(Code.UNKNOWN_MEMBER_ID, f"{member_id!r} is no member of group {self.name}")
        self._remove([self.members[member_id]])
        return None

    # --- the dead -------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Evict who gave no sign of life in time, also while a rebalance is being prepared."""
        now = self._clock()
        for member in self.members.values():
            if member.waiting:
                member.seen = now
        dead = [m for m in self.members.values() if now - m.seen > m.session_s]
        if now > self._deadline and self.state is State.PREPARING:
            dead += [m for m in self.members.values() if not m.joined]
        if now > self._deadline and self.state is State.COMPLETING:
            dead += [m for m in self.members.values() if m.syncing is None]
        late = [name for name, until in self._announced.items() if now > until]
        for name in late:
            del self._announced[name]
        if dead:
            self._remove(dead)
        elif self.state is State.PREPARING:
            self._complete_if_ready()

    def _remove(self, members: list[Member]) -> None:
        for member in members:
            if self.members.pop(member.id, None) is not None:
                member.refuse(Code.UNKNOWN_MEMBER_ID, f"{member.id} left group {self.name} or was evicted")
        self._after_change()

    def _after_change(self) -> None:
        if not self.members:
            self.state = State.EMPTY
        elif self.state is State.PREPARING:
            self._complete_if_ready()
        else:
            self._prepare()


class MemberIdRequired(Refused):
    """The newcomer must join again with the id ``member``."""

    def __init__(self, member: str) -> None:
        super().__init__(Code.MEMBER_ID_REQUIRED, "join again with the member id given")
        self.member = member


class Groups:
    """All groups of the broker."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def get(self, name: str) -> Group:
        """The group, made when it is new; raises ``Refused``."""
        if not name:
            raise Refused(Code.INVALID_GROUP_ID, "the group has no name")
        if name not in self._groups:
            if len(self._groups) >= _GROUPS:
                raise Refused(Code.GROUP_MAX_SIZE_REACHED, f"{_GROUPS} groups exist; that is the most")
            self._groups[name] = Group(name)
        return self._groups[name]

    async def watch(self) -> None:
        """Evict the dead and forget empty groups, for ever."""
        while True:
            await asyncio.sleep(_TICK_S)
            for group in list(self._groups.values()):
                group.tick()
                if group.idle:
                    del self._groups[group.name]
