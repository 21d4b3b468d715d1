"""The sessions of one wall: asked for by a file or a request, opened when somebody looks, closed when nobody does."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from pathlib import Path

import msgspec
import numpy as np

from config.register import Register
from wall.board import Board
from wall.replay.recording import Ask, Open, ReplayError
from wall.replay.session import CADENCES, Session

MOST = 8  # sessions open at a time; each reads the disk
IDLE_S = 600.0  # a session at which nobody looks is closed
KEPT_S = 7 * 86_400.0  # an address can be opened again for so long
_NAME = re.compile(r"[0-9a-f]{12}")


def declare(folder: Path, ask: Ask) -> str:
    """Ask for a session: leave word in ``folder``; its name, which is the end of its address."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        if time.time() - old.stat().st_mtime > KEPT_S:
            old.unlink(missing_ok=True)
    name = secrets.token_hex(6)
    part = folder / f"{name}.part"
    part.write_bytes(msgspec.json.encode(ask))
    part.replace(folder / f"{name}.json")
    return name


class Sessions:
    """All sessions of a wall over ``register``; ``open`` opens a recording, ``folder`` holds what was asked for."""

    def __init__(self, folder: Path, city: str, register: Register, properties: list[str], open: Open) -> None:
        self.folder = folder
        self._city = city
        self._open = open
        self._live: dict[str, Session] = {}
        self._turn = asyncio.Lock()
        kind = {name: row for row, name in enumerate(properties)}
        self._kind = np.array([kind[p] for p in register.frame["property"]], np.uint8)
        self._properties = len(properties)
        cadence = register.frame["cadence_s"].fill_null(60.0).to_numpy()
        self._patience_s = np.maximum(cadence * CADENCES, 60.0)

    async def get(self, name: str) -> Session:
        """The session of that name, opened when it is not; raises ``ReplayError``."""
        async with self._turn:
            if name in self._live:
                return self._live[name]
            ask = self._asked(name)
            await self._make_room()
            recording = await asyncio.to_thread(self._open, ask)
            board = Board(self._kind, self._properties)
            session = self._live[name] = Session(name, ask, recording, self._city, board, self._patience_s)
            return session

    async def close(self) -> None:
        """End all of them."""
        for session in self._live.values():
            await session.close()
        self._live.clear()

    def _asked(self, name: str) -> Ask:
        path = self.folder / f"{name}.json"
        if not _NAME.fullmatch(name) or not path.exists():
            raise ReplayError(f"there is no replay session {name!r}; make one with `citybrain replay`")
        return msgspec.json.decode(path.read_bytes(), type=Ask)

    async def _make_room(self) -> None:
        now = time.monotonic()
        for name, session in list(self._live.items()):
            if not session.viewers and (now - session.idle_since > IDLE_S or len(self._live) >= MOST):
                await session.close()
                del self._live[name]
        if len(self._live) >= MOST:
            raise ReplayError(f"{len(self._live)} replay sessions are open, at most {MOST} can be; close one of them")
