"""Long work that a planner asked for: begun, watched, stopped, and its result kept for a while."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import uuid
from asyncio.subprocess import Process
from typing import Any, Literal

import msgspec

from wall.planner.tools import NICE, ToolError, Tools, answer, end

log = logging.getLogger(__name__)
RUNNING = 2  # at once, of all planners together
KEPT = 20  # results
PROGRESS = re.compile(r"progress ([01](?:\.[0-9]+)?)(?: (.*))?")
OUTPUT_LIMIT = 16 * 1024 * 1024


class Busy(RuntimeError):
    """No more work can be begun now; the message says why."""


class Job(msgspec.Struct, kw_only=True):
    """One piece of work; ``progress`` from 0 to 1, None where it is not known, ``note`` what is done now."""

    id: str
    what: str
    by: str
    began: int
    state: Literal["running", "done", "failed", "stopped"] = "running"
    progress: float | None = None
    note: str = ""
    error: str = ""
    asked: dict[str, Any] = {}
    result: Any = None
    ended: int | None = None


class Jobs:
    """The work of one wall. A command tells how far it is in lines ``progress 0.42 note`` on standard error."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def listed(self) -> list[Job]:
        """All that is known, the newest first."""
        return sorted(self._jobs.values(), key=lambda job: -job.began)

    def find(self, name: str) -> Job | None:
        """One job."""
        return self._jobs.get(name)

    def begin(self, what: str, by: str, words: tuple[str, ...], asked: dict[str, Any], good: tuple[int, ...]) -> Job:
        """Begin the command ``words``; exit codes ``good`` bring a result. Raises ``Busy``."""
        if len(self._tasks) >= RUNNING:
            raise Busy(f"{len(self._tasks)} jobs run already, {RUNNING} are the most; wait for one or stop it")
        job = Job(id=uuid.uuid4().hex, what=what, by=by, began=time.time_ns() // 1_000_000, asked=asked)
        self._jobs[job.id] = job
        task = asyncio.create_task(self._run(job, words, good), name=f"{what} {job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))
        for old in self.listed()[KEPT:]:
            if old.state != "running":
                del self._jobs[old.id]
        return job

    async def stop(self, name: str) -> Job | None:
        """Stop a job that runs; what is over stays what it is."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        return self._jobs.get(name)

    async def close(self) -> None:
        """Stop all of them."""
        for name in list(self._tasks):
            await self.stop(name)

    async def _run(self, job: Job, words: tuple[str, ...], good: tuple[int, ...]) -> None:
        process: Process | None = None
        try:
            process = await self._tools.start(*words, nice=NICE)
            out, said = await asyncio.gather(_read(process), self._follow(job, process))
            code = await process.wait()
            if code in good and out.strip():
                job.result, job.state, job.progress = answer(out), "done", 1.0
            else:
                job.error, job.state = said or f"the command ended with {code}", "failed"
        except asyncio.CancelledError:
            job.state = "stopped"
        except (ToolError, OSError) as error:
            job.error, job.state = str(error), "failed"
            log.warning("%s for %s failed: %s", job.what, job.by, error)
        finally:
            if process is not None:
                await end(process)
            job.ended = time.time_ns() // 1_000_000

    async def _follow(self, job: Job, process: Process) -> str:
        """Note how far it is; the last line that is no progress."""
        assert process.stderr is not None
        said = ""
        while line := await _line(process.stderr):
            found = PROGRESS.fullmatch(line)
            if found is None:
                said = line or said
            else:
                job.progress, job.note = min(float(found[1]), 1.0), found[2] or ""
        return said


async def _line(pipe: asyncio.StreamReader) -> str:
    """The next line that says something, without its end; empty at the end of all."""
    while True:
        try:
            data = await pipe.readline()
        except ValueError:  # a line over the limit; what was read of it is gone
            continue
        text = data.decode("utf-8", "replace").strip()
        if text or not data:
            return text


async def _read(process: Process) -> bytes:
    """What the command prints, no more than can be shown."""
    assert process.stdout is not None
    body = bytearray()
    while part := await process.stdout.read(65_536):
        body += part
        if len(body) > OUTPUT_LIMIT:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            raise ToolError(f"the result is longer than {OUTPUT_LIMIT >> 20} MB; take a shorter span")
    return bytes(body)
