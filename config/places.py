"""The city's registered places (construction sites, schools, scenic spots) that warnings reach, from a CSV file."""

from __future__ import annotations

from pathlib import Path

from config.city import City
from config.city_layers import CityError, number, read_rows
from geo.crs import convert
from models.places import Site, Sites
from models.values import Text

COLUMNS = ("id", "kind", "name_en", "name_zh", "lon", "lat", "contact", "phone", "route")
_NEEDED = COLUMNS[:6]
FILE = "places.csv"  # in the city's data folder, for a city whose places are simulated


def load(city: City, home: Path) -> Sites:
    """The places of the city's own file, else of the one in its data folder ``home``, else none.

    Raises ``CityError`` naming file, line and column of what is wrong.
    """
    own = city.place_file
    path = own or home / FILE
    shapes = {zone.id: zone.polygon for zone in city.zones}
    shapes |= {zone.adcode: zone.polygon for zone in city.zones if zone.adcode and zone.kind == "district"}
    return Sites(_read(path, city) if own or path.exists() else (), shapes)


def _read(path: Path, city: City) -> tuple[Site, ...]:
    sites: dict[str, Site] = {}
    for key, row in read_rows(path, _NEEDED):
        name = row["id"].strip()
        if not name or name in sites:
            raise CityError(f"{path}: {key}: id {name!r} is {'twice there' if name else 'empty'}; give each its own")
        lon, lat = number(path, key, row, "lon"), number(path, key, row, "lat")
        if lon is None or lat is None or not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise CityError(f"{path}: {key}: lon {row['lon']!r}, lat {row['lat']!r} is no place on earth")
        x, y = convert(lon, lat, city.place_crs if city.place_file else "wgs84", "wgs84")
        zh, en = row["name_zh"].strip(), row["name_en"].strip()
        sites[name] = Site(
            id=name,
            kind=row["kind"].strip() or "site",
            name=Text(en=en or zh or name, zh=zh or en or name),
            lon=float(x),
            lat=float(y),
            contact=row.get("contact", "").strip(),
            phone=row.get("phone", "").strip(),
            route=row.get("route", "").strip() or "journal",
        )
    return tuple(sites.values())
