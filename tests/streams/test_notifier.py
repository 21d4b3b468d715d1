"""The notifier against a real broker, store, webhook and mail server; killed with SIGKILL while it sends."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from redis import Redis

from citybrain import prepare
from citybrain.local import redis as local_redis
from citybrain.local.environment import environment
from citybrain.local.kafka import running_broker
from citybrain.local.ports import free_port
from config import contract, duty_files
from models.escalation import notification_id
from models.notices import Failed
from models.values import Incident, Notification, Text, from_json, to_json
from tests.streams.sinks import Mailbox, Webhook, mailbox, webhook

CITY = "testville"
SECRET = "a secret of the receiver"
ROUTES = """
routes:
  - {route: hook, name: {en: hook, zh: 钩}, via: webhook, address: {env: TEST_HOOK}, secret: {file: hook.key}}
  - {route: mail, name: {en: mail, zh: 信}, via: apprise, address: {env: TEST_MAIL}, severities: [Extreme, Severe]}
  - {route: nowhere, name: {en: nowhere, zh: 无}, via: apprise, address: {env: TEST_NOT_SET}}
  - route: dead
    name: {en: dead, zh: 断}
    via: webhook
    address: {env: TEST_DEAD}
    secret: {file: hook.key}
    attempts: 2
  - {route: journal, name: {en: journal, zh: 志}, via: journal}
"""
ROSTER = """
people:
  - {user: li, name: {en: Li, zh: 李}, routes: [hook]}
shifts:
  - shift: all-day
    name: {en: Day, zh: 全天}
    from: "00:00"
    to: "24:00"
    seats: [{seat: desk-1, role: dispatcher, people: [li]}]
ladder:
  - {roles: [dispatcher], again: 5}
"""


class Rig:
    """Broker, store, sinks and one notifier that can be killed."""

    def __init__(self, folder: Path, kafka: str, redis: str, hook: Webhook, mail: Mailbox) -> None:
        self.kafka, self.hook, self.mail = kafka, hook, mail
        self.home = folder / "data" / CITY
        self.store = Redis.from_url(redis)
        self.variables = environment(
            {
                "CITYBRAIN_CITY": CITY,
                "CITYBRAIN_CITIES": str(folder / "cities"),
                "CITYBRAIN_DATA": str(folder / "data"),
                "CITYBRAIN_KAFKA": kafka,
                "CITYBRAIN_REDIS": redis,
                "TEST_HOOK": hook.url,
                "TEST_MAIL": mail.address,
                "TEST_DEAD": f"http://127.0.0.1:{free_port()}/gone",
            }
        )
        self.log = folder / "notifier.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.spare: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """A notifier of its own process, as production runs it."""
        self.process = self._started()

    def start_spare(self) -> None:
        """A second one, which stands by."""
        self.spare = self._started()
        self.until(lambda: self.log.read_text().count("is up") == 2, "the spare is up")

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "citybrain", "run", "notifier"]
            return subprocess.Popen(command, env=self.variables, stdout=out, stderr=out)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """In order."""
        for process in (self.process, self.spare):
            if process is not None and process.poll() is None:
                process.terminate()
                assert process.wait(15) == 0, self.log.read_text()

    def publish(self, topic: contract.Topic, *values: Notification | Incident) -> None:
        """Put values on a topic."""

        async def send() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.kafka)
            await producer.start()
            for one in values:
                await producer.send(topic.of(CITY), to_json(one), key=one.id.encode())
            await producer.stop()

        asyncio.run(send())

    def until(self, true: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
        """Wait for something to be true."""
        end = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}\n{self.log.read_text()[-3000:]}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """An embedded broker with the city's topics, and an embedded store."""
    folder = tmp_path_factory.mktemp("servers")
    with running_broker(folder / "broker") as kafka:
        prepare.make_topics(kafka, CITY, 1)
        port = free_port()
        process = local_redis.process(folder / "redis", port)
        running = subprocess.Popen(list(process.argv), env=environment(process.env))
        try:
            while not asyncio.run(_ready(process.ready)):
                time.sleep(0.05)
            yield kafka, local_redis.url(folder / "redis", port)
        finally:
            running.terminate()
            running.wait(30)


async def _ready(ready: Callable[[], object]) -> bool:
    return bool(await ready())  # type: ignore[misc]  # a coroutine


