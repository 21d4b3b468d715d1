"""How soon the big screen shows what happened, and what 50 viewers cost, beside dcc.Interval and plotly's scattermap.

Chengdu with 95,000 cameras, every one with a new value each second, and 300 alerts that each change every second. A
browser without a GPU shows the wall at 7680×2160; a frame counts from the moment the change was written to the store to
the animation frame after the one in which it was drawn. Then 50 viewers hold the stream open beside it. The peer shows
the same cameras and alerts from the same store in the way Dash's manual has it; it is given a bounded time.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from bench.machine import cpu_s, rss_mb, tell
from bench.stage import Frames, Restless, browser_page, percentiles, wait_for
from citybrain.local.ports import free_port
from config import city as cities
from tests.wall import feed
from tests.wall.stage import Stage

CAMERAS, ALERTS, VIEWERS = 95_000, 300, 50
SIZE = (7680, 2160)
LIVE_S, SETTLE_S, FRAMES_S, VIEWERS_S = 180.0, 10.0, 40.0, 30.0
PEER_S, PEER_VIEWERS, PEER_VIEWERS_S = 40.0, 5, 10.0
SOFTWARE = ("--disable-gpu",)
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")  # scattermap draws with WebGL

# Says "painted NUMBER AT TOLD" when the frame that shows a step's alerts is out.
WALL_SCRIPT = """
const hook = () => {
  const app = window.citybrain;
  if (!app) return setTimeout(hook, 50);
  const seen = new Set();
  app.onpaint = (event, body) => {
    const values = Object.values(body.alerts?.set ?? {}).map((row) => row.value);
    const marks = new Set(values.filter((it) => it > 1e6 && !seen.has(it)));
    if (event !== "delta" || !marks.size) return;
    for (const mark of marks) seen.add(mark);
    requestAnimationFrame(() => { // called in the animation frame that draws: this is the one after
      for (const mark of marks) console.log(`painted ${mark} ${Date.now()} ${body.at}`);
    });
  };
};
hook();
"""
PEER_SCRIPT = """
let last = 0;
const hook = () => {
  const graph = document.querySelector(".js-plotly-plot");
  if (!graph?.on) return setTimeout(hook, 50);
  graph.on("plotly_afterplot", () => {
    const mark = graph.layout?.meta;
    if (!mark || mark.number === last) return;
    last = mark.number;
    const say = () => console.log(`painted ${mark.number} ${Date.now()} ${mark.at}`);
    requestAnimationFrame(() => requestAnimationFrame(say));
  });
};
hook();
"""


def main(as_json: bool) -> int:  # the result is always JSON
    """Run the benchmark; one JSON object on the last line."""
    city = cities.load("chengdu")
    with (
        tempfile.TemporaryDirectory(prefix="citybrain-bench-") as folder,
        Stage(Path(folder), feed.register(city, CAMERAS), city, answers=False) as stage,
        Restless(stage.feed, ALERTS) as restless,
    ):
        ours = _wall(stage, restless)
        print(ours, file=sys.stderr, flush=True)
        result = ours | {"peer": _peer(stage, restless)}
    return tell(result)


def _wall(stage: Stage, restless: Restless) -> dict[str, Any]:
    with browser_page(SIZE, WALL_SCRIPT, *SOFTWARE) as page:
        frames = Frames(page, restless)
        page.goto(f"{stage.url}/wall?display={stage.display()}")
        wait_for(page, lambda: bool(frames.late_ms), "the wall paints what changes", LIVE_S)
        page.wait_for_timeout(SETTLE_S * 1000)
        frames.clear()
        before = cpu_s(stage.pid)
        page.wait_for_timeout(FRAMES_S * 1000)
        one = (cpu_s(stage.pid) - before) / FRAMES_S
    late, told = percentiles(frames.late_ms), percentiles(frames.since_told_ms)
    share, each = asyncio.run(_watched(stage))
    return {
        "size": list(SIZE),
        "cameras_a_second": CAMERAS,
        "alerts_a_second": ALERTS,
        "frame_p50_ms": late[0],
        "frame_p95_ms": late[1],
        "told_to_frame_p50_ms": told[0],
        "told_to_frame_p95_ms": told[1],
        "frames": len(frames.late_ms),
        "steps": int(FRAMES_S * 5),
        "viewers": VIEWERS,
        "server_cpu_1_viewer": round(one, 4),
        "server_cpu_50_viewers": round(share, 4),
        "bytes_per_viewer_s": round(each),
        "server_rss_mb": round(rss_mb(stage.pid)),
    }


async def _watched(stage: Stage) -> tuple[float, float]:
    """The server's share of a core with 50 viewers, and bytes a second to each."""
    taken = [0] * VIEWERS
    token = stage.display()

    async def view(row: int) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=20)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=timeout) as session:
            await session.get(f"{stage.url}/wall", params={"display": token})
            async with session.get(f"{stage.url}/stream") as answer:
                answer.raise_for_status()
                async for part in answer.content.iter_any():
                    taken[row] += len(part)

    viewing = [asyncio.create_task(view(row)) for row in range(VIEWERS)]
    await asyncio.sleep(SETTLE_S)
    before, bytes_before, began = cpu_s(stage.pid), sum(taken), time.monotonic()
    await asyncio.sleep(VIEWERS_S)
    span = time.monotonic() - began
    share, each = (cpu_s(stage.pid) - before) / span, (sum(taken) - bytes_before) / span / VIEWERS
    broken = [task.exception() for task in viewing if task.done()]
    for task in viewing:
        task.cancel()
    await asyncio.gather(*viewing, return_exceptions=True)
    if broken:
        raise RuntimeError(f"{len(broken)} of {VIEWERS} viewers lost the stream") from broken[0]
    return share, each


