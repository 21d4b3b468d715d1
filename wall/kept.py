"""Small secret files: read again when they change, changed by one process at a time, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

Rows = TypeVar("Rows", bound="dict[str, Any]")
NOTHING = b"{}"


class Kept(Generic[Rows]):
    """The rows in ``path`` as they are now, as ``load`` reads them; it is given b"{}" without a file."""

    def __init__(self, path: Path, load: Callable[[bytes], Rows]) -> None:
        self._path, self._load = path, load
        self._seen: tuple[int, int] | None = None
        self._rows: Rows = load(NOTHING)

    def now(self) -> Rows:
        """The rows; not to be changed."""
        try:
            about = self._path.stat()
            seen = (about.st_mtime_ns, about.st_ino)  # each change is a new file
        except FileNotFoundError:
            seen = (0, 0)
        if seen != self._seen:
            self._rows = self._load(_bytes(self._path))
            self._seen = seen
        return self._rows


@contextmanager
def changing(path: Path, load: Callable[[bytes], Rows]) -> Iterator[Rows]:
    """The rows of ``path``, to be changed in place: written when the block ends well, never two at a time."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = load(_bytes(path))
        before = msgspec.json.encode(rows)
        yield rows
        after = msgspec.json.encode(rows)
        if after != before:
            write(path, after)


def write(path: Path, data: bytes) -> None:
    """Write a secret whole or not at all, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    part.replace(path)


def digest(token: str) -> str:
    """What is kept of a secret that is random enough not to be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


def session_key(path: Path) -> bytes:
    """The 32 bytes that sign sessions, made at the first start; losing them logs everybody out."""
    if not path.exists():
        write(path, secrets.token_hex(32).encode())
    return bytes.fromhex(path.read_text().strip())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return NOTHING
