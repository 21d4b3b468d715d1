"""Small secret files: read again when they change, changed by one process at a time, whole or not at all."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from config.durable import write_secret
from config.locks import alone
from config.stamps import Stamp, stamp

Rows = TypeVar("Rows", bound="dict[str, Any]")
NOTHING = b"{}"


class Kept(Generic[Rows]):
    """The rows in ``path`` as they are now, as ``load`` reads them; it is given b"{}" without a file."""

    def __init__(self, path: Path, load: Callable[[bytes], Rows]) -> None:
        self._path, self._load = path, load
        self._seen: Stamp | tuple[()] | None = ()  # not read yet
        self._rows: Rows = load(NOTHING)

    def now(self) -> Rows:
        """The rows; not to be changed."""
        seen = stamp(self._path)
        if seen != self._seen:
            self._rows = self._load(_bytes(self._path))
            self._seen = seen
        return self._rows


@contextmanager
def changing(path: Path, load: Callable[[bytes], Rows]) -> Iterator[Rows]:
    """The rows of ``path``, to be changed in place: written when the block ends well, never two at a time."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(path.with_suffix(".lock")):
        rows = load(_bytes(path))
        before = msgspec.json.encode(rows)
        yield rows
        after = msgspec.json.encode(rows)
        if after != before:
            write_secret(path, after)


def digest(token: str) -> str:
    """What is kept of a secret that is random enough not to be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


def session_key(path: Path) -> bytes:
    """The 32 bytes that sign sessions, made at the first start; losing them logs everybody out."""
    if not path.exists():
        write_secret(path, secrets.token_hex(32).encode())
    return bytes.fromhex(path.read_text().strip())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return NOTHING