def _peer(stage: Stage, restless: Restless) -> dict[str, Any]:
    """The same content by dcc.Interval and scattermap: what it reached in its time."""
    port = free_port()
    redis = stage.settings.redis
    assert redis is not None
    argv = [sys.executable, "-m", "bench.plain_dash", str(port), str(stage.folder), redis.get_secret_value()]
    process = subprocess.Popen(argv)
    url = f"http://127.0.0.1:{port}"
    try:
        _until_up(url)
        with browser_page(SIZE, PEER_SCRIPT, *SOFTWARE_GL) as page:
            frames = Frames(page, restless)
            page.goto(url, wait_until="commit")
            page.wait_for_timeout(PEER_S * 1000)
        late = percentiles(frames.late_ms)
        share, each, answered = asyncio.run(_polled(url, process.pid))
    finally:
        process.terminate()
        process.wait()
    return {
        "what": "dcc.Interval of 1 s, Patch, scattermap",
        "seconds": PEER_S,
        "frames": len(frames.late_ms),
        "frame_p50_ms": late[0],
        "frame_p95_ms": late[1],
        "viewers": PEER_VIEWERS,
        "server_cpu": round(share, 4),
        "answered_a_second": round(answered, 2),
        "bytes_per_viewer_s": round(each),
    }


def _until_up(url: str) -> None:
    end = time.monotonic() + LIVE_S
    while time.monotonic() < end:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(f"the peer at {url} did not start within {LIVE_S:g} s")


async def _polled(url: str, pid: int) -> tuple[float, float, float]:
    """Share of a core, bytes a second and answers a second for each of some viewers that ask as dcc.Interval does."""
    taken = answered = 0
    end = time.monotonic() + PEER_VIEWERS_S

    async def view(session: aiohttp.ClientSession) -> None:
        nonlocal taken, answered
        number = 1
        while time.monotonic() < end:
            began = time.monotonic()
            body = {
                "output": "map.figure",
                "outputs": {"id": "map", "property": "figure"},
                "inputs": [{"id": "tick", "property": "n_intervals", "value": number}],
                "changedPropIds": ["tick.n_intervals"],
            }
            async with session.post(f"{url}/_dash-update-component", json=body) as answer:
                answer.raise_for_status()
                taken += len(await answer.read())
            answered += 1
            number += 1
            await asyncio.sleep(max(began + 1.0 - time.monotonic(), 0))

    before, began = cpu_s(pid), time.monotonic()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(view(session) for _ in range(PEER_VIEWERS)))
    span = time.monotonic() - began
    return (cpu_s(pid) - before) / span, taken / span / PEER_VIEWERS, answered / span / PEER_VIEWERS


if __name__ == "__main__":
    sys.exit(main(True))
