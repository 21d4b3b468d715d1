"""Keeps a set of processes running: starts them in order, starts again what died, stops all and leaves no orphan."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from citybrain.local.environment import environment
from config.locks import HeldError, hold

log = logging.getLogger(__name__)
_LOG_BYTES = 16 * 1024 * 1024  # a log larger than this is set aside as .log.1 when its process starts
_LAST_LINES = 20
_POLL_S = 0.05
_BACKOFF_S = (0.2, 5.0)  # pause before a restart: the first, and the longest
_HEALTHY_S = 30.0  # a process that ran so long starts again with the shortest pause


class NotStarted(RuntimeError):
    """A process did not become ready; the message quotes what it said last."""


class FolderInUse(RuntimeError):
    """Another supervisor runs on the same data folder; the message names it."""


async def at_once() -> bool:
    """The readiness of a process that is ready as soon as it runs."""
    return True


@dataclass(frozen=True)
class Process:
    """One process to keep running.

    ``ready`` is asked again and again until it says true, at most ``ready_s`` s long. ``restart`` false: its end is
    reported and left at that. ``grace_s``: how long it may take to end in order before it is killed. ``env`` adds to
    this process's environment.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] = at_once
    ready_s: float = 30.0
    restart: bool = True
    grace_s: float = 10.0


@dataclass(frozen=True)
class Ended:
    """A process ended though nobody asked it to. ``code`` is negative for a signal; ``again_s`` None: stays down."""

    name: str
    code: int
    again_s: float | None
    said: str


class Supervisor:
    """Runs processes with their logs in DIR/log and their process ids in DIR/run/<name>.pid.

    To be used in the main thread: children die with the thread that started them.

    ``async with Supervisor(folder, on_end=print) as s: await s.start(process)``; leaving the block stops all.
    """

    def __init__(self, folder: Path, on_end: Callable[[Ended], object] | None = None) -> None:
        self._folder = folder
        self._on_end = on_end or _log_end
        self._running: dict[str, _Kept] = {}
        for name in ("log", "run"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder / "run" / "supervisor.lock")

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, process: Process) -> None:
        """Start a process and return when it is ready; raises ``NotStarted``."""
        if process.name in self._running:
            raise ValueError(f"{process.name} runs already")
        kept = self._running[process.name] = _Kept(process, self._folder)
        try:
            await kept.launch()
            await kept.until_ready()
        except BaseException:
            self._running.pop(process.name, None)  # it is gone already when all were stopped meanwhile
            await kept.stop()
            raise
        kept.watching = asyncio.create_task(kept.keep(self._on_end))

    def pid(self, name: str) -> int | None:
        """The process id of a running process; None while it is down."""
        return self._running[name].pid

    async def end(self, name: str) -> None:
        """Stop one process in order; nothing when it is not running."""
        if name in self._running:
            await self._running.pop(name).stop()

    async def stop(self) -> None:
        """Stop all in the reverse order of their start: SIGTERM, then SIGKILL when the grace is over."""
        for name in reversed(list(self._running)):
            await self._running.pop(name).stop()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def run_until(self, stop: asyncio.Event) -> None:
        """Wait for ``stop``, SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, stop.set)
        try:
            await stop.wait()
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


class _Kept:
    """One process and its files."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process = process
        self.log = folder / "log" / f"{process.name}.log"
        self._pid_file = folder / "run" / f"{process.name}.pid"
        self._child: asyncio.subprocess.Process | None = None
        self._started = 0.0
        self.watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, None while it is down."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def launch(self) -> None:
        """Start it, in a process group of its own."""
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        wrapped = [sys.executable, "-m", "citybrain.local.child", str(os.getpid()), *self.process.argv]
        with self.log.open("ab") as out:
            self._child = await asyncio.create_subprocess_exec(
                *wrapped,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment(self.process.env),
                start_new_session=True,
            )
        self._started = time.monotonic()
        self._pid_file.write_text(f"{self._child.pid}\n")

    async def until_ready(self) -> None:
        """Return when it is ready; raises ``NotStarted`` when it ended or takes too long."""
        until = time.monotonic() + self.process.ready_s
        while not await self.process.ready():
            assert self._child is not None
            if self._child.returncode is not None:
                raise NotStarted(
                    f"{self.process.name} ended with code {self._child.returncode} before it was ready\n{self.said()}"
                )
            if time.monotonic() > until:
                raise NotStarted(f"{self.process.name} is not ready after {self.process.ready_s:g} s\n{self.said()}")
            await asyncio.sleep(_POLL_S)

    async def keep(self, on_end: Callable[[Ended], object]) -> None:
        """Start it again whenever it ends, with a growing pause."""
        pause = _BACKOFF_S[0]
        while True:
            assert self._child is not None
            code = await self._child.wait()
            self._pid_file.unlink(missing_ok=True)
            self._kill_group(signal.SIGKILL)  # its own children, if it left any
            pause = _BACKOFF_S[0] if time.monotonic() - self._started > _HEALTHY_S else pause
            on_end(Ended(self.process.name, code, pause if self.process.restart else None, self.said()))
            if not self.process.restart:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _BACKOFF_S[1])
            try:
                await self.launch()
            except OSError as error:  # no memory, no process ids: the next round tries again
                log.error("%s cannot be started again: %s", self.process.name, error)

    async def stop(self) -> None:
        """End it in order, or kill it; its group with it."""
        if self.watching is not None:
            self.watching.cancel()
            await asyncio.gather(self.watching, return_exceptions=True)
        if self._child is None:
            return
        if self._child.returncode is None:
            self._kill_group(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._child.wait(), self.process.grace_s)
            except TimeoutError:
                log.warning("%s did not end within %g s and is killed", self.process.name, self.process.grace_s)
        self._kill_group(signal.SIGKILL)
        await self._child.wait()
        self._pid_file.unlink(missing_ok=True)

    def _kill_group(self, number: signal.Signals) -> None:
        assert self._child is not None
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            return  # all of it has ended

    def said(self) -> str:
        """The last lines of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join(f"  | {line}" for line in lines)


def _log_end(ended: Ended) -> None:
    again = "stays down" if ended.again_s is None else f"starts again in {ended.again_s:g} s"
    log.warning("%s ended with code %d and %s\n%s", ended.name, ended.code, again, ended.said)


def _lock(path: Path) -> int:
    """Take the folder for this process; raises ``FolderInUse``."""
    try:
        return hold(path)
    except HeldError as error:
        raise FolderInUse(
            f"{path.parent.parent} is in use by process {error.holder}; stop it first, or choose another folder"
        ) from None
