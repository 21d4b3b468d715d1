"""How far a recording has been sent, kept across restarts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sensors.simulate.declared import FeedError


class _Saved(msgspec.Struct):
    time_ms: int


class Position:
    """The phenomenon time of the last reading that was taken, in ``path``; None before the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.time_ms: int | None = None
        if path.exists():
            try:
                self.time_ms = msgspec.json.decode(path.read_bytes(), type=_Saved).time_ms
            except msgspec.DecodeError as error:
                raise FeedError(f"{path}: {error}; remove the file to replay from the beginning") from error

    def save(self, time_ms: int) -> None:
        """Remember that everything up to ``time_ms`` was taken; whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(_Saved(time_ms)))
        part.replace(self._path)
        self.time_ms = time_ms
