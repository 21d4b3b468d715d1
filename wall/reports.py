"""Reports for download: ``citybrain report shift`` and ``after-action``, run beside the wall: nothing waits."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from config.settings import Settings
from wall.words import Language

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
FORMS = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
LIMIT_S = 90.0
TOLD = 300  # characters of what a report that failed said last


class NoReport(RuntimeError):
    """The report was not made; the message is what the command said last."""


class Reports:
    """Makes one report at a time for the city of ``settings``; ``command`` is how this machine starts ``citybrain``."""

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._one = asyncio.Semaphore(1)
        self._env = dict(os.environ) | {"CITYBRAIN_DATA": str(settings.data), "CITYBRAIN_CITY": settings.city}
        if settings.redis is not None:
            self._env["CITYBRAIN_REDIS"] = settings.redis.get_secret_value()

    async def shift(self, form: str, lang: Language) -> bytes:
        """The report of the shift that ends now; ``form`` is one of ``FORMS``. Raises ``NoReport``."""
        async with self._one:
            with tempfile.TemporaryDirectory(prefix="citybrain-report-") as folder:
                path = Path(folder) / f"shift.{form}"
                await self._run("report", "shift", "--lang", lang, "-o", str(path))
                return path.read_bytes()

    async def after_action(self, incident: str, form: str, lang: Language) -> bytes:
        """The report on one incident; ``form`` is one of ``FORMS`` or docx. Raises ``NoReport``."""
        async with self._one:
            with tempfile.TemporaryDirectory(prefix="citybrain-report-") as folder:
                path = Path(folder) / f"after-action.{form}"
                await self._run("after-action", "--language", lang, "-o", str(path), "--", incident)
                return path.read_bytes()

    async def _run(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command, *words, env=self._env, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(LIMIT_S):
                _, said = await process.communicate()
        except TimeoutError as error:
            raise NoReport(f"the report took longer than {LIMIT_S:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise NoReport(said.decode("utf-8", "replace").strip()[-TOLD:] or f"exit code {process.returncode}")
