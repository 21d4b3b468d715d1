"""What is written stays written: names in a folder and whole files, durable when a call returns."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` whole or not at all, durable when this returns."""
    _replace(path, text.encode(), 0o666)


def write_secret(path: Path, body: bytes) -> None:
    """Write ``body`` to ``path`` for its owner alone, whole or not at all, durable when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.with_name(path.name + ".part").unlink(missing_ok=True)  # left by a crash, maybe for more to read
    _replace(path, body, 0o600)


def _replace(path: Path, body: bytes, mode: int) -> None:
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
        out.write(body)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    sync_folder(path.parent)
