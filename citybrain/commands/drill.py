"""``citybrain drill``: list, check and run drills, and grade detection against the simulator's truth."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from citybrain.drills import headless, live
from citybrain.drills import truth as truths
from citybrain.drills.page import html
from citybrain.drills.sheet import Sheet
from citybrain.moments import moment_of
from config import city as cities
from config import drills, packs_reload
from config.drills import DrillError
from config.settings import Settings

FOLDER = "drills"  # below the city's data folder: the sheets of live drills


def show(as_json: bool) -> int:
    """The drills of all packs with what they practise; a drill that is refused is listed with why."""
    rows: list[dict[str, Any]] = []
    known = packs_reload.sound()
    city = lru_cache(cities.load)
    for one in drills.listed():
        row: dict[str, Any] = {"drill": one.name, "pack": one.pack}
        try:
            drill = drills.load(one.path, loaded=known, load_city=city)
        except DrillError as error:
            rows.append(row | {"refused": str(error)})
            continue
        about = {"title": msgspec.to_builtins(drill.title), "city": drill.city, "lasts": drill.lasts}
        rows.append(row | about | {"injections": len(drill.inject), "expectations": len(drill.expect)})
    if as_json:
        print(json.dumps({"drills": rows}, ensure_ascii=False))
        return 0
    for told in rows:
        said = told.get("refused") or "{zh} / {en}, ".format(**told["title"]) + f"{told['city']}, {told['lasts']}"
        print(f"{told['drill']:28} {told['pack']:16} {said}")
    return 0


def check() -> int:
    """Load every drill; exit 1 when one is refused, naming file, key, value and remedy."""
    refused = 0
    known, city = packs_reload.sound(), lru_cache(cities.load)
    for one in drills.listed():
        try:
            drills.load(one.path, loaded=known, load_city=city)
        except DrillError as error:
            refused += 1
            print(error, file=sys.stderr)
    print(f"{len(drills.listed())} drills, {refused} refused")
    return 1 if refused else 0


def run(
    settings: Settings,
    name: str,
    city: str | None,
    speed: float | None,
    is_live: bool,
    blind: bool,
    whole: bool,
    by: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Run one drill; exit code 0 when it passed, 1 when not."""
    if blind and not is_live:
        raise DrillError("--blind is for people at their screens; give --live too")
    if is_live and speed is not None:
        raise DrillError("--speed is for runs without people; a live drill takes its own time")
    if output is not None and output.suffix not in (".html", ".json"):
        raise DrillError(f"-o {output}: the name must end in .html or .json")
    listed = drills.find(name)
    place = None if city is None and not is_live else cities.load(city or settings.city)
    drill = drills.load(listed.path, place)
    where = place or cities.load(drill.city)
    began = time.monotonic()
    if is_live:
        _say(f"citybrain: drill {drill.drill}: {drill.title.zh} / {drill.title.en}")
        sheet = asyncio.run(live.run(drill, listed.pack, where, settings, by or getpass.getuser(), blind, _say))
        _keep(settings.home / FOLDER, sheet)
    else:
        sheet = headless.run(drill, listed.pack, where, whole=whole, speed=speed)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(html(sheet).encode() if output.suffix == ".html" else msgspec.json.encode(sheet))
    _tell(sheet, time.monotonic() - began, as_json)
    return 0 if sheet.passed else 1


def truth(settings: Settings, start: str | None, end: str | None, as_json: bool) -> int:
    """Grade the archive's alerts against the simulator's truth; exit code 0."""
    zone = cities.load(settings.city).timezone
    graded = truths.graded(settings, moment_of(start, zone), moment_of(end, zone))
    if as_json:
        print(json.dumps(msgspec.to_builtins(graded)), flush=True)
        return 0
    for kind, found in graded.kinds.items():
        delay = (
            ""
            if found.delay_p50_s is None
            else f", {found.delay_p50_s:g} s at the median, {found.delay_max_s:g} s at most"
        )
        print(f"  {kind:18} {found.found} of {found.happened} found{delay}")
    for rule, each in graded.false_by_rule.items():
        print(f"  {rule:34} {each:g} false an hour")
    rate = f"{graded.false_per_hour:g} an hour"
    print(f"{graded.alerts} alerts in {graded.hours:g} h, {graded.false} told of nothing: {rate}")
    return 0


def _keep(folder: Path, sheet: Sheet) -> None:
    """The sheet of a live drill, as JSON and as a page."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{sheet.drill}-{time.strftime('%Y%m%dT%H%M%S', time.localtime(sheet.began / 1000))}"
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(sheet))
    (folder / f"{name}.html").write_text(html(sheet), "utf-8")
    _say(f"  the score sheet: {folder / name}.html")


def _tell(sheet: Sheet, took_s: float, as_json: bool) -> None:
    if as_json:
        body = msgspec.to_builtins(sheet) | {"took_s": round(took_s, 1)}
        del body["lines"]
        print(json.dumps(body, ensure_ascii=False), flush=True)
        return
    for row in sheet.rows:
        took = "–" if row.took_s is None else f"{row.took_s:g} s"
        what = f"{row.what} {row.detail}".strip()
        print(
            f"  {row.outcome:10} {row.name or row.what:16} {what:52} {took:>8} of {row.within_s:g} s after {row.after}"
        )
    print(
        f"  false alerts {sheet.false_alerts}" + ("" if sheet.false_at_most is None else f" of {sheet.false_at_most}")
    )
    mark = "passed" if sheet.passed else "overtaken" if sheet.state == "overtaken" else "not passed"
    print(
        f"{sheet.drill}: {mark}, {sheet.points:g} of {sheet.of:g} points ({sheet.share:.0%}, {sheet.needed:.0%} needed)"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
