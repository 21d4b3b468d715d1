"""Dead letters: what could not be used goes to its topic with source, reason and bytes, and stops nobody else."""

from __future__ import annotations

import hashlib
import logging
import time

from config import contract
from models.values import DeadLetter, to_json
from streams.outbox import Outbox

log = logging.getLogger(__name__)


async def bury(
    outbox: Outbox, city: str, source: str, reason: str, body: bytes, format: str = "application/json", field: str = ""
) -> None:
    """Send one dead letter; its id is that of its content, so that the same letter sent twice is seen to be one."""
    name = hashlib.blake2b(f"{source}|{reason}|".encode() + body, digest_size=8).hexdigest()
    letter = DeadLetter(
        id=name, at=int(time.time() * 1000), source=source, reason=reason, field=field, body=body, format=format
    )
    log.warning("dead letter %s from %s: %s", name, source, reason)
    await outbox.send(contract.DEAD_LETTERS.of(city), name.encode(), to_json(letter))
