"""Whether a file has changed: each change is a new file under the same name, or another length or time."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int]  # time of the last change in ns, bytes, number of the file


def stamp(path: Path) -> Stamp | None:
    """What is another after each change of ``path``; None where there is no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
