"""The packs that are in force: files may change at any time, and a file that is refused changes nothing.

Each pack is taken whole or not at all. What was accepted is copied into the state folder, so that after a restart the
version before a bad edit is still in force; the wall's planner page tells which file, key and value it was.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from config.pack import FILE, FOLDER, Pack, PackError, contradictions, is_draft, load, parse, read, version
from config.settings import Settings

LOOK_S = 2.0
Stamps = dict[str, tuple[int, int] | None]  # folder → when its file was written, and its size
log = logging.getLogger(__name__)


class State(msgspec.Struct, frozen=True):
    """Where one pack stands; in Redis by name (contract.packs). Times in ms."""

    state: str  # "in-force", "refused" (then ``version`` is the one before, "" none) or "draft"
    version: str = ""
    since: int = 0  # since when that version is in force
    error: str = ""  # every fault of the file that is refused, a line each
    tried: int = 0  # when the file was read last


@dataclass
class _Read:
    """What was read of one folder."""

    pack: Pack | None = None  # what its file says now
    version: str = ""
    draft: bool = False
    faults: list[str] = field(default_factory=list)


class Packs:
    """The packs in force below ``folder``; ``keep`` holds copies of what was accepted.

    ``writes``: this process keeps the copies up to date. ``before``: what it has in force already, as from its start.
    """

    def __init__(
        self,
        folder: Path = FOLDER,
        keep: Path | None = None,
        writes: bool = False,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1_000),
        before: Iterable[Pack] = (),
    ) -> None:
        self._folder, self._keep, self._writes, self._now_ms = folder, keep, writes and keep is not None, now_ms
        self._stamps: Stamps = {}
        self._loaded = {pack.name: (pack.version, pack) for pack in before}  # name → version and pack
        self.states: dict[str, State] = {}
        self.refresh()

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs in force, by name."""
        return tuple(self._loaded[name][1] for name in sorted(self._loaded))

    def refresh(self) -> list[str]:
        """Read what has changed on disk; a line for the log for each pack that was taken, refused or let go."""
        stamps = _stamps(self._folder)
        if stamps == self._stamps:
            return []
        changed = {name for name in stamps if stamps[name] != self._stamps.get(name, ())}
        gone = self._stamps.keys() - stamps.keys()
        self._stamps = stamps
        again = {
            name for name, state in self.states.items() if state.error and name in stamps
        }  # its reason may be gone
        found = {name: self._read(name) if name in changed | again else self._held(name) for name in stamps}
        return self._settle(found, changed, gone)

    def _read(self, name: str) -> _Read:
        """What the file of the pack says now."""
        folder = self._folder / name
        if is_draft(folder):
            return _Read(draft=True)
        try:
            return _Read(load(folder), version(folder))
        except (PackError, OSError) as error:
            return _Read(faults=list(error.lines) if isinstance(error, PackError) else [f"{name}/{FILE}: {error}"])

    def _held(self, name: str) -> _Read:
        """What was read of an unchanged file before: the pack in force, or a draft."""
        if name not in self._loaded:
            return _Read(draft=True)
        held, pack = self._loaded[name]
        return _Read(pack, held)

    def _settle(self, found: dict[str, _Read], changed: set[str], gone: set[str]) -> list[str]:
        """Take what goes together: first what is in force and unchanged, then the new; who contradicts is refused."""
        before = dict(self._loaded)
        there = {name: held for name, one in found.items() if (held := self._candidate(name, one, before))}

        def new(name: str) -> bool:
            return name not in before or before[name][0] != there[name][0]

        while True:
            order = sorted(there, key=lambda name: (new(name), name))
            wrong = contradictions([there[name][1] for name in order], found.keys() - there.keys())
            if not wrong:
                break
            for name, lines in wrong.items():
                named = [other for other in order if new(other) and any(f" {other} " in line for line in lines)]
                for culprit in [name] if new(name) or not named else named:  # an edit elsewhere must not harm it
                    found[culprit].faults += [line for line in lines if line not in found[culprit].faults]
                    there.pop(culprit, None)
                    if culprit in before and before[culprit][0] != found[culprit].version:
                        there[culprit] = before[culprit]
        self._loaded = there
        told = {name: self._told(name, found[name], before) for name in sorted(found)}
        lines = [line for name, (line, moved) in told.items() if moved or name in changed]
        lines += [f"pack {name}: its folder is gone; it is no longer in force" for name in sorted(gone)]
        for name in gone:
            self.states.pop(name, None)
        if self._writes:
            self._copy()
        return lines

    def _candidate(self, name: str, one: _Read, before: dict[str, tuple[str, Pack]]) -> tuple[str, Pack] | None:
        """What is to be in force: the pack's file, else the version before; None for a draft or where none is."""
        if one.pack is not None:
            return one.version, one.pack
        if one.draft:
            return None
        return before.get(name) or self._kept(name)

    def _kept(self, name: str) -> tuple[str, Pack] | None:
        """The version whose copy lies in the state folder."""
        if self._keep is None or not (self._keep / name / FILE).exists():
            return None
        try:
            kept = version(self._keep / name)
            return kept, parse(read(self._keep / name), self._folder / name, kept)
        except PackError as error:
            log.error("pack %s: the copy of the version before cannot be used either: %s", name, error)
            return None

    def _told(self, name: str, one: _Read, before: dict[str, tuple[str, Pack]]) -> tuple[str, bool]:
        """Note the state of a pack; the line for the log, and whether the state is another one now."""
        now, held, was = self._now_ms(), self._loaded.get(name), self.states.get(name)
        number = held[0] if held else ""
        since = was.since if was is not None and before.get(name, ("",))[0] == number else now
        if one.faults:
            state = State("refused", number, since if number else 0, "\n".join(one.faults), now)
            stays = f"version {number} stays in force" if number else "no version of it is in force"
            line = f"pack {name} is refused: {'; '.join(one.faults)}; {stays}"
        elif held is None:
            state, line = State("draft", tried=now), f"pack {name} is a draft"
        else:
            state, line = State("in-force", number, since, "", now), f"pack {name}: version {number} is in force"
        moved = was is None or (was.state, was.version, was.error) != (state.state, state.version, state.error)
        if moved:
            self.states[name] = state
        return line, moved

    def _copy(self) -> None:
        """Keep copies of what is in force, whole or not at all."""
        assert self._keep is not None
        for name, (number, _) in self._loaded.items():
            copy = self._keep / name / FILE
            if (copy.exists() and version(copy.parent) == number) or version(self._folder / name) != number:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            part = copy.with_suffix(f".{os.getpid()}.part")  # each role may write it
            part.write_bytes((self._folder / name / FILE).read_bytes())
            part.replace(copy)
        if self._keep.exists():
            for old in self._keep.iterdir():
                if old.is_dir() and old.name not in self._stamps:
                    shutil.rmtree(old)


