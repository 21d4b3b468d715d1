"""The register as it grows: read again when its file changes, so that new datastreams are known without a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from polars.exceptions import PolarsError

from config.register import Register, RegisterError, load
from config.stamps import stamp

LOOK_S = 5.0

log = logging.getLogger(__name__)


async def follow(path: Path, use: Callable[[Register], None], look_s: float = LOOK_S) -> None:
    """Give ``use`` the register each time its file changes, for ever; one that cannot be read is told and left."""
    known = stamp(path)
    while True:
        await asyncio.sleep(look_s)
        now = stamp(path)
        if now is None or now == known:
            continue
        known = now
        try:
            register = await asyncio.to_thread(_ready, path)
        except (RegisterError, PolarsError, OSError) as error:
            log.error("the register cannot be read, the one before stays: %s", error)
        else:
            use(register)
            log.info("the register has %d datastreams now", len(register))


def _ready(path: Path) -> Register:
    """The register with its index made, which takes a while and is done aside."""
    register = load(path)
    _ = register.index, register.units
    return register
