"""A site: one city as it is run, everything declared about it loaded once."""

from __future__ import annotations

from dataclasses import dataclass

from config import city as cities
from config import packs_reload
from config import register as registers
from config.city import City
from config.layouts import Layouts, layouts
from config.pack import Pack
from config.register import Register
from config.settings import Settings


@dataclass(frozen=True, eq=False, slots=True)
class Site:
    """The settings of a process with the city, register, packs and layouts that follow from them."""

    settings: Settings
    city: City
    register: Register
    packs: tuple[Pack, ...]
    layouts: Layouts


def load(settings: Settings) -> Site:
    """The site of ``settings.city``; raises ``CityError`` or ``RegisterError``.

    A pack that is refused stops nobody: the version before is taken, or none.
    """
    city = cities.load(settings.city)
    register = registers.load(settings.register)
    loaded = packs_reload.in_force(settings)
    return Site(settings, city, register, loaded, layouts(city, register, loaded))