def _stamps(folder: Path) -> Stamps:
    """When the file of each pack was written; None where a folder has none."""
    found: Stamps = {}
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith((".", "__")):
            continue
        try:
            status = (path / FILE).stat()
            found[path.name] = (status.st_mtime_ns, status.st_size)
        except OSError:
            found[path.name] = None
    return found


def keep(settings: Settings) -> Path:
    """Where the copies of what was accepted lie."""
    return settings.state / "packs"


def in_force(settings: Settings) -> tuple[Pack, ...]:
    """The packs in force in the city of ``settings``, by name; what is refused is told in the log and left out."""
    return _logged(Packs(keep=keep(settings), writes=True))


def sound(folder: Path = FOLDER) -> tuple[Pack, ...]:
    """The packs below ``folder`` that can be loaded, by name, whatever was in force before."""
    return _logged(Packs(folder))


def _logged(packs: Packs) -> tuple[Pack, ...]:
    for name, state in packs.states.items():
        if state.error:
            log.error("pack %s is refused: %s", name, state.error)
    return packs.packs


def measured(pack: Pack) -> Any:
    """What of a pack engines and the register are laid out by; where it changes, the roles start anew."""
    boxes = tuple("'box'" in rule.expr for rule in pack.rules)
    lines = frozenset((rule.property, rule.reads) for rule in pack.rules if rule.follows_trend())
    events = [(one.kind, one.detector, one.parameters) for one in pack.events]
    return pack.name, pack.watched, tuple(pack.zones.items()), any(boxes), lines, pack.simulated.assets, events


def shown(pack: Pack) -> Any:
    """What of a pack the wall shows."""
    return pack.name, pack.title, pack.owner, pack.status, pack.scene, measured(pack)


def _leave() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def end_when_changed(
    settings: Settings,
    of: Callable[[Pack], Any],
    leave: Callable[[], None] = _leave,
    look_s: float = LOOK_S,
    folder: Path = FOLDER,
) -> threading.Event:
    """Call ``leave`` (SIGTERM to this process) once what ``of`` tells of the packs in force has changed.

    Whatever runs the roles starts them anew. Looks in a thread of its own; setting the event that is returned ends it.
    """
    over = threading.Event()
    packs = Packs(folder, keep(settings))
    known = [of(pack) for pack in packs.packs]

    def look() -> None:
        while not over.wait(look_s):
            if packs.refresh() and [of(pack) for pack in packs.packs] != known:
                log.info("the packs have changed in what this role works by; starting anew with them")
                leave()
                return

    threading.Thread(target=look, name="packs-watch", daemon=True).start()
    return over
