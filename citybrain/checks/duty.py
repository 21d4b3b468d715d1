"""Who is told what: the roster, the routes, and whether reports can be printed."""

from __future__ import annotations

import ctypes.util
import shutil
import subprocess

from citybrain.checks import Check, fault, ok, warning
from citybrain.reports.shift import NEEDED
from config import notifications, roster
from config.city import City
from config.duty_files import DutyError
from config.settings import Settings

LIBRARIES = ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")
FONTS_S = 20.0  # a first look builds the fonts' cache


def told(settings: Settings, city: City) -> list[Check]:
    """The roster and the routes load, and the routes lead somewhere."""
    try:
        ways = notifications.load(city.folder)
        declared = roster.load(city.folder, frozenset(ways))
    except DutyError as error:
        return [fault("duty", str(error), "loads", "mend the file; docs/operations.md tells its keys")]
    people, rungs = len(declared.people), len(declared.ladder)
    found = [ok("roster", f"{len(declared.shifts)} shifts, {people} people, {rungs} rungs of escalation")]
    missing = [way for way in ways.values() if not way.connected(settings.secrets)]
    value = f"{len(ways) - len(missing)} of {len(ways)} connected"
    if not missing:
        return [*found, ok("routes", value)]
    names = ", ".join(f"{way.route.route} ({way.address})" for way in missing)
    remedy = "set what stands in brackets here and where the notifier runs, or take the route out of notifications.yaml"
    return [*found, warning("routes", f"{value}; not: {names}", "all", remedy)]


def reports() -> Check:
    """What PDF reports need of the system: Pango, and a font with Chinese letters."""
    missing = [name for name in LIBRARIES if ctypes.util.find_library(name) is None]
    if not _chinese_font():
        missing.append("a Chinese font")
    if missing:
        return warning("reports", f"without {', '.join(missing)}", "for PDF", f"on Debian: apt install {NEEDED}")
    return ok("reports", "Pango and a Chinese font are there")


def _chinese_font() -> bool:
    """Whether the system lists one; where it cannot be asked it is taken for there."""
    lister = shutil.which("fc-list")
    if lister is None:
        return True
    done = subprocess.run([lister, ":lang=zh", "family"], capture_output=True, text=True, timeout=FONTS_S, check=False)
    return bool(done.stdout.strip())
