"""City packs: the shipped ones are whole, and a wrong one is refused by file and key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import shapely

from config import city as packs
from config.city import CityError
from geo.crs import convert
from models.calendar import DAY_MS, HOLIDAY, WEEKEND, WORKDAY
from tests.config.cities import SQUARE, declared, districts, feature, write

SHIPPED = packs.cities()


def day_kind(city: packs.City, day: str) -> int:
    """The kind of a local day."""
    noon = (np.datetime64(day) - np.datetime64("1970-01-01")).astype(int) * DAY_MS + DAY_MS // 2
    return int(city.calendar.day_kind(np.array([noon], np.int64))[0])


def test_chengdu_and_auckland_are_shipped() -> None:
    """The two cities of the demo have packs."""
    assert {"auckland", "chengdu"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_city_needs_no_repair_and_its_districts_are_a_coverage(name: str) -> None:
    """No polygon of a shipped pack is invalid, and its districts neither overlap nor leave slits."""
    city = packs.load(name)
    assert city.repairs == ()
    assert shapely.coverage_is_valid(np.array([zone.polygon for zone in city.districts]))


@pytest.mark.parametrize("name", SHIPPED)
def test_zones_of_a_shipped_city_are_named_measured_and_inside_its_view(name: str) -> None:
    """Each zone has both names, an area, a label inside itself, and lies in the whole view."""
    city = packs.load(name)
    whole = city.view.whole
    for zone in city.zones:
        assert zone.name.en, zone.id
        assert zone.name.zh, zone.id
        assert zone.area_m2 > 0, zone.id
        assert zone.polygon.contains(shapely.Point(zone.lon, zone.lat)), zone.id
        assert bool(whole.holds(zone.lon, zone.lat)), zone.id
    west, south, east, north = shapely.total_bounds(city.geo.geometries)
    assert whole.holds([west, east], [south, north]).all()
    assert [zone.kind for zone in city.zones[: len(city.districts)]] == ["district"] * len(city.districts)


def test_chengdu_has_its_districts_zones_venues_and_depots() -> None:
    """20 districts by their GB/T 2260 codes, the functional zones, 25 venues and more, units to send."""
    city = packs.load("chengdu")
    assert len(city.districts) == 20
    assert all(zone.adcode.startswith("5101") for zone in city.districts)
    assert {zone.id for zone in city.zones if zone.kind == "functional"} >= {"high-tech-south", "tianfu-new-area"}
    venues = [zone for zone in city.zones if zone.kind in ("venue", "station")]
    assert len(venues) >= 25
    assert all(zone.capacity for zone in venues)
    assert {depot.kind for depot in city.depots} >= {"patrol", "pump", "ambulance"}
    assert (city.shards, city.tick_ms) == (4, 5_000)


def test_shanghai_has_its_districts_and_the_bund_in_sections() -> None:
    """16 districts, and the Bund in five sections that do not overlap and together are the Bund."""
    city = packs.load("shanghai")
    sections = [zone.polygon for zone in city.zones if zone.kind == "section"]
    bund = city.zones[city.index["the-bund"]]
    assert len(city.districts) == 16
    assert len(sections) == 5
    assert shapely.coverage_is_valid(np.array(sections))
    assert shapely.union_all(sections).symmetric_difference(bund.polygon).area < bund.polygon.area * 1e-3


@pytest.mark.parametrize(
    ("venue", "district"),
    [
        ("wuhou-shrine", "武侯区"),
        ("kuanzhai-alley", "青羊区"),
        ("chunxi-road", "锦江区"),
        ("tianfu-square", "青羊区"),
        ("east-station", "成华区"),
        ("shuangliu-airport", "双流区"),
        ("tianfu-airport", "简阳市"),
        ("dujiangyan", "都江堰市"),
        ("mount-qingcheng", "都江堰市"),
        ("xiling-snow", "大邑县"),
        ("panda-base", "成华区"),
    ],
)
def test_chengdus_venues_lie_in_the_districts_that_people_know_them_in(venue: str, district: str) -> None:
    """A venue's position is right at least to the district."""
    city = packs.load("chengdu")
    zone = city.zones[city.index[venue]]
    assert city.zones[city.index[zone.district]].name.zh == district


