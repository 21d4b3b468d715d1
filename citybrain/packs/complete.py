"""What a pack must have beside a sound ``pack.yaml``: its runbook, a test, a plan that cities can use, sound drills."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from config import city as cities
from config import drills, pack_runbook
from config import pack as packs
from config.city import CityError
from config.drills import DrillError
from config.duty_files import DutyError
from config.pack import FOLDER, Pack, PackError
from config.plans import Plans


def folders(folder: Path = FOLDER) -> list[Path]:
    """Every folder that should be a pack, by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def loaded(folder: Path = FOLDER) -> dict[str, Pack | PackError]:
    """Each pack by its folder's name, or why it is refused; drafts too."""
    found: dict[str, Pack | PackError] = {}
    for path in folders(folder):
        try:
            found[path.name] = packs.load(path)
        except PackError as error:
            found[path.name] = error
    return found


def refused(folder: Path = FOLDER) -> list[str]:
    """One line for each thing for which a pack, or the plan of one, is not taken into force."""
    found = loaded(folder)
    sound = [one for one in found.values() if isinstance(one, Pack)]
    running = [one for one in sound if one.status != "draft"]
    absent = found.keys() - {one.name for one in running}
    lines = [line for one in found.values() if isinstance(one, PackError) for line in one.lines]
    lines += [line for said in packs.contradictions(running, absent).values() for line in said]
    return lines + plan_faults(sound)


def faults(folder: Path = FOLDER, names: Sequence[str] = ()) -> list[str]:
    """One line for each thing that is wrong in any file of the packs; only of ``names``, where there are any."""
    sound = [one for one in loaded(folder).values() if isinstance(one, Pack)]
    lines = refused(folder)
    for one in sound:
        lines += beside(folder / one.name, one)
    lines += drill_faults(folder, sound)
    return [line for line in lines if not names or line.partition("/")[0] in names]


def beside(folder: Path, pack: Pack) -> list[str]:
    """What is wrong with the files beside the pack's ``pack.yaml``, and with what only running packs must have."""
    runs = pack.status != "draft"
    lines = pack_runbook.check(folder, needed=runs)
    if runs and not pack.tests:
        lines.append(f"{pack.name}/pack.yaml: tests: [] has none; write one that gives an alert, or status: draft")
    return lines


def plan_faults(found: Sequence[Pack]) -> list[str]:
    """One line for each response plan that is refused, of the packs and of the cities, each fault once."""
    told: dict[str, None] = {}
    for name in cities.cities():
        try:
            plans = Plans.of_city(cities.load(name), found)
        except (CityError, DutyError) as error:
            told[str(error)] = None
        else:
            told |= dict.fromkeys(plans.refused.values())
    return list(told)


def drill_faults(folder: Path, found: Sequence[Pack]) -> list[str]:
    """One line for each drill that cannot be run."""
    lines = []
    for one in drills.listed(folder):
        if one.pack not in {pack.name for pack in found}:
            continue  # the pack itself is refused: that is told
        try:
            drills.load(one.path, loaded=found)
        except DrillError as error:
            lines.append(str(error).replace(f"{folder}/", ""))
    return lines
