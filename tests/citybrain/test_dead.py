"""``citybrain dead``: letters of the topic and of the archive, and what is sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
import pytest
from kafka import KafkaProducer

from citybrain import kept_messages, prepare
from citybrain.commands import dead
from citybrain.commands.dead import DeadError
from citybrain.local.kafka import running_broker
from config import contract
from config.settings import Settings
from models import batch as batches
from models.values import DeadLetter, to_json
from streams.archive import Message, MessagesWriter

_cities = count()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded broker that makes topics when they are written to."""
    with running_broker(tmp_path_factory.mktemp("broker"), auto_create=True) as address:
        yield address


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> Settings:
    """A city of its own on that broker."""
    return Settings(city=f"city{next(_cities)}", data=tmp_path, kafka=kafka)


def letter(number: int, body: bytes = b"{}", source: str = "counter-9", form: str = "application/json") -> DeadLetter:
    """A letter of this number."""
    return DeadLetter(
        id=f"id{number}", at=number * 1000, source=source, reason=f"reason {number}", body=body, format=form
    )


def sent(settings: Settings, *values: bytes) -> None:
    """Put these messages on the topic."""
    assert settings.kafka is not None
    producer = KafkaProducer(bootstrap_servers=settings.kafka)
    for value in values:
        producer.send(contract.DEAD_LETTERS.of(settings.city), value, partition=0)
    producer.flush()
    producer.close()


def archived(settings: Settings, *letters: DeadLetter) -> None:
    """Put these letters into the archive."""
    folder = settings.archive / contract.DEAD_LETTERS.name
    folder.mkdir(parents=True)
    writer = MessagesWriter(folder, 0)
    for offset, one in enumerate(letters):
        writer.take(Message(offset, one.at, one.id, to_json(one).decode()))
    writer.flush()


def names(settings: Settings) -> list[str]:
    """The ids of all letters, as listed."""
    return [one.id for one in dead.letters(settings)]