@pytest.mark.parametrize(
    ("venue", "station_gcj02"),
    [
        ("tianfu-square", (104.065739, 30.657463)),
        ("chunxi-road", (104.079318, 30.653756)),
        ("kuanzhai-alley", (104.050655, 30.665404)),
        ("east-station", (104.139931, 30.629327)),
        ("eastern-memory", (104.128539, 30.668093)),
        ("jinsha-museum", (104.012525, 30.677439)),
        ("west-station", (103.975355, 30.6831)),
        ("tianfu-airport", (104.433172, 30.287681)),
    ],
)
def test_chengdus_venues_are_near_the_metro_stations_named_after_them(
    venue: str, station_gcj02: tuple[float, float]
) -> None:
    """The edge of a venue is within 700 m of its station (an airport's within 1 km), whose GCJ-02 is published."""
    city = packs.load("chengdu")
    plane = city.metric.forward(*convert(*station_gcj02, "gcj02", "wgs84"))
    outline = shapely.transform(
        city.zones[city.index[venue]].polygon, lambda xy: np.column_stack(city.metric.forward(xy[:, 0], xy[:, 1]))
    )
    assert outline.distance(shapely.Point(plane)) < (1_000 if "airport" in venue else 700)


def test_aucklands_counters_are_all_in_the_centre_and_in_one_more_zone() -> None:
    """Each of the 21 counters lies in the city centre and in exactly one quarter of it."""
    city = packs.load("auckland")
    assets = city.assets()
    hits = city.geo.containing(assets["lon"].to_numpy(), assets["lat"].to_numpy())
    assert len(assets) == 21
    assert np.diff(hits.offsets(21)).tolist() == [2] * 21
    assert (city.shards, city.tick_ms) == (1, 3_600_000)


@pytest.mark.parametrize("name", SHIPPED)
def test_local_time_agrees_with_the_time_zone_database(name: str) -> None:
    """At a thousand random instants the calendar and zoneinfo give the same wall time."""
    city = packs.load(name)
    rng = np.random.default_rng(7)
    instants = rng.integers(1_420_070_400, 2_082_700_800, 1_000)  # 2015 to 2035
    theirs = [
        datetime.fromtimestamp(int(t), ZoneInfo(city.timezone)).replace(tzinfo=UTC).timestamp() * 1_000
        for t in instants
    ]
    assert city.calendar.local(instants * 1_000).tolist() == theirs


def test_daylight_saving_begins_at_the_second() -> None:
    """Auckland's clocks went from 02:00 to 03:00 on 29 September 2024, 14:00 UTC the day before."""
    calendar = packs.load("auckland").calendar
    begins = int(datetime(2024, 9, 28, 14, tzinfo=UTC).timestamp()) * 1_000
    offsets = calendar.local(np.array([begins - 1, begins], np.int64)) - np.array([begins - 1, begins])
    assert offsets.tolist() == [12 * 3_600_000, 13 * 3_600_000]


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2024-10-01", HOLIDAY),
        ("2024-09-29", WORKDAY),  # a Sunday worked for the National Day week
        ("2024-09-28", WEEKEND),
        ("2025-01-28", HOLIDAY),
        ("2025-01-26", WORKDAY),
        ("2025-10-08", HOLIDAY),
        ("2026-02-14", WORKDAY),
        ("2026-02-23", HOLIDAY),
        ("2026-03-02", WORKDAY),
        ("2027-02-06", HOLIDAY),  # Spring Festival by the lunar calendar; the schedule is not published yet
    ],
)
def test_chengdus_calendar_knows_holidays_and_moved_working_days(day: str, kind: int) -> None:
    """The State Council's days of 2024 to 2026 and the statutory ones after."""
    assert day_kind(packs.load("chengdu"), day) == kind


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2020-01-27", HOLIDAY),  # Auckland Anniversary Day
        ("2020-04-27", HOLIDAY),  # Anzac Day, observed
        ("2022-06-24", HOLIDAY),  # the first Matariki
        ("2021-06-24", WORKDAY),
        ("2023-12-26", HOLIDAY),
        ("2019-12-31", WORKDAY),
    ],
)
def test_aucklands_calendar_knows_its_holidays(day: str, kind: int) -> None:
    """National days, Mondayised ones, Matariki and the anniversary."""
    assert day_kind(packs.load("auckland"), day) == kind


