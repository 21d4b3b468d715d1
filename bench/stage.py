"""A city that changes everywhere each second, and a browser that tells when a frame of it was painted.

Shared by the benchmarks of the wall; the store, the broker and the wall are real processes.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from playwright.sync_api import Page, sync_playwright
from redis import Redis

from config import contract
from models.values import Alert, to_json
from tests.wall.feed import MOODS, STEP_S, Feed

STEPS = 5  # to a second: in each a fifth of the cameras speaks and a fifth of the alerts changes
ARGUMENTS = ["--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
PAINTED = "painted"


class Restless(threading.Thread):
    """Writes new values of every datastream and every alert to the store, each once a second, inside its ``with``.

    Each step has a number, which the alerts changed in it have as their value; ``sent`` (ms since 1970) says when.
    """

    def __init__(self, feed: Feed, alerts: int, pace: float = 1.0) -> None:
        super().__init__(daemon=True)
        self.feed = feed
        self.pace = pace  # times as fast
        self.sent: dict[int, float] = {}
        self.failed: BaseException | None = None
        self._redis: Redis = feed.redis
        self._held: list[tuple[Alert, Alert]] = []  # each as it waits for a person, and as somebody has it
        self._alerts = alerts
        self._phase = feed.rng.integers(0, STEPS, len(feed.register))

    def prepare(self) -> None:
        """The city before anything moves."""
        feed = self.feed
        feed.write_past()
        feed.write_all()
        feed.write_sources(MOODS["busy"])
        levels = np.clip(np.arange(self._alerts) // 12, 1, 3)  # two dozen Severe, a dozen Moderate, the rest Minor
        for number, level in enumerate(levels[::-1]):
            alert = feed.make(int(level), number, ago_s=5.0 * number)
            at = alert.opened + 45_000
            held = replace(alert, state="acknowledged", acknowledged_by="陈刚", acknowledged_at=at)
            self._held.append((alert, held))
            feed.put(alert)

    def __enter__(self) -> Restless:
        self.prepare()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop before the store does; an error in the thread is the benchmark's."""
        self.feed.stopped.set()
        self.join()
        if self.failed is not None:
            raise self.failed

    def run(self) -> None:
        """Step until the feed is stopped."""
        due = time.monotonic()
        step = 0
        try:
            while not self.feed.stopped.is_set():
                step += 1
                self._cameras(step)
                self._change(step)
                if step % STEPS == 0:
                    self.feed.write_zones()
                    self.feed.write_sources(MOODS["busy"])
                due += STEP_S / self.pace
                self.feed.stopped.wait(max(due - time.monotonic(), 0))
        except BaseException as error:  # raised again where the ``with`` ends
            self.failed = error

    def _cameras(self, step: int) -> None:
        self.feed.speak((self._phase == step % STEPS) & ~self.feed.silent)

    def _change(self, step: int) -> None:
        """A fifth of the alerts: each has a new value, every tenth, grave ones among them, another state."""
        number = 1_000_000 + step
        phase, turned = step % STEPS, step // STEPS % 2 == 1
        with self._redis.pipeline(transaction=False) as pipe:
            for row in range(phase, len(self._held), STEPS):
                alert = self._held[row][turned and (len(self._held) - 1 - row) // STEPS % 10 == phase]
                changed = replace(alert, detection=replace(alert.detection, value=float(number)))
                pipe.hset(contract.alerts(self.feed.city.id), alert.id, to_json(changed))
                pipe.publish(contract.changes(self.feed.city.id), b'{"what":"alert","id":"%s"}' % alert.id.encode())
            self.sent[number] = time.time() * 1000
            pipe.execute()


class Frames:
    """What a page said of its painted frames: ``late_ms`` (frames,) from the change in the store to the frame."""

    def __init__(self, page: Page, restless: Restless) -> None:
        self.late_ms: list[float] = []
        self.since_told_ms: list[float] = []
        self._restless = restless
        page.on("console", lambda message: self._hear(message.text))

    def clear(self) -> None:
        """Begin to count."""
        self.late_ms.clear()
        self.since_told_ms.clear()

    def _hear(self, text: str) -> None:
        if not text.startswith(PAINTED):
            return
        number, painted, told = (float(part) for part in text.split()[1:])
        if int(number) in self._restless.sent:
            self.late_ms.append(painted - self._restless.sent[int(number)])
            self.since_told_ms.append(painted - told)


def percentiles(values: list[float]) -> tuple[float | None, float | None]:
    """The 50th and 95th percentile; None without values."""
    if not values:
        return None, None
    p50, p95 = np.percentile(values, [50, 95])
    return round(float(p50), 1), round(float(p95), 1)


@contextmanager
def browser_page(size: tuple[int, int], script: str, *more: str) -> Iterator[Page]:
    """A page of ``size`` in Chromium without a window; ``script`` runs before anything of the page."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=[*ARGUMENTS, *more])
        page = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN").new_page()
        page.add_init_script(script)
        try:
            yield page
        finally:
            browser.close()


def children(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += children(int(path.parent.name))
    return found


def wait_for(page: Page, true: Any, what: str, seconds: float) -> None:
    """Until ``true()`` says so, while the page's messages are heard."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        page.wait_for_timeout(100)