@pytest.fixture
def rig(tmp_path: Path, servers: tuple[str, str]) -> Iterator[Rig]:
    """A city with its own routes, whose notifier runs."""
    city = tmp_path / "cities" / CITY
    city.mkdir(parents=True)
    shutil.copy(duty_files.COMMON / "auckland" / "city.yaml", city)
    (city / "notifications.yaml").write_text(ROUTES, "utf-8")
    (city / "roster.yaml").write_text(ROSTER, "utf-8")
    secrets = tmp_path / "data" / CITY / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "hook.key").write_text(SECRET + "\n")
    with ExitStack() as stack:
        made = Rig(tmp_path, *servers, stack.enter_context(webhook()), stack.enter_context(mailbox()))
        made.start()
        try:
            yield made
        finally:
            made.stop()
            made.store.close()


def message(number: int, route: str = "hook", **more: object) -> Notification:
    """A notification whose key is made of the test's time and its number."""
    fields = {
        "id": notification_id("test", route, str(time.time_ns()), str(number)),
        "route": route,
        "at": int(time.time() * 1000),
        "title": f"红色：积水 {number} / Red: ponding {number}",
        "body": "锦江区 / Jinjiang",
        "severity": "Extreme",
    }
    return Notification(**(fields | more))  # type: ignore[arg-type]  # as the fields are named


def test_a_webhook_is_signed_and_a_mail_bears_the_key(rig: Rig) -> None:
    """The receiver can check who sent it, and knows a copy by its key."""
    one, two = message(1), message(2, "mail")
    rig.publish(contract.NOTIFICATIONS, one, two)
    rig.until(lambda: len(rig.hook.got) == 1 and len(rig.mail.mails) == 1, "both came")
    headers, body = rig.hook.got[0]
    signature = hmac.new(SECRET.encode(), headers["x-citybrain-timestamp"].encode() + b"." + body, hashlib.sha256)
    assert headers["x-citybrain-signature"] == f"sha256={signature.hexdigest()}"
    assert headers["x-citybrain-key"] == headers["idempotency-key"] == json.loads(body)["id"] == one.id
    mail = rig.mail.mails[0]
    assert str(mail["X-Citybrain-Key"]) == two.id
    assert "红色：积水 2" in str(mail["Subject"])
    text = mail.get_body(("plain",))
    assert text is not None and f"key {two.id}" in text.get_content()


def test_across_kills_every_message_arrives_and_copies_bear_the_same_key(rig: Rig) -> None:
    """300 messages to a webhook that fails now and then and a mailbox; the notifier is killed three times meanwhile."""
    rig.until(lambda: "is up" in rig.log.read_text(), "the notifier is up")
    hooks, mails = [message(n) for n in range(200)], [message(n, "mail") for n in range(100)]
    for round_ in range(3):
        rig.publish(contract.NOTIFICATIONS, *hooks[round_::3], *mails[round_::3])
        rig.hook.refuse = 2
        rig.until(lambda: len(rig.hook.got) > 20 + 60 * round_, "it sends")  # noqa: B023  # used at once
        rig.kill()
        rig.start()
    rig.until(lambda: {one.id for one in hooks} <= set(rig.hook.taken()), "every webhook came", 40)
    rig.until(lambda: {one.id for one in mails} <= set(rig.mail.taken()), "every mail came", 40)
    assert set(rig.hook.taken()) == {one.id for one in hooks}
    assert set(rig.mail.taken()) == {one.id for one in mails}
    bodies = {(row["id"], row["title"]) for row in rig.hook.rows()}
    assert len(bodies) == len(hooks)  # a copy is the same message
    copies = sum(Counter(rig.hook.taken() + rig.mail.taken()).values()) - len(hooks) - len(mails)
    assert copies <= 3 * 8  # at most what was under way when it was killed


def test_what_was_sent_is_not_sent_again_after_a_restart(rig: Rig) -> None:
    """The same key twice on the topic goes out once."""
    one = message(1)
    rig.publish(contract.NOTIFICATIONS, one)
    rig.until(lambda: rig.hook.taken() == [one.id], "it came")
    rig.stop()
    rig.start()
    after = message(2)
    rig.publish(contract.NOTIFICATIONS, one, after)
    rig.until(lambda: after.id in rig.hook.taken(), "the next came")
    assert Counter(rig.hook.taken()) == {one.id: 1, after.id: 1}