def test_a_good_pack_loads(tmp_path: Path) -> None:
    """The pack that the tests below break is itself good."""
    city = packs.read(write(tmp_path))
    assert [zone.id for zone in city.zones] == ["west", "east"]
    assert [zone.district for zone in city.zones] == ["west", "east"]


def test_a_layer_in_gcj02_is_converted(tmp_path: Path) -> None:
    """The same ring declared GCJ-02 lies some hundred metres from where WGS-84 puts it."""
    pack = declared()
    pack["layers"][0]["crs"] = "gcj02"
    city = packs.read(write(tmp_path, pack))
    corner = np.array(shapely.get_coordinates(city.zones[0].polygon)[0])
    assert corner == pytest.approx(np.array(convert(SQUARE[0][0], SQUARE[0][1], "gcj02", "wgs84")))


def test_a_self_crossing_zone_is_repaired_and_reported(tmp_path: Path) -> None:
    """The city loads, and the repair is there for the doctor to show."""
    tie = feature([[104.0, 30.6], [104.1, 30.7], [104.1, 30.6], [104.0, 30.7], [104.0, 30.6]], id="tie", name_zh="结")
    city = packs.read(write(tmp_path, features=[*districts(), tie]))
    assert len(city.zones) == 3
    assert [repair.id for repair in city.repairs] == ["tie"]


def test_an_empty_zone_is_left_out_and_reported_while_the_others_load(tmp_path: Path) -> None:
    """An empty polygon harms nobody but itself, and is not lost in silence."""
    city = packs.read(write(tmp_path, features=[*districts(), feature([], id="none", name_zh="无")]))
    assert [zone.id for zone in city.zones] == ["west", "east"]
    assert [(repair.id, repair.refused) for repair in city.repairs] == [("none", True)]


