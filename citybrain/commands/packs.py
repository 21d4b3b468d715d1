"""``citybrain packs``: the scenario packs, what is wrong with them, and whether they do their work."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from citybrain.packs import begin, cards, complete, schema, trial
from config import city as cities
from config import drills
from config.pack import FOLDER, Pack, PackError
from models.nearest import hint


def show(as_json: bool, folder: Path = FOLDER) -> int:
    """List the packs with their status, what they watch and how many rules they have; exit code 0."""
    found = complete.loaded(folder)
    if as_json:
        print(json.dumps({"packs": [_row(name, one) for name, one in found.items()]}, ensure_ascii=False))
        return 0
    for name, one in found.items():
        print(_line(name, one))
    return 0


def _line(name: str, found: Pack | PackError) -> str:
    if isinstance(found, PackError):
        more = f" (and {len(found.lines) - 1} more)" if len(found.lines) > 1 else ""
        return f"{name:<16} {'refused':<8} {found.lines[0]}{more}"
    return (
        f"{name:<16} {found.status:<8} {found.title.zh} / {found.title.en}: {len(found.rules)} rules on {_reads(found)}"
    )


def _reads(pack: Pack) -> str:
    return ", ".join([*(one.property for one in pack.watched), *(one.kind for one in pack.events)])


def _row(name: str, found: Pack | PackError) -> dict[str, object]:
    if isinstance(found, PackError):
        return {"pack": name, "status": "refused", "reason": str(found), "faults": list(found.lines)}
    return {
        "pack": name,
        "status": found.status,
        "title_en": found.title.en,
        "title_zh": found.title.zh,
        "domain": found.domain,
        "watches": [watched.property for watched in found.watched],
        "events": [one.kind for one in found.events],
        "rules": len(found.rules),
        "tests": len(found.tests),
    }


def check(folder: Path = FOLDER, names: Sequence[str] = (), as_json: bool = False) -> int:
    """Check every pack, drafts included; each fault is a line on standard error; exit code 1 when there is one."""
    unknown = _unknown(folder, names)
    if unknown:
        return unknown
    wrong = complete.faults(folder, names)
    for line in wrong:
        print(line, file=sys.stderr)
    count = len(names or complete.folders(folder))
    print(f"{count} packs checked, {len(wrong)} faults", file=sys.stderr)
    if as_json:
        print(json.dumps({"packs": count, "faults": wrong}, ensure_ascii=False))
    return 1 if wrong else 0


def _unknown(folder: Path, names: Sequence[str]) -> int:
    """Exit code 2 where a name is no pack's, and a line that says so; else 0."""
    known = [path.name for path in complete.folders(folder)]
    wrong = [name for name in names if name not in known]
    for name in wrong:
        print(f'there is no pack "{name}"{hint(name, known)}', file=sys.stderr)
    return 2 if wrong else 0


def test(folder: Path = FOLDER, names: Sequence[str] = (), with_drills: bool = False, as_json: bool = False) -> int:
    """Run the packs' tests, and their drills too if asked; exit code 1 when one fails or a pack is refused."""
    unknown = _unknown(folder, names)
    if unknown:
        return unknown
    found = {name: one for name, one in complete.loaded(folder).items() if not names or name in names}
    refused = [line for one in found.values() if isinstance(one, PackError) for line in one.lines]
    for line in refused:
        print(line, file=sys.stderr)
    results = [result for one in found.values() if isinstance(one, Pack) for result in trial.run(one)]
    for result in results:
        print(f"{'fails' if result.faults else 'ok':<6} {result.pack}: {result.test}", file=sys.stderr)
        for fault in result.faults:
            print(f"       {fault}", file=sys.stderr)
    graded = _drills(folder, [name for name, one in found.items() if isinstance(one, Pack)]) if with_drills else []
    failed = sum(bool(result.faults) for result in results) + sum(not bool(one["passed"]) for one in graded)
    count = f"{len(results)} tests" + (f" and {len(graded)} drills" if with_drills else "")
    print(f"{count} of {len(found)} packs, {failed} failed, {len(refused)} faults", file=sys.stderr)
    if as_json:
        told = [{"pack": r.pack, "test": r.test, "passed": not r.faults, "faults": list(r.faults)} for r in results]
        print(json.dumps({"tests": told, "drills": graded, "failed": failed, "refused": refused}, ensure_ascii=False))
    return 1 if failed or refused else 0


def _drills(folder: Path, names: Sequence[str]) -> list[dict[str, object]]:
    """Each drill of these packs, run headless at speed, with its grade."""
    from citybrain.drills import headless

    graded: list[dict[str, object]] = []
    for one in drills.listed(folder):
        if one.pack not in names:
            continue
        try:
            drill = drills.load(one.path)
            sheet = headless.run(drill, one.pack, cities.load(drill.city))
        except drills.DrillError as error:
            graded.append({"drill": one.name, "pack": one.pack, "passed": False, "grade": 0.0, "fault": str(error)})
        else:
            graded.append({"drill": one.name, "pack": one.pack, "passed": sheet.passed, "grade": round(sheet.share, 3)})
        told = graded[-1]
        word = "ok" if told["passed"] else "fails"
        print(f"{word:<6} {one.pack}: drill {one.name}, grade {told['grade']}", file=sys.stderr)
    return graded


def new(name: str, property: str, kind: str, folder: Path = FOLDER) -> int:
    """Begin a pack: a folder that is sound from the first minute; exit code 1 where it cannot be."""
    try:
        made = begin.begin(folder, name, property, kind)
    except begin.BeginError as error:
        print(str(error), file=sys.stderr)
        return 1
    for path in made:
        print(path)
    print(
        f"it is a draft; write it over, then: citybrain packs check {name} && citybrain packs test {name}",
        file=sys.stderr,
    )
    return 0


def show_schema(write: bool) -> int:
    """Print the JSON Schema of pack.yaml, or write its file; exit code 0."""
    if not write:
        print(schema.text(), end="")
        return 0
    print(f"{schema.FILE}: {'written' if schema.write() else 'is as it should be'}", file=sys.stderr)
    return 0


def write_cards(folder: Path = FOLDER, docs: Path | None = None) -> int:
    """Write the cards of the packs where they are not as they should be; exit code 0."""
    changed = cards.write(folder, docs or cards.DOCS)
    for path in changed:
        print(path)
    print(f"{len(changed)} cards written", file=sys.stderr)
    return 0
