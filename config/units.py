"""The units of a city: so many of a depot's kind as it has, each waiting there."""

from __future__ import annotations

from config.city import City
from models.values import Text, Unit


def of_city(city: City) -> dict[str, Unit]:
    """Every unit by id, ``<depot>-<number>``; where it is and what it does later on is the room's."""
    units = [
        Unit(
            id=f"{depot.id}-{number}",
            name=Text(en=f"{depot.name.en} {number}", zh=f"{depot.name.zh} {number} 组"),
            kind=depot.kind,
            skills=depot.skills,
            lon=depot.lon,
            lat=depot.lat,
        )
        for depot in city.depots
        for number in range(1, depot.units + 1)
    ]
    return {unit.id: unit for unit in units}
