"""``citybrain packs``: the scenario packs as they are declared, and what is wrong with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from config import city as cities
from config import pack as packs
from config.city import CityError
from config.duty_files import DutyError
from config.pack import FOLDER, Pack, PackError
from config.plans import Plans


def folders(folder: Path = FOLDER) -> list[Path]:
    """Every folder that should be a pack, by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def loaded(folder: Path = FOLDER) -> Iterator[tuple[str, Pack | PackError]]:
    """Each pack by its folder's name, or why it is refused."""
    for path in folders(folder):
        try:
            yield path.name, packs.load(path)
        except PackError as error:
            yield path.name, error


def errors(folder: Path = FOLDER) -> list[str]:
    """One line for each refused pack, and for two packs that contradict each other; none when all are sound."""
    found = [one for _, one in loaded(folder)]
    lines = [line for one in found if isinstance(one, PackError) for line in one.lines]
    if not lines:
        try:
            packs.load_all(folder)
        except PackError as error:
            lines += error.lines
    return lines + plan_errors([one for one in found if isinstance(one, Pack)])


def plan_errors(found: list[Pack]) -> list[str]:
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


def show(as_json: bool, folder: Path = FOLDER) -> int:
    """List the packs with their status, what they watch and how many rules they have; exit code 0."""
    found = list(loaded(folder))
    if as_json:
        print(json.dumps({"packs": [_row(name, one) for name, one in found]}, ensure_ascii=False))
        return 0
    for name, one in found:
        print(_line(name, one))
    return 0


def _line(name: str, found: Pack | PackError) -> str:
    if isinstance(found, PackError):
        return f"{name:<16} {'refused':<8} {found}"
    watches = ", ".join(watched.property for watched in found.watched)
    return f"{name:<16} {found.status:<8} {found.title.zh} / {found.title.en}: {len(found.rules)} rules on {watches}"


def _row(name: str, found: Pack | PackError) -> dict[str, object]:
    if isinstance(found, PackError):
        return {"pack": name, "status": "refused", "reason": str(found)}
    return {
        "pack": name,
        "status": found.status,
        "title_en": found.title.en,
        "title_zh": found.title.zh,
        "domain": found.domain,
        "watches": [watched.property for watched in found.watched],
        "rules": len(found.rules),
    }


def check(folder: Path = FOLDER) -> int:
    """Check every pack, drafts included; each fault is a line on standard error; exit code 1 when there is one."""
    wrong = errors(folder)
    for line in wrong:
        print(line, file=sys.stderr)
    count = len(folders(folder))
    print(f"{count} packs checked, {len(wrong)} faults", file=sys.stderr)
    return 1 if wrong else 0
