"""``citybrain locate``: against a plain loop over the full borders, in all systems, and with bad rows among good."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely

from citybrain.commands.locate import LocateError, run
from config.city import CityError
from geo.crs import CrsError, convert

FULL = Path(__file__).parents[3] / "shared/data/boundaries/510100_districts_wgs84_full.geojson"
TOLERANCE_DEG = 0.00072  # with which the shipped borders were simplified


def located(text: str, tmp_path: Path, crs: str = "wgs84", city: str = "chengdu") -> list[dict[str, str]]:
    """The rows that locate makes of a CSV."""
    (tmp_path / "in.csv").write_text(text, "utf-8")
    assert run(city, tmp_path / "in.csv", crs, tmp_path / "out.csv") == 0
    return list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text("utf-8"))))


@dataclass(frozen=True)
class Truth:
    """100,000 points over the city, their districts by the full borders, and which are near a border."""

    lon: np.ndarray[tuple[int], np.dtype[np.float64]]
    lat: np.ndarray[tuple[int], np.dtype[np.float64]]
    code: np.ndarray[tuple[int], np.dtype[np.object_]]
    near: np.ndarray[tuple[int], np.dtype[np.bool_]]


@pytest.fixture(scope="module")
def truth() -> Truth:
    """By a plain loop over the unsimplified polygons."""
    rng = np.random.default_rng(11)
    lon, lat = rng.uniform(102.98, 104.90, 100_000), rng.uniform(30.08, 31.44, 100_000)
    code, near, points = np.full(100_000, "", object), np.zeros(100_000, bool), shapely.points(lon, lat)
    for feature in json.loads(FULL.read_text("utf-8"))["features"]:
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        border = shapely.boundary(shape)
        shapely.prepare([shape, border])
        code[shapely.intersects_xy(shape, lon, lat)] = feature["properties"]["adcode"]
        near |= shapely.dwithin(border, points, TOLERANCE_DEG)
    return Truth(lon, lat, code, near)


@pytest.mark.skipif(not FULL.exists(), reason="the full borders lie only beside the repository")
@pytest.mark.parametrize("crs", ["wgs84", "gcj02", "bd09"])
def test_a_hundred_thousand_points_agree_with_a_plain_loop_over_the_full_borders(
    tmp_path: Path, truth: Truth, crs: str
) -> None:
    """At every point farther from a border than the tolerance the district is that of the unsimplified polygons."""
    given = convert(truth.lon, truth.lat, "wgs84", crs)
    text = "lon,lat\n" + "".join(f"{x!r},{y!r}\n" for x, y in zip(given[0].tolist(), given[1].tolist(), strict=True))
    codes = np.array([row["district_code"] for row in located(text, tmp_path, crs)])
    assert (codes[~truth.near] == truth.code[~truth.near]).all()
    assert (~truth.near).sum() > 90_000
    assert (codes[truth.near] == truth.code[truth.near]).mean() > 0.9


def test_district_code_and_zones_are_added_to_each_row(tmp_path: Path) -> None:
    """The other columns, their order and their text stay."""
    rows = located('id,lon,lat,note\n7,104.0632,30.6599,"a, b"\n', tmp_path)
    assert rows == [
        {
            "id": "7",
            "lon": "104.0632",
            "lat": "30.6599",
            "note": "a, b",
            "district": "青羊区",
            "district_code": "510105",
            "zones": "510105;tianfu-square",
        }
    ]


def test_a_city_without_codes_gives_its_zones_ids_and_its_own_language(tmp_path: Path) -> None:
    """Auckland's district is named in English."""
    rows = located("lon,lat\n174.766494,-36.843015\n", tmp_path, city="auckland")
    assert [rows[0][name] for name in ("district", "district_code", "zones")] == [
        "City centre",
        "city-centre",
        "city-centre;waterfront",
    ]


def test_bad_rows_are_told_by_line_and_the_good_go_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Swapped, zero, missing, NaN and far points have empty fields; each kind is told in its words."""
    text = "lon,lat\n30.66,104.06\n0,0\n,30\nnan,30\n104.0632,30.6599\n12.5,41.9\n104.06\n"
    rows = located(text, tmp_path)
    said = capsys.readouterr().err
    assert [row["district_code"] for row in rows] == ["", "", "", "", "510105", "", ""]
    assert "line 2: lon 30.66, lat 104.06 is no place on earth; are lon and lat swapped?" in said
    assert "line 3: lon 0, lat 0 is what a device sends that does not know its place" in said
    assert "line 4: lon '', lat '30' are not both numbers" in said
    assert "line 5: lon 'nan', lat '30' are not both numbers" in said
    assert "line 8: lon '104.06', lat '' are not both numbers" in said
    assert "7 rows, 1 outside all districts, 5 without a usable position" in said


def test_lines_are_counted_past_quoted_line_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line named is where the row ends in the file; blank lines count and are left out."""
    rows = located('note,lon,lat\n"two\nlines",104.06,30.66\n\nx,y,z\n', tmp_path)
    assert len(rows) == 2
    assert "line 5: lon 'y', lat 'z'" in capsys.readouterr().err


def test_standard_input_to_standard_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe, with a byte order mark as spreadsheets write it."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\ufefflon,lat\n104.0632,30.6599\n".encode())))
    assert run("chengdu", Path("-")) == 0
    out = capsys.readouterr()
    assert out.out == "lon,lat,district,district_code,zones\n104.0632,30.6599,青羊区,510105,510105;tianfu-square\n"
    assert "standard input: 1 rows" in out.err


def test_other_columns_can_be_named(tmp_path: Path) -> None:
    """Longitude and latitude by their own names."""
    (tmp_path / "in.csv").write_text("lng,latitude\n104.0632,30.6599\n", "utf-8")
    assert run("chengdu", tmp_path / "in.csv", output=tmp_path / "out.csv", lon="lng", lat="latitude") == 0
    assert "510105" in (tmp_path / "out.csv").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty; it needs a header with lon,lat"),
        ("lng,lat\n1,2\n", r"no column 'lon' but \['lng', 'lat'\].*--lon"),
        ("lon,lat,district\n1,2,3\n", r"the columns \['district'\] already"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """And no output is left behind."""
    with pytest.raises(LocateError, match=says):
        located(text, tmp_path)
    assert not (tmp_path / "out.csv").exists()


def test_wrong_files_cities_and_systems_are_refused(tmp_path: Path) -> None:
    """Each error names what was given."""
    path = tmp_path / "in.csv"
    with pytest.raises(LocateError, match=r"in.csv cannot be read: No such file"):
        run("chengdu", path)
    path.write_bytes(b"lon,lat\n\xff\xfe,1\n")
    with pytest.raises(LocateError, match="is not UTF-8 text"):
        run("chengdu", path, output=tmp_path / "out.csv")
    with pytest.raises(LocateError, match="is the file that is read"):
        run("chengdu", path, output=path)
    with pytest.raises(CityError, match="'gotham'"):
        run("gotham", path)
    with pytest.raises(CrsError, match="'utm'"):
        run("chengdu", path, crs="utm")