def test_a_route_that_stays_down_ends_in_the_list_and_holds_up_no_other(rig: Rig) -> None:
    """After its attempts it is in the store's list with the reason; another route's message went out meanwhile."""
    lost, good = message(1, "dead"), message(2)
    rig.publish(contract.NOTIFICATIONS, lost, good)
    rig.until(lambda: rig.hook.taken() == [good.id], "the other route went on")
    rig.until(lambda: bool(rig.store.hexists(contract.failed(CITY), lost.id)), "it was given up")
    kept = from_json(bytes(rig.store.hget(contract.failed(CITY), lost.id) or b""), Failed)  # type: ignore[arg-type]  # not awaitable here
    assert (kept.notification, kept.attempts) == (lost, 2)
    assert "cannot be reached" in kept.error
    rig.store.delete(contract.failed(CITY))


def test_an_unknown_route_is_given_up_at_once_with_the_routes_there_are(rig: Rig) -> None:
    """Somebody has to mend the name; no attempt can help."""
    lost = message(1, "hok")
    rig.publish(contract.NOTIFICATIONS, lost)
    rig.until(lambda: bool(rig.store.hexists(contract.failed(CITY), lost.id)), "it was given up")
    kept = from_json(bytes(rig.store.hget(contract.failed(CITY), lost.id) or b""), Failed)  # type: ignore[arg-type]  # not awaitable here
    assert kept.error == "the route hok is not declared; routes are dead, hook, journal, mail, nowhere"
    rig.store.delete(contract.failed(CITY))


def test_a_drill_is_written_down_and_never_sent(rig: Rig) -> None:
    """Also where the route is connected."""
    drill, real = message(1, exercise=True), message(2)
    rig.publish(contract.NOTIFICATIONS, drill, real)
    rig.until(lambda: real.id in rig.hook.taken(), "the real one came")
    journal = [json.loads(line) for line in (rig.home / "notifications.jsonl").read_text("utf-8").splitlines()]
    assert [(row["id"], row["exercise"], row["outcome"]) for row in journal] == [(drill.id, True, "exercise, not sent")]
    assert drill.id not in rig.hook.taken()


def test_a_route_that_is_not_connected_or_wants_other_severities_sends_nothing(rig: Rig) -> None:
    """No failure either: both are as the city declared it."""
    rig.publish(contract.NOTIFICATIONS, message(1, "nowhere"), message(2, "mail", severity="Minor"), message(3))
    rig.until(lambda: len(rig.hook.got) == 1, "the last one came")
    time.sleep(0.3)
    assert rig.mail.mails == []
    assert rig.store.hlen(contract.failed(CITY)) == 0


def test_the_watch_escalates_when_nobody_else_does_and_a_kill_before_the_deadline_does_not_delay_it(rig: Rig) -> None:
    """No worker runs at all; the notifier is killed 1 s before, and its spare tells within 2 s of the deadline."""
    rig.until(lambda: "this notifier sends" in rig.log.read_text(), "the notifier is up")
    rig.start_spare()
    opened = int(time.time() * 1000)
    deadline = opened + 4_000
    place = Text(en="Tianfu Square", zh="天府广场")
    rig.publish(
        contract.INCIDENTS,
        Incident(
            id=f"inc-{opened}", title=Text(en="Ponding", zh="积水"), state="open", severity="Extreme", pack="flood",
            place="z", place_name=place, lon=104.0, lat=30.6, district="d", opened=opened, changed=opened,
            deadline=deadline,
        ),
    )  # fmt: skip
    time.sleep(max(0.0, deadline / 1000 - 1 - time.time()))
    rig.kill()
    rig.until(lambda: bool(rig.hook.got), "the escalation came", 10)
    came = time.time() * 1000
    assert rig.hook.rows()[0]["incident"] == f"inc-{opened}"
    assert -100 < came - deadline <= 2_000


def test_of_two_notifiers_one_sends(rig: Rig) -> None:
    """Each message comes once, though two processes stand ready."""
    rig.until(lambda: "this notifier sends" in rig.log.read_text(), "the notifier is up")
    rig.start_spare()
    messages = [message(n) for n in range(20)]
    rig.publish(contract.NOTIFICATIONS, *messages)
    rig.until(lambda: len(rig.hook.got) >= 20, "all came")
    time.sleep(0.5)
    assert Counter(rig.hook.taken()) == {one.id: 1 for one in messages}
