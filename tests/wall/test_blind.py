"""What screens may know of a drill."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from models.drills import ITEM, LABEL, Exercise
from models.values import Alert, Incident, Text, from_json, to_json
from models.warnings import Raised
from tests.models.duty import alert
from wall import blind
from wall.store import Store

NOW = 1_790_000_000_000


def drill(**changed: Any) -> bytes:
    """A blind drill that runs, as the room keeps it."""
    it = Exercise(
        id="0123456789abcdef", drill="surge", title=Text("Surge", "客流"), blind=True, state="running", began=NOW,
        ends=NOW + 600_000, by="zhao",
    )  # fmt: skip
    return to_json(replace(it, **changed))


def of_an_exercise() -> bytes:
    """An alert that a drill made."""
    seen = alert(NOW, "Extreme")
    return to_json(replace(seen, detection=replace(seen.detection, exercise=True, labels={LABEL: "0123", "team": "x"})))


class Held:
    """A store's hashes in memory: the few reads that the wall's store makes of them."""

    def __init__(self, rows: dict[str, dict[bytes, bytes]]) -> None:
        self.rows = rows

    async def hget(self, name: str, key: str) -> bytes | None:
        """One field."""
        return self.rows.get(name, {}).get(key.encode())

    async def hmget(self, name: str, keys: list[str]) -> list[bytes | None]:
        """Some fields."""
        return [await self.hget(name, key) for key in keys]

    async def hgetall(self, name: str) -> dict[bytes, bytes]:
        """All fields."""
        return self.rows.get(name, {})


def read(kept: bytes | None) -> tuple[Alert, Alert]:
    """The exercise's alert as one read and as all reads give it, while the room keeps this drill."""
    rows = {"citybrain:town:alerts": {b"a": of_an_exercise()}, "citybrain:town:room": {}}
    if kept is not None:
        rows["citybrain:town:room"][ITEM.encode()] = kept
    store = Store.__new__(Store)
    store.redis, store.city = Held(rows), "town"

    async def both() -> tuple[bytes | None, dict[bytes, bytes]]:
        return await store.alert("a"), await store.alerts()

    one, every = asyncio.run(both())
    assert one is not None
    return from_json(one, Alert), from_json(every[b"a"], Alert)


def test_a_blind_drill_that_runs_is_not_told() -> None:
    """Neither the mark nor the label of the drill goes to a screen; other labels do."""
    for shown in read(drill()):
        assert (shown.detection.exercise, shown.detection.labels) == (False, {"team": "x"})


def test_all_others_are_told() -> None:
    """One that was announced, one that is over, and an exercise of nobody's drill."""
    for kept in (drill(blind=False), drill(state="ended", ended=NOW), drill(state="overtaken", ended=NOW), None):
        assert [shown.detection.exercise for shown in read(kept)] == [True, True]


def test_incidents_and_warnings_of_a_blind_drill_look_real() -> None:
    """The incident has no mark, the warning is an actual one."""
    seen = alert(NOW, "Extreme").detection
    it = Incident(
        id="i", title=seen.headline, state="open", severity="Extreme", pack="p", place="x", place_name=seen.place_name,
        lon=0, lat=0, district="", opened=NOW, changed=NOW, exercise=True,
    )  # fmt: skip
    assert blind.MARKED in to_json(it)
    assert not from_json(blind.incident(to_json(it)), Incident).exercise
    told = b'{"warning":{"id":"w","sender":"s","sent":1,"status":"Exercise","event":{"en":"","zh":""},' \
           b'"headline":{"en":"","zh":""},"severity":"Severe"},"state":"active","at":1}'  # fmt: skip
    assert blind.EXERCISE in told
    assert from_json(blind.warning(told), Raised).warning.status == "Actual"


def test_the_header_tells_of_a_drill_that_may_be_told_for_ten_minutes_after_its_end() -> None:
    """Nothing of a blind one, the title of another, the emergency of one that was overtaken."""
    assert blind.told(None, NOW) == blind.told(drill(), NOW) == {}
    assert blind.told(drill(blind=False), NOW)["now"]["title"] == {"en": "Surge", "zh": "客流"}
    over = drill(state="overtaken", ended=NOW, emergency=Text("Fire", "火灾"))
    assert blind.told(over, NOW + 599_000)["now"]["emergency"] == {"en": "Fire", "zh": "火灾"}
    assert blind.told(over, NOW + 601_000) == {}