def test_the_newest_letters_come_first_whatever_the_window(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic is read from its end, window by window."""
    monkeypatch.setattr(kept_messages, "WINDOW", 3)
    sent(settings, *(to_json(letter(number)) for number in range(8)))
    assert names(settings) == [f"id{number}" for number in range(7, -1, -1)]


def test_a_letter_that_was_sent_twice_is_listed_once(settings: Settings) -> None:
    """Its id is that of its content."""
    sent(settings, to_json(letter(1)), to_json(letter(2)), to_json(letter(1)))
    assert names(settings) == ["id1", "id2"]


def test_the_archive_tells_what_the_topic_has_dropped(settings: Settings) -> None:
    """Letters of both, each once."""
    archived(settings, letter(1), letter(2))
    sent(settings, to_json(letter(2)), to_json(letter(3)))
    assert names(settings) == ["id3", "id2", "id1"]


def test_without_a_broker_the_archive_is_read(settings: Settings) -> None:
    """Letters can be read while nothing runs."""
    archived(settings, letter(1), letter(2))
    assert names(settings.model_copy(update={"kafka": None})) == ["id2", "id1"]


def test_with_neither_broker_nor_archive_it_says_what_to_start(tmp_path: Path) -> None:
    """One clear line."""
    with pytest.raises(DeadError, match=r"no broker runs on .* start citybrain run all, or set CITYBRAIN_KAFKA"):
        names(Settings(city="auckland", data=tmp_path))


def test_a_broker_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address and the setting are named."""
    monkeypatch.setattr(kept_messages, "BOOTSTRAP_MS", 300)
    with pytest.raises(DeadError, match=r"no broker answers at 127.0.0.1:1.*CITYBRAIN_KAFKA"):
        names(Settings(city="auckland", data=tmp_path, kafka="127.0.0.1:1"))


def test_what_is_no_letter_hides_no_letter(settings: Settings) -> None:
    """It is listed as what it is."""
    sent(settings, to_json(letter(1)), b"\xff\x00", to_json(letter(2)))
    found = list(dead.letters(settings))
    assert [one.id for one in found][::2] == ["id2", "id1"]
    assert found[1].reason.startswith("not a dead letter")
    assert found[1].body == b"\xff\x00"


def test_the_list_shows_no_more_than_asked_for(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json as one object."""
    sent(settings, *(to_json(letter(number)) for number in range(5)))
    assert dead.show_list(settings, 2, as_json=False) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["id4", "id3"]
    assert dead.show_list(settings, 3, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)["letters"]
    assert [one["id"] for one in told] == ["id4", "id3", "id2"]
    assert told[0]["at"] == "1970-01-01T00:00:04.000Z"
    with pytest.raises(DeadError, match="--limit 0 is below 1"):
        dead.show_list(settings, 0, as_json=False)


def test_bytes_that_are_no_text_are_shown_in_base64(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """As they were received."""
    sent(settings, to_json(letter(1, b"\xff\xfe", form="application/msgpack")))
    assert dead.show(settings, "id1") == 0
    assert "base64  //4=" in capsys.readouterr().out.splitlines()


def test_an_unknown_letter_is_told(settings: Settings) -> None:
    """With the command that lists those there are."""
    sent(settings, to_json(letter(1)))
    with pytest.raises(DeadError, match=r"there is no dead letter id9 in .*dead list"):
        dead.show(settings, "id9")


# --- sending again ----------------------------------------------------------------------------------------------


@pytest.fixture
def registered(tmp_path: Path) -> Settings:
    """Auckland with its register."""
    settings = Settings(city="auckland", data=tmp_path)
    prepare.make_register(settings)
    return settings


def test_a_row_goes_back_as_one_line(settings: Settings) -> None:
    """The gateway dead-letters rows, and takes a single one as NDJSON."""
    body = b'{"datastream":"a/b","time":1,"value":2}'
    assert list(dead.requests(settings, letter(1, body))) == [("/v1/readings", "application/x-ndjson", body)]


def test_a_whole_body_goes_back_as_it_came(settings: Settings) -> None:
    """Bytes and format."""
    body = b'{"readings": ['
    assert list(dead.requests(settings, letter(1, body))) == [("/v1/readings", "application/json", body)]


@pytest.mark.parametrize(
    ("body", "form", "path", "kind"),
    [
        (b'<?xml version="1.0"?><!-- x --><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"/>', "text/xml",
         "/v1/cap", "application/cap+xml"),
        (b'\xef\xbb\xbf<ns0:alert xmlns:ns0="urn:oasis:names:tc:emergency:cap:1.2"><ns0:ident', "application/json",
         "/v1/cap", "application/cap+xml"),
        (b"<sensml/>", "application/senml+xml", "/v1/readings", "application/senml+xml"),
        (b"<request><service_code/></request>", "application/json", "/open311/v2/requests.xml", "text/xml"),
        (b'{"service_code":"x"}', "application/json", "/open311/v2/requests.json", "application/json"),
        (b'[{"unit":"pump-1","lon":1}]', "application/json", "/v1/positions", "application/json"),
        (b'{"datastream":["a"],"unit":["K"]}', "application/json", "/v1/readings", "application/json"),
    ],
    ids=["cap", "one alert of a feed", "senml", "request as xml", "request", "positions", "units are no position"],
)  # fmt: skip
def test_a_letter_goes_to_the_door_of_what_it_holds(
    settings: Settings, body: bytes, form: str, path: str, kind: str
) -> None:
    """A warning to the warnings', a request to the requests', a position to the positions'."""
    assert list(dead.requests(settings, letter(1, body, form=form))) == [(path, kind, body)]


def test_a_row_that_a_worker_refused_gets_its_datastream_s_name_back(registered: Settings) -> None:
    """Workers know datastreams by their integers, gateways by their ids."""
    ((path, kind, body),) = dead.requests(registered, letter(1, b'{"datastream":0,"time":1,"value":2.5}'))
    assert (path, kind) == ("/v1/readings", "application/x-ndjson")
    assert json.loads(body) == {"datastream": "107-quay-street/pedestrians", "time": 1, "value": 2.5}


def test_a_batch_that_was_stepped_over_goes_back_as_columns(registered: Settings) -> None:
    """In requests no larger than the gateway takes."""
    batch = batches.batch([0, 1, 0], [1, 2, 3], [4.0, 5.0, 6.0])
    stepped_over = letter(1, batches.encode(batch), "auckland.readings-0@17", "application/msgpack")
    small = registered.model_copy(update={"batch_limit": 2})
    bodies = [json.loads(body) for *_, body in dead.requests(small, stepped_over)]
    assert bodies == [
        {
            "datastream": ["107-quay-street/pedestrians", "188-quay-street-ew/pedestrians"],
            "time": [1, 2],
            "value": [4.0, 5.0],
        },
        {"datastream": ["107-quay-street/pedestrians"], "time": [3], "value": [6.0]},
    ]


def test_bytes_that_are_no_batch_cannot_be_sent(registered: Settings) -> None:
    """And it says why."""
    broken = letter(1, b"\x00", "auckland.readings-0@17", "application/msgpack")
    with pytest.raises(DeadError, match="is no batch of readings"):
        list(dead.requests(registered, broken))


def test_a_message_of_another_topic_cannot_go_through_the_gateway(registered: Settings) -> None:
    """A command or detection is no reading."""
    with pytest.raises(DeadError, match="a message of the topic commands and no reading"):
        list(dead.requests(registered, letter(1, b"{}", "auckland.commands-0@17")))


def test_a_number_that_is_in_no_register_stays_one(registered: Settings) -> None:
    """The gateway refuses it and says so."""
    ((*_, body),) = dead.requests(registered, letter(1, b'{"datastream":4711,"time":1,"value":2.5}'))
    assert json.loads(body)["datastream"] == "4711"


def test_replaying_without_a_gateway_is_one_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address and settings are named."""
    sent(settings, to_json(letter(1, b'{"datastream":"a/b","time":1,"value":2}')))
    nowhere = settings.model_copy(update={"gateway_port": 1, "host": "0.0.0.0"})
    with pytest.raises(DeadError, match=r"no gateway answers at http://127.0.0.1:1/v1/readings"):
        dead.replay(nowhere, "id1", "token")


def test_a_gap_in_a_batch_stays_a_gap(registered: Settings) -> None:
    """NaN is null in JSON; the gateway refuses it and names it."""
    gap = letter(1, batches.encode(batches.batch([0], [1], [np.nan])), "auckland.readings-0@3", "application/msgpack")
    ((*_, body),) = dead.requests(registered, gap)
    assert msgspec.json.decode(body)["value"] == [None]
