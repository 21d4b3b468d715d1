"""The product's own command line as a tool: dead letters, audit, forecasts and re-runs, each in a child process.

What they read lies in the broker's log and the archive, and may take a core for a minute: in a process of its own it
neither slows the pushed stream nor leaves its memory behind, and it can be stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

import msgspec

from config.settings import Settings

COMMAND = (sys.executable, "-m", "citybrain")
ANSWER_S = 90.0  # usually one or two
OUTPUT_LIMIT = 16 * 1024 * 1024  # of one answer
LINE_LIMIT = 64 * 1024
TOGETHER = 2  # answers made at once; a third one waits
NICE = 10  # of long work: the live city goes first


class ToolError(RuntimeError):
    """A command ended with an error; the message is the line it said."""


class Tools:
    """Runs commands of the product with the settings of this process."""

    def __init__(self, settings: Settings, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self._environment = {**os.environ, **environment(settings)}
        self._free = asyncio.Semaphore(TOGETHER)

    async def start(self, *words: str, nice: int = 0) -> Process:
        """The command ``words`` as a running process, with pipes for what it says."""
        process = await asyncio.create_subprocess_exec(
            *self._command, *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=LINE_LIMIT,
            env=self._environment,
        )  # fmt: skip
        if nice:
            with contextlib.suppress(ProcessLookupError):  # it may be over already
                os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        return process

    async def ask(self, *words: str, good: tuple[int, ...] = (0,)) -> Any:
        """What the command prints as JSON in its last line; raises ``ToolError``.

        ``good`` are the exit codes with which it has answered.
        """
        return answer(await self._ran(words, good))

    async def made(self, *words: str, name: str) -> bytes:
        """The file that the command writes where ``-o`` says, under ``name``; raises ``ToolError``."""
        with tempfile.TemporaryDirectory(prefix="citybrain-planner-") as folder:
            path = Path(folder) / name
            await self._ran((*words, "-o", str(path)), (0,))
            return await asyncio.to_thread(path.read_bytes)

    async def _ran(self, words: tuple[str, ...], good: tuple[int, ...]) -> bytes:
        """What the command prints, once it has ended with one of ``good``."""
        async with self._free:
            process = await self.start(*words)
            try:
                async with asyncio.timeout(ANSWER_S):
                    out, said = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
                    code = await process.wait()
            except TimeoutError:
                raise ToolError(f"no answer within {ANSWER_S:g} s; the machine is busy: try again") from None
            finally:
                await end(process)
        if code not in good or (code and not out.strip()):  # a fault of the command has words and no answer
            raise ToolError(last_line(said) or f"the command ended with {code}")
        return out


def environment(settings: Settings) -> dict[str, str]:
    """The settings that a command needs to work on the same city."""
    known = {
        "CITYBRAIN_CITY": settings.city,
        "CITYBRAIN_DATA": str(settings.data),
        "CITYBRAIN_CITIES": str(settings.cities) if settings.cities else "",
        "CITYBRAIN_KAFKA": settings.kafka or "",
        "CITYBRAIN_REDIS": settings.redis.get_secret_value() if settings.redis else "",
        "CITYBRAIN_HOST": settings.host,
        "CITYBRAIN_GATEWAY_PORT": str(settings.gateway_port),
    }
    return {name: value for name, value in known.items() if value}


def answer(out: bytes) -> Any:
    """The JSON in the last line of ``out``; raises ``ToolError`` where there is none."""
    lines = out.strip().splitlines()
    try:
        return msgspec.json.decode(lines[-1] if lines else b"")
    except msgspec.DecodeError as error:
        raise ToolError(f"the command's answer cannot be read: {error}") from error


def last_line(said: bytes) -> str:
    """The last line that a command said about itself."""
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


async def end(process: Process) -> None:
    """See that the process is over, gently first."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _bounded(pipe: asyncio.StreamReader | None) -> bytes:
    """All that comes out of a pipe; raises ``ToolError`` when it is more than can be shown."""
    assert pipe is not None
    body = bytearray()
    while part := await pipe.read(LINE_LIMIT):
        body += part
        if len(body) > OUTPUT_LIMIT:
            raise ToolError(f"the answer is longer than {OUTPUT_LIMIT >> 20} MB; ask for fewer lines")
    return bytes(body)