def broken(key: str, value: Any) -> dict[str, Any]:
    """A good ``city.yaml`` with one key, given by its dotted path, replaced (or removed by None)."""
    pack = declared()
    where, *path = key.split(".")
    at: Any = pack
    for step in path:
        at, where = at[int(where) if where.isdigit() else where], step
    if value is None:
        del at[where]
    else:
        at[int(where) if where.isdigit() else where] = value
    return pack


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("timezone", None, "city.yaml.*timezone"),
        ("timezone", "Asia/Chengdu", "city.yaml: timezone.*Asia/Chengdu"),
        ("calendar", "mars", "city.yaml: calendar.*mars.yaml.*no such calendar"),
        ("metric_epsg", 4326, "city.yaml: metric_epsg.*EPSG:4326"),
        ("shards", 0, "city.yaml: shards: 0 is outside 1..1024"),
        ("shards", "four", r"city.yaml.*int.*\$\.shards"),
        ("tick", "5 parsecs", "city.yaml: tick: '5 parsecs'.*5s"),
        ("tick", "0s", "city.yaml: tick"),
        ("view.core.west", 105.0, "city.yaml: view.core"),
        ("view.whole.south", 99.0, "city.yaml: view.whole"),
        ("view.core", None, "city.yaml.*core"),
        ("layers.0.file", "gone.geojson", "gone.geojson: the file is missing"),
        ("layers.0.kind", "planet", "districts.geojson: features.*kind 'planet'.*district"),
        ("layers.0.crs", "mars2000", r"city.yaml.*mars2000.*\$\.layers"),
        ("layers", [], "city.yaml: layers: no zone of kind district"),
        ("colour", "red", "city.yaml.*colour"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(tmp_path: Path, key: str, value: Any, says: str) -> None:
    """Each broken city.yaml is refused with file, key and value."""
    with pytest.raises(CityError, match=says):
        packs.read(write(tmp_path, broken(key, value)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"adcode": "510102"}, "adcode 510102 occurs more than once"),
        ({"id": "east"}, "id east occurs more than once"),
        ({"id": "", "adcode": ""}, r"districts.geojson: features\[0\]: id is missing"),
        ({"name_en": "", "name_zh": ""}, r"features\[0\]: name_zh and name_en are both missing"),
        ({"area_m2": "wide"}, r"features\[0\]: area_m2 'wide' is not a number"),
        ({"area_m2": -5}, r"features\[0\]: area_m2 -5"),
        ({"capacity": "NaN"}, r"features\[0\]: capacity 'NaN' is not a finite number"),
    ],
)
def test_a_wrong_zone_is_named_with_its_file(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    """Each broken district is refused with file and place."""
    features = districts()
    features[0]["properties"].update(change)
    with pytest.raises(CityError, match=says):
        packs.read(write(tmp_path, features=features))


def test_a_file_that_names_another_system_than_its_layer_is_refused(tmp_path: Path) -> None:
    """A GeoJSON that says GCJ-02 in a layer that says WGS-84 would shift every border."""
    town = write(tmp_path)
    text = (town / "districts.geojson").read_text("utf-8")
    named = text.replace(
        '"type": "FeatureCollection",',
        '"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": "GCJ-02"}},',
    )
    (town / "districts.geojson").write_text(named, "utf-8")
    with pytest.raises(CityError, match=r"districts.geojson: crs: the file says GCJ-02 and its layer says wgs84"):
        packs.read(town)


def test_broken_json_is_named_with_line_and_column(tmp_path: Path) -> None:
    """The position in the file is in the message."""
    town = write(tmp_path)
    (town / "districts.geojson").write_text('{"type": "FeatureCollection",\n "features": [}', "utf-8")
    with pytest.raises(CityError, match=r"districts.geojson: line 2 column 15"):
        packs.read(town)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("v,V,馆,30.65,104.05,100,100,0,,", "venues.csv: line 3: lon 30.65, lat 104.05 .*swapped"),
        ("v,V,馆,104.05,,100,100,0,,", "line 3: lon, lat, length_m and width_m must all be given"),
        ("v,V,馆,104.05,nan,100,100,0,,", "line 3: lat 'nan' is not a finite number"),
        ("v,V,馆,104.05,30.65,100,300,0,,", "line 3: width_m 300 and length_m 100"),
        ("v,V,馆,104.05,30.65,100,100,0,,many", "line 3: capacity 'many' is not a number"),
    ],
)
def test_a_wrong_venue_is_named_with_its_line(tmp_path: Path, row: str, says: str) -> None:
    """A broken row of a CSV layer is refused with its line, comments counted."""
    pack = declared()
    pack["layers"].append({"file": "venues.csv", "kind": "venue", "crs": "wgs84"})
    town = write(tmp_path, pack)
    header = "id,name_en,name_zh,lon,lat,length_m,width_m,bearing_deg,area_m2,capacity"
    (town / "venues.csv").write_text(f"# a comment\n{header}\n{row}\n", "utf-8")
    with pytest.raises(CityError, match=says):
        packs.read(town)


def test_a_venue_is_as_long_and_wide_as_declared(tmp_path: Path) -> None:
    """A street of 400 by 100 m along east has those extents in the city's metres."""
    pack = declared()
    pack["layers"].append({"file": "venues.csv", "kind": "venue", "crs": "wgs84"})
    town = write(tmp_path, pack)
    header = "id,name_en,name_zh,lon,lat,length_m,width_m,bearing_deg,area_m2,capacity"
    (town / "venues.csv").write_text(f"{header}\nstreet,Street,街,104.05,30.65,400,100,90,,300\n", "utf-8")
    city = packs.read(town)
    street = city.zones[city.index["street"]]
    east, north = city.metric.forward(*np.array(shapely.get_coordinates(street.polygon)).T)
    assert (np.ptp(east), np.ptp(north)) == pytest.approx((400, 100), rel=0.01)
    assert street.area_m2 == pytest.approx(300 * 100 + np.pi * 50**2, rel=0.01)
    assert (street.capacity, street.district) == (300, "west")


def test_an_unknown_city_is_named_with_the_known_ones() -> None:
    """The message lists what there is."""
    with pytest.raises(CityError, match=r"'gotham'.*auckland.*chengdu"):
        packs.load("gotham")


@pytest.mark.parametrize(("text", "milliseconds"), [("250ms", 250), ("5s", 5_000), ("1.5m", 90_000), ("1h", 3_600_000)])
def test_durations_are_read(text: str, milliseconds: int) -> None:
    """A number and a unit."""
    assert packs.duration_ms(text, "tick") == milliseconds
