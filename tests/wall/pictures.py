"""Pictures of every scene at the sizes of real walls, in calm, busy, flood, emergencies, stale data, to be looked at.

``python -m tests.wall.pictures DIR [--scenes overview,flood] [--sizes 1920x1080] [--moods calm]`` writes
``<scene>-<mood>-<size>.png``. Store, broker and wall run below a temporary folder and are ended with it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Browser, Page

from config import city as cities
from tests.e2e import desk
from tests.wall import feed
from tests.wall.stage import Stage
from tests.wall.whole import Whole, register_of

SIZES = ("1920x1080", "3840x2160", "7680x2160", "11520x3240")
MOODS = ("calm", "busy", "flood", "takeover", "two", "stale")
SCENES = (
    "overview",
    "holiday-crowd",
    "flood",
    "weather-warning",
    "appeals-cluster",
    "lift-rescue",
    "sources",
    "quality",
)
SETTLE_MS = 2_500
FILLED = "citybrain.state.online > 0.95 * citybrain.state.level.length"  # the heat comes in pieces at first
FILLED_S = 60
SHOT_MS = 300_000  # the widest wall has 37 million pixels, and there is no graphics card


class Shown(Stage):
    """The stage of the whole simulated city."""

    speaker = Whole


def main() -> None:
    """Take the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", default=",".join(SCENES))
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--moods", default=",".join(MOODS))
    parser.add_argument("--lang", default="zh", choices=("zh", "en"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    city = cities.load("chengdu")
    rows = register_of(city)
    with desk.chromium() as browser:
        for mood in given.moods.split(","):
            with (
                tempfile.TemporaryDirectory(prefix="wall-") as name,
                Shown(Path(name), rows, city) as stage,
            ):
                _take(browser, stage, mood, given)


def _take(browser: Browser, stage: Stage, mood: str, given: argparse.Namespace) -> None:
    """All pictures of one mood. A stale city is a busy one that has stopped."""
    moved = feed.MOODS["full" if mood in ("stale", "busy") else mood]
    stage.feed.write_past()
    stage.feed.populate(moved)
    stage.feed.write_all()
    stage.feed.write_sources(moved)
    stage.feed.write_room(moved)
    runs = threading.Thread(target=stage.feed.run, args=(moved,), daemon=True)
    runs.start()
    emergency = moved.emergencies > 0
    try:
        for size in given.sizes.split(","):
            page = desk.open_page(browser, tuple(map(int, size.split("x"))))  # type: ignore[arg-type]  # two of them
            for scene in ("takeover",) if emergency else given.scenes.split(","):
                _picture(page, stage, scene, mood, size, given)
            page.context.close()
    finally:
        stage.feed.stopped.set()
        runs.join()


def _picture(page: Page, stage: Stage, scene: str, mood: str, size: str, given: argparse.Namespace) -> None:
    address = "" if scene in ("overview", "takeover") else f"/{scene}"
    page.goto(f"{stage.url}/wall?display={stage.display()}")
    page.goto(f"{stage.url}/wall{address}?lang={given.lang}")
    desk.wait_until_live(page)
    for _ in range(FILLED_S * 4):  # asked again and again: a policy without eval forbids wait_for_function
        if page.evaluate(FILLED):
            break
        page.wait_for_timeout(250)
    if scene == "takeover":
        page.wait_for_selector(".scene.at-takeover.on .emergency", timeout=SHOT_MS)
    width, height = map(int, size.split("x"))
    page.wait_for_timeout(SETTLE_MS * max(1.0, width * height / 8_000_000))  # more pixels, fewer frames
    if mood == "stale" and not stage.feed.stopped.is_set():
        stage.feed.stopped.set()
        page.wait_for_timeout(13_000)
    path = given.folder / f"{scene}-{mood}-{size}.png"
    page.screenshot(path=path, timeout=SHOT_MS)
    print(path, flush=True)


if __name__ == "__main__":
    main()
