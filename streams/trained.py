"""The versions of what was learned, on disk: plain arrays, checked by their digest, with the one that is in use."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from models.forecast import quantiles
from models.forecast.quantiles import Learned
from models.forecast.trees import BadTrees
from models.forecast.values import PROFILE
from streams.snapshots import BROKEN

log = logging.getLogger(__name__)
KEEP = 4  # versions, the one in use and the one before it among them
_BOOK = "versions.json"


class Version(msgspec.Struct, frozen=True):
    """One version: its ``name``, when it was ``made`` (ms), the ``digest`` of its file and its loss on the last day."""

    name: str
    made: int
    digest: str
    losses: dict[str, float]


class Book(msgspec.Struct, frozen=True):
    """The versions there are, oldest first, and which is in use: a name, or "profile" for none."""

    current: str = PROFILE
    previous: str = PROFILE
    tried: Annotated[int, msgspec.Meta(ge=0)] = 0  # when training was last tried, ms
    versions: tuple[Version, ...] = ()


class Versions:
    """The versions of one property below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def book(self) -> Book:
        """What there is; an unreadable book counts as none and is said in the log."""
        path = self.folder / _BOOK
        try:
            return msgspec.json.decode(path.read_bytes(), type=Book)
        except FileNotFoundError:
            return Book()
        except (OSError, msgspec.MsgspecError) as error:
            log.error("%s cannot be read (%s): the profile forecasts alone until the next training", path, error)
            return Book()

    def stamp(self) -> int:
        """Changes whenever the book does; 0 while there is none."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / _BOOK).stat().st_mtime_ns
        return 0

    def load(self, name: str) -> Learned | None:
        """The version ``name``; None, with a word in the log, when it is not what was saved."""
        known = {one.name: one for one in self.book().versions}
        path = self.folder / f"{name}.npz"
        if name not in known:
            log.error("there is no version %s in %s", name, self.folder)
            return None
        try:
            body = path.read_bytes()
            if hashlib.sha256(body).hexdigest() != known[name].digest:
                raise BadTrees("its digest is not the one it was saved with")
            with np.load(io.BytesIO(body), allow_pickle=False) as file:
                return quantiles.load({key: file[key] for key in file.files})
        except (BadTrees, *BROKEN) as error:
            log.error("version %s cannot be used: %s; train again", path, error)
            return None

    def candidates(self) -> dict[str, Learned]:
        """The version in use and the one before it, as far as they can be used."""
        book = self.book()
        names = {book.current, book.previous} - {PROFILE}
        return {name: learned for name in sorted(names) if (learned := self.load(name)) is not None}

    def save(self, name: str, learned: Learned, losses: dict[str, float], now_ms: int) -> None:
        """Keep a new version; it is not in use yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        body = io.BytesIO()
        np.savez_compressed(body, allow_pickle=False, **learned.arrays())
        data = body.getvalue()
        _written(self.folder / f"{name}.npz", data)
        made = Version(name, now_ms, hashlib.sha256(data).hexdigest(), losses)
        book = self.book()
        versions = (*(one for one in book.versions if one.name != name), made)
        self._write(msgspec.structs.replace(book, versions=versions))

    def use(self, name: str, now_ms: int) -> None:
        """From now on ``name`` is in use ("profile": none); old versions beyond KEEP go."""
        book = self.book()
        previous = book.current if name != book.current else book.previous
        needed = {name, previous}
        kept = [one for one in book.versions if one.name in needed]
        others = [one for one in book.versions if one.name not in needed]
        kept = sorted(kept + others[max(len(others) - KEEP + len(kept), 0) :], key=lambda one: one.made)
        self._write(Book(name, previous, now_ms, tuple(kept)))
        for path in self.folder.glob("*.npz"):
            if path.stem not in {one.name for one in kept}:
                path.unlink()

    def was_tried(self, now_ms: int) -> None:
        """Training was tried and gave nothing; the next try waits its time."""
        self._write(msgspec.structs.replace(self.book(), tried=now_ms))

    def _write(self, book: Book) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        _written(self.folder / _BOOK, msgspec.json.format(msgspec.json.encode(book), indent=1))


def _written(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
