"""Whether the wall can run for weeks: memory of the server and of the page over time, at several times the usual speed.

The city of ``bench wall`` runs at ``--speed`` times the pace, a browser shows the wall, and memory is taken every few
seconds: the server's resident memory, and the page's heap after its garbage was collected. Flat means that the line
through the second half of the samples changes by no more than five per cent of its level over that half.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import CDPSession

from bench.machine import rss_mb, tell
from bench.stage import Restless, browser_page, wait_for
from citybrain.local.ports import free_port
from config import city as cities
from config.pack import milliseconds
from tests.wall import feed
from tests.wall.stage import Stage

CAMERAS, ALERTS = 95_000, 300
SIZE = (1920, 1080)
SPEED = 6.0
EVERY_S = 10.0
LIVE_S = 60.0
FLAT = 0.05
SCRIPT = "const tell = () => window.citybrain?.state?.seq > 0 ? console.log('live') : setTimeout(tell, 100); tell();"


def main(as_json: bool, lasts: str = "10m") -> int:  # the result is always JSON
    """Run the benchmark for ``lasts``; one JSON object on the last line."""
    seconds = milliseconds(lasts) / 1000
    city = cities.load("chengdu")
    with (
        tempfile.TemporaryDirectory(prefix="citybrain-bench-") as folder,
        Stage(Path(folder), feed.register(city, CAMERAS), city, port=free_port(), answers=False) as stage,
        Restless(stage.feed, ALERTS, SPEED) as restless,
        browser_page(SIZE, SCRIPT, "--disable-gpu") as page,
    ):
        live: list[str] = []
        page.on("console", lambda message: live.append(message.text))
        page.goto(f"{stage.url}/wall?display={stage.display()}")
        wait_for(page, lambda: "live" in live, "the wall is live", LIVE_S)
        tools = page.context.new_cdp_session(page)
        samples: list[tuple[float, float, float]] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            page.wait_for_timeout(EVERY_S * 1000)
            samples.append((seconds - (end - time.monotonic()), rss_mb(stage.pid), heap_mb(tools)))
            print(
                f"{samples[-1][0]:7.0f} s  server {samples[-1][1]:.1f} MB  heap {samples[-1][2]:.2f} MB",
                file=sys.stderr,
            )
        steps = len(restless.sent)
    at, server, heap = np.array(samples).T
    return tell({"seconds": round(seconds), "speed": SPEED, "samples": len(samples), "steps": steps,
                 "city_seconds": steps / 5, "server": line(at, server), "heap": line(at, heap)})  # fmt: skip


def heap_mb(tools: CDPSession) -> float:
    """What the page's scripts hold after the garbage is gone, MB."""
    tools.send("HeapProfiler.collectGarbage")
    return float(tools.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


def line(at: Any, level: Any) -> dict[str, Any]:
    """How ``level`` (samples,) MB goes over ``at`` (samples,) s in its second half, and whether that is flat."""
    half = len(at) // 2
    late, held = at[half:], level[half:]
    slope, _ = np.polyfit(late, held, 1) if len(late) > 1 else (float("nan"), 0.0)
    change = slope * (late[-1] - late[0]) / held.mean()
    return {
        "first_mb": round(float(level[0]), 1),
        "last_mb": round(float(level[-1]), 1),
        "highest_mb": round(float(level.max()), 1),
        "mb_per_hour": round(float(slope * 3600), 2),
        "change_of_second_half": round(float(change), 4),
        "flat": bool(abs(change) <= FLAT),
    }


if __name__ == "__main__":
    sys.exit(main(True, *sys.argv[1:2]))
