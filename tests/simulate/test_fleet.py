"""Simulated units: how they drive, answer calls and speak; and the simulated places of Chengdu."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from config import city as cities
from config import units
from geo.distance import great_circle_m
from geo.travel import GreatCircle
from models.values import Text, Unit
from sensors.radios import Radios
from sensors.simulate.fleet import ACCEPTS_S, STAYS_S, Call, Driver, step
from sensors.simulate.sites import CONSTRUCTION_SITES, SCHOOLS, sites

HOME, SCENE = (104.06, 30.66), (104.08, 30.65)


def fleet(**more: Any) -> dict[str, Driver]:
    """One truck at its depot."""
    return {"pump-1": Driver(home=HOME, lon=HOME[0], lat=HOME[1], **more)}


def test_a_truck_takes_as_long_as_was_foretold() -> None:
    """It arrives after the driving time that the dispatcher was told, and stands there."""
    away = great_circle_m(*HOME, *SCENE)
    foretold = float(away) * GreatCircle().detour / (GreatCircle().speed_kmh / 3.6)
    driving, seconds = fleet(status="under-way"), 0.0
    while driving["pump-1"].lon != SCENE[0]:
        driving, _ = step(driving, {"pump-1": Call("under-way", SCENE)}, 2.0)
        seconds += 2.0
    assert seconds == pytest.approx(foretold, abs=12)  # the last 30 m are not driven
    after, _ = step(driving, {"pump-1": Call("on-scene", SCENE)}, 60.0)
    assert (after["pump-1"].lon, after["pump-1"].lat, after["pump-1"].speed_kmh) == (*SCENE, 0.0)


def test_it_accepts_and_says_when_it_is_done() -> None:
    """A crew accepts some seconds after it was sent, and releases itself when it has stayed long enough."""
    after, said = step(fleet(), {"pump-1": Call("sent", SCENE)}, 2.0)
    assert said == {}
    after, said = step(after, {"pump-1": Call("sent", SCENE)}, ACCEPTS_S)
    assert said == {"pump-1": "accept"}
    after, said = step(after, {"pump-1": Call("on-scene", SCENE)}, 2.0)
    after, said = step(after, {"pump-1": Call("on-scene", SCENE)}, STAYS_S)
    assert said == {"pump-1": "release"}


def test_a_free_truck_drives_home() -> None:
    """And stays there."""
    away = {"pump-1": Driver(home=HOME, lon=SCENE[0], lat=SCENE[1], status="on-scene")}
    for _ in range(200):
        away, _ = step(away, {"pump-1": Call("free")}, 5.0)
    assert (away["pump-1"].lon, away["pump-1"].lat, away["pump-1"].speed_kmh) == (*HOME, 0.0)


def test_a_unit_that_the_city_does_not_know_stays() -> None:
    """Nobody moves without a call."""
    after, said = step(fleet(), {}, 1_000.0)
    assert (after["pump-1"].lon, said) == (HOME[0], {})


class City:
    """The gateway's doors as the radios use them: one truck that was sent to one incident."""

    def __init__(self) -> None:
        self.status = "sent"
        self.told: list[dict[str, Any]] = []
        self.said: list[str] = []

    async def units(self, _: web.Request) -> web.Response:
        """What /v1/units says."""
        unit = {"id": "pump-1", "status": self.status, "incident": "i1" if self.status != "free" else ""}
        return web.json_response({"units": [unit, {"id": "other", "status": "off"}]})

    async def incident(self, _: web.Request) -> web.Response:
        """Where the incident is."""
        return web.json_response({"id": "i1", "lon": SCENE[0], "lat": SCENE[1]})

    async def positions(self, request: web.Request) -> web.Response:
        """Take positions."""
        self.told += await request.json()
        return web.json_response({"accepted": 1}, status=202)

    async def order(self, request: web.Request) -> web.Response:
        """Take an order."""
        self.said.append(request.match_info["do"])
        self.status = {"accept": "under-way", "release": "free"}[request.match_info["do"]]
        return web.json_response({})


def test_radios_speak_through_the_door() -> None:
    """They accept, drive, tell where they are while they move, and are quiet while they stand."""

    async def play() -> City:
        city = City()
        app = web.Application()
        app.router.add_get("/v1/units", city.units)
        app.router.add_get("/v1/incidents/i1", city.incident)
        app.router.add_post("/v1/positions", city.positions)
        app.router.add_post("/v1/units/{id}/{do}", city.order)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        truck = Unit(id="pump-1", name=Text("P", "泵"), kind="pump", lon=HOME[0], lat=HOME[1])
        async with aiohttp.ClientSession() as session:
            radios = Radios(session, f"http://127.0.0.1:{port}", {"pump-1": truck})
            for _ in range(3):
                await radios.turn(ACCEPTS_S)
            standing = len(city.told)
            for _ in range(3):
                await radios.turn(10.0)
            assert len(city.told) == standing + 3
            city.status = "off"
            await radios.turn(10.0)
            await radios.turn(10.0)
            assert len(city.told) == standing + 3
        await runner.cleanup()
        return city

    city = asyncio.run(play())
    assert city.said == ["accept"]
    assert {row["unit"] for row in city.told} == {"pump-1"}
    assert json.dumps(city.told[-1]).count("speed_kmh") == 1
    assert city.told[-1]["lon"] > city.told[0]["lon"]


def test_chengdu_s_places_are_simulated_and_always_the_same() -> None:
    """4,000 construction sites, 900 schools and the venues, all inside the city, none with a real telephone."""
    city = cities.load("chengdu")
    frame = sites(city)
    counts = dict(frame.group_by("kind").len().iter_rows())
    venues = sum(zone.kind == "venue" for zone in city.zones)
    assert counts == {"construction-site": CONSTRUCTION_SITES, "school": SCHOOLS, "scenic-spot": venues}
    assert frame.equals(sites(city))
    assert (city.geo.districts(frame["lon"].to_numpy(), frame["lat"].to_numpy()) >= 0).all()
    assert frame["phone"].str.starts_with("000-").all()
    assert frame["id"].is_unique().all()


def test_the_units_of_chengdu_come_from_its_depots() -> None:
    """So many at each depot, with its kind and skills, each with an id of its own."""
    city = cities.load("chengdu")
    fleet_ = units.of_city(city)
    assert len(fleet_) == sum(depot.units for depot in city.depots) == 360
    one = fleet_["pump-510104-2"]
    assert (one.kind, one.skills, one.name.zh, one.status) == ("pump", ("pump",), "锦江区排涝抢险点 2 组", "free")
