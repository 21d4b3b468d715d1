"""A city's own asset register from CSV, GeoJSON and a GB/T 28181 device catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from config.city_assets import COLUMNS, read_assets
from config.city_layers import CityError

CATALOGUE = """<?xml version="1.0" encoding="GB2312"?>
<Response>
<CmdType>Catalog</CmdType><SN>17</SN><DeviceID>51010400002000000001</DeviceID><SumNum>3</SumNum>
<DeviceList Num="3">
<Item><DeviceID>510104</DeviceID><Name>锦江区</Name></Item>
<Item><DeviceID>51010400001320000012</DeviceID><Name>春熙路南口</Name><Manufacturer>X</Manufacturer>
<CivilCode>510104</CivilCode><Parental>0</Parental><Status>ON</Status>
<Longitude>104.0777</Longitude><Latitude>30.6558</Latitude></Item>
<Item><DeviceID>51010400001310000013</DeviceID><Name>未标定</Name></Item>
</DeviceList>
</Response>
"""


def test_no_file_means_no_assets() -> None:
    """The frame is empty and has its columns."""
    assert read_assets(None, "wgs84").schema == COLUMNS


def test_csv_rows_keep_their_own_system(tmp_path: Path) -> None:
    """A row that names its system keeps it; the others take the file's."""
    path = tmp_path / "assets.csv"
    path.write_text("asset,kind,name_en,name_zh,lon,lat,crs\na,gauge,A,甲,104,30,\nb,gauge,B,乙,104,30,bd09\n", "utf-8")
    assert read_assets(path, "gcj02")["crs"].to_list() == ["gcj02", "bd09"]


def test_unreadable_positions_become_nan_for_the_register_to_refuse(tmp_path: Path) -> None:
    """One bad cell does not stop the file."""
    path = tmp_path / "assets.csv"
    path.write_text("asset,kind,name_en,name_zh,lon,lat\na,gauge,A,甲,east,30\nb,gauge,B,乙,104,30\n", "utf-8")
    assert np.isnan(read_assets(path, "wgs84")["lon"].to_numpy()).tolist() == [True, False]


def test_geojson_points_are_read(tmp_path: Path) -> None:
    """Position and properties come from the feature."""
    path = tmp_path / "assets.geojson"
    path.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"asset":"a","kind":"pump",'
        '"name_zh":"泵"},"geometry":{"type":"Point","coordinates":[104.1,30.2]}}]}',
        "utf-8",
    )
    assert read_assets(path, "wgs84").rows() == [("a", "pump", "泵", "泵", 104.1, 30.2, "wgs84", "")]


def test_a_polygon_is_no_asset(tmp_path: Path) -> None:
    """The message names the feature and what it is."""
    path = tmp_path / "assets.geojson"
    path.write_text('{"features":[{"properties":{},"geometry":{"type":"Polygon","coordinates":[]}}]}', "utf-8")
    with pytest.raises(CityError, match=r"features\[0\]: an asset is a Point, not a Polygon"):
        read_assets(path, "wgs84")


def test_a_gb28181_catalogue_gives_its_cameras(tmp_path: Path) -> None:
    """In GB 2312 as devices send it: cameras by their type digits, areas left out, a missing place NaN."""
    path = tmp_path / "catalogue.xml"
    path.write_bytes(CATALOGUE.encode("gb2312"))
    assets = read_assets(path, "gcj02")
    assert assets["asset"].to_list() == ["51010400001320000012", "51010400001310000013"]
    assert assets["name_zh"].to_list() == ["春熙路南口", "未标定"]
    assert assets["lon"].is_nan().to_list() == [False, True]
    assert assets["crs"].to_list() == ["gcj02", "gcj02"]
    assert assets["zone"].to_list() == ["510104", "510104"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.csv", None, "the file is missing"),
        ("gone.xml", None, "the file is missing"),
        ("a.csv", b"asset,kind\n", "columns name_en, name_zh, lon, lat are missing"),
        ("a.xlsx", b"", "assets are read from"),
        ("a.xml", b"<Response><Item>", "not a device catalogue"),
        ("a.xml", b'<!DOCTYPE x [<!ENTITY a "b">]><Response/>', "no DOCTYPE"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    """Missing, misshapen and dangerous files are each told apart."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CityError, match=f"{name}.*{says}"):
        read_assets(path, "wgs84")
