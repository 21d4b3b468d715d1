"""What a dispatcher asks of an alert: from the browser to the topic ``commands``, and the answer back."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, cast

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from config import contract
from models import dial
from models.budget import MOST_AN_HOUR
from models.roster import RIGHTS, Right, may
from models.values import Action, Answer, Command, Order, Role, Severity, from_json, to_json
from wall.auth import Session
from wall.holding import Held, Holding

log = logging.getLogger(__name__)

ANSWER_S = 3.0
SEND_S = 3.0
BODY_LIMIT = 16 * 1024
STATUS = {"done": 200, "conflict": 409, "unknown": 404, "invalid": 422}


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /command. The asker may bring its own ``id``, so that asking again counts once."""

    alert: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    action: Action
    comment: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}$")] | None = None
    until: Annotated[int, msgspec.Meta(ge=0)] | None = None  # ms at which shelving ends
    severity: Severity | None = None
    hold: bool = False  # an acknowledgement that can be taken back for a while


class Turned(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /budget: alerts an hour for the whole city."""

    per_hour: Annotated[float, msgspec.Meta(ge=0, le=MOST_AN_HOUR)]
    comment: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}$")] | None = None


class Ordered(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /order: what is asked of an incident, a unit, a warning, a silence or the roster."""

    about: Literal["incident", "unit", "warning", "silence", "roster"]
    do: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    subject: Annotated[str, msgspec.Meta(max_length=128)] = ""
    comment: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    args: dict[str, str | int | float | bool | list[str] | None] = {}
    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}$")] | None = None


NEEDS: dict[str, Right] = {"silence": "lead"}  # who gives orders about these; about all else who may act


class NotAllowed(Exception):
    """The session's role may not give this order; the message says who may."""


class Unavailable(Exception):
    """The broker or the store cannot be reached; nothing was promised."""


class Commands:
    """Sends commands to Kafka with acks=all and waits for their answers.

    ``answered(id, seconds)`` gives the answer's JSON, None when there is none yet; ``hold_ms(alert, now)`` how long its
    acknowledgement can be taken back.
    """

    def __init__(
        self,
        bootstrap: str,
        city: str,
        answered: Callable[[str, float], Awaitable[bytes | None]],
        hold_ms: Callable[[str, int], int] = lambda _alert, _now: 0,
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = contract.COMMANDS.of(city)
        self._answered = answered
        self._hold_ms = hold_ms
        self.holding: Holding | None = None  # where acknowledgements wait that can be taken back; set with the store
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def ask(self, body: bytes, session: Session, now: int) -> tuple[int, bytes]:
        """HTTP status and JSON for one request; raises ``msgspec.DecodeError`` and ``Unavailable``.

        202 means: safe in the broker, but nobody said yet what became of it.
        """
        request = msgspec.json.decode(body, type=Request)
        key = request.id or uuid.uuid4().hex
        command = Command(
            id=key, alert=request.alert, action=request.action, by=session.user, at=now, comment=request.comment,
            until=request.until, severity=request.severity,
        )  # fmt: skip
        held = await self._held(command, now) if request.hold else None
        if held is not None:
            told = {"command": key, "alert": command.alert, "status": "held", "until": held.until}
            return 202, msgspec.json.encode(told)
        return await self._asked(command, command.alert)

    async def order(self, body: bytes, session: Session, now: int) -> tuple[int, bytes]:
        """As ``ask``, for everything but alerts; raises ``NotAllowed`` too. The role is the session's, never asked."""
        asked = msgspec.json.decode(body, type=Ordered)
        needed = NEEDS.get(asked.about, "act")
        if not may(session.role, needed):
            able = ", ".join(role for role, rights in RIGHTS.items() if needed in rights and role != "system")
            raise NotAllowed(
                f"the role {session.role} may not order this about a {asked.about}; it needs one of {able}"
            )
        order = Order(
            id=asked.id or uuid.uuid4().hex, about=asked.about, subject=asked.subject, do=asked.do, by=session.user,
            at=now, role=cast(Role, session.role), comment=asked.comment, args=asked.args,
        )  # fmt: skip
        return await self._asked(order, order.subject)

    async def turn(self, body: bytes, session: Session, now: int) -> tuple[int, bytes]:
        """Turn the dial of the alert budget; as ``ask``."""
        asked = msgspec.json.decode(body, type=Turned)
        key = asked.id or uuid.uuid4().hex
        order = Order(
            id=key, about="budget", subject=dial.ITEM, do="set", by=session.user, at=now, role=cast(Role, session.role),
            comment=asked.comment, args={"per_hour": asked.per_hour},
        )  # fmt: skip
        return await self._asked(order, order.subject)

    async def give(self, order: Order) -> tuple[int, bytes]:
        """Send an order whose right its route has checked; as ``ask``."""
        return await self._asked(order, order.subject)

    async def became(self, key: str) -> tuple[int, bytes] | None:
        """HTTP status and JSON of what became of a command that was sent before; None when nobody said yet."""
        found = await self._answered(key, ANSWER_S)
        return None if found is None else (STATUS[from_json(found, Answer).status], found)

    async def deliver(self, command: Command) -> None:
        """Bring a command that was held to the broker; raises ``OSError`` while it cannot be reached."""
        try:
            await self._send(command, command.alert)
        except Unavailable as error:
            raise OSError(str(error)) from error

    async def _held(self, command: Command, now: int) -> Held | None:
        """The acknowledgement as it waits; None where it must not, or nothing can be kept: it is sent at once then."""
        span = self._hold_ms(command.alert, now)
        if self.holding is None or command.action != "acknowledge" or not span:
            return None
        try:
            return await self.holding.hold(command, now + span)
        except (RedisError, OSError) as error:
            log.warning("the acknowledgement %s cannot be held and is sent at once: %s", command.id, error)
            return None

    async def _asked(self, what: Command | Order, subject: str) -> tuple[int, bytes]:
        """Send it and wait for what became of it."""
        await self._send(what, subject)
        try:
            found = await self._answered(what.id, ANSWER_S)
        except (RedisError, OSError) as error:
            log.warning("the answer to %s cannot be read: %s", what.id, error)
            found = None
        if found is None:
            return 202, msgspec.json.encode({"command": what.id, "alert": subject, "status": "pending"})
        return STATUS[from_json(found, Answer).status], found

    async def close(self) -> None:
        """Let go of the broker."""
        async with self._lock:
            if self._producer is not None:
                await self._producer.stop()
                self._producer = None

    async def _send(self, what: Command | Order, subject: str) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                producer = await self._started()
                await producer.send_and_wait(self._topic, to_json(what), key=subject.encode())
        except (KafkaError, TimeoutError, OSError) as error:
            raise Unavailable(f"the broker {self._bootstrap} did not take the command within {SEND_S:g} s") from error

    async def _started(self) -> AIOKafkaProducer:
        """The producer, begun at the first command: the wall must come up without the broker."""
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap, acks="all", request_timeout_ms=int(SEND_S * 1000)
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer
