"""What is declared: the packs, the city, its register."""

from __future__ import annotations

from polars.exceptions import PolarsError

from citybrain.checks import Check, fault, ok, warning
from citybrain.packs import complete
from config import city as cities
from config import city_check, register
from config.city import City, CityError
from config.pack import PackError
from config.register import RegisterError
from config.settings import Settings

SHOWN = 5  # findings told one by one; the rest are counted


def scenario_packs() -> list[Check]:
    """Every pack loads, and no two contradict each other."""
    remedy = "mend the file; citybrain packs check tells the rest"
    wrong = [fault("packs", line, "loads", remedy) for line in complete.refused()]
    found = [name for name, one in complete.loaded().items() if not isinstance(one, PackError)]
    return wrong or [ok("packs", f"{len(found)} load: {', '.join(found)}")]


def city(settings: Settings) -> tuple[City | None, list[Check]]:
    """The city if it loads, and what is suspect about its zones and assets."""
    try:
        loaded = cities.load(settings.city)
        found = city_check.findings(loaded)
    except CityError as error:
        return None, [fault("city", str(error), "loads", "mend the city pack, or choose another with --city")]
    checks = [ok("city", f"{loaded.id}: {len(loaded.zones)} zones, {len(loaded.districts)} districts")]
    remedy = "look at it on a map and mend the city pack"
    checks += [warning("city", line, "as surveyed", remedy) for line in found[:SHOWN]]
    if len(found) > SHOWN:
        checks.append(warning("city", f"{len(found) - SHOWN} more findings", "none", remedy))
    return loaded, checks


def registered(settings: Settings, loaded: City | None) -> tuple[int, Check]:
    """How many shards the register has (0 without one), and whether it is there."""
    try:
        held = register.load(settings.register)
    except (RegisterError, PolarsError) as error:
        if settings.register.exists():
            return 0, fault("register", str(error), "readable", "restore it from a backup: offsets and states go by it")
        made = "every role makes it at its first start"
        return 0, warning("register", f"{settings.register} is not there yet", "present", made)
    value = f"{len(held)} datastreams in {held.shards} shards"
    if not len(held):
        return 0, fault(
            "register", value, "at least 1", "add assets to the city pack, or a pack that watches their kinds"
        )
    zones = 0 if loaded is None else len(loaded.zones)
    highest = held.frame["zones"].explode().max()
    if loaded is not None and isinstance(highest, int) and highest >= zones:
        limit = f"the city has {zones} zones"
        return held.shards, fault(
            "register", f"{value}; names zone row {highest}", limit, "restore the city pack's zones"
        )
    return held.shards, ok("register", value)
