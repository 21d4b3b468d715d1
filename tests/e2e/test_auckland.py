"""The way through, on real counts: Auckland's New Year's Eve becomes an alert that a dispatcher acknowledges."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from citybrain.local.ports import free_port
from tests.e2e import desk

pytestmark = [
    pytest.mark.skipif(desk.CHROMIUM is None, reason="no chromium on this machine; install Debian's package chromium"),
    pytest.mark.timeout(720),
]
START_S = 120.0
SEVERAL = """() => [...window.citybrain.state.alerts.values()]
  .filter((alert) => alert.kind !== 'data-quality' && alert.state.includes('unacknowledged')).length >= 3"""


class Demo:
    """``citybrain demo --city auckland`` as a person starts it, in a folder and on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.said: list[str] = []
        env = os.environ | {"CITYBRAIN_DATA": str(folder), "CITYBRAIN_GATEWAY_PORT": str(free_port())}
        command = [sys.executable, "-m", "citybrain", "demo", "--city", "auckland", "--port", str(self.port), "--json"]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()
        self.password = self._wait(r"login: dispatcher / (\S+)")[1]

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)

    def _wait(self, pattern: str) -> re.Match[str]:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            found = re.search(pattern, "".join(self.said))
            if found:
                return found
            assert self.process.poll() is None, "".join(self.said)
            time.sleep(0.1)
        raise AssertionError(f"not said within {START_S} s: {pattern}\n{''.join(self.said)}")

    def stand_still(self) -> None:
        """Hold the feed: two hours go by in a second, and hands want the city to stand still."""
        os.killpg(int((self.folder / "run" / "feed.pid").read_text()), signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the feed go on, and wait until it has counted what was under way."""
        before = self._accepted()
        os.killpg(int((self.folder / "run" / "feed.pid").read_text()), signal.SIGCONT)
        until = time.monotonic() + START_S
        while self._accepted() == before and time.monotonic() < until:
            time.sleep(0.1)

    def _accepted(self) -> int:
        return int(json.loads((self.folder / "auckland" / "feed-counts.json").read_text())["accepted"])

    def stop(self) -> dict[str, float]:
        """Ctrl-C; the summary."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=90)
        summary: dict[str, float] = json.loads(out.splitlines()[-1])
        return summary


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with desk.chromium() as browser:
        yield browser


def test_new_years_eve_is_acknowledged_by_mouse_and_keys_and_seen_by_others(tmp_path: Path, chromium: Browser) -> None:
    """An alert of the real night appears without a reload; two are acknowledged; a second browser sees both."""
    demo = Demo(tmp_path)
    try:
        first, second = (desk.open_page(chromium) for _ in range(2))
        for page in (first, second):
            desk.login(page, demo.url, "dispatcher", demo.password)
        desk.show_all(first)  # at this speed the night is a flood, and the queue of what is open folds
        night = first.locator(".queue .row", has_text=re.compile(r"一小时行人 [12]\d,\d{3} 人次，为平时的")).first
        expect(night).to_be_visible(timeout=480_000)
        _stand_still_with_several(demo, first)
        one = desk.acknowledge_one_by_mouse(first, "seen on the waterfront cameras")
        _wait_acknowledged(second, one)
        other = desk.acknowledge_another_by_keyboard(first, but=one)
        _wait_acknowledged(second, other)
        assert desk.elsewhere(first) == desk.elsewhere(second) == []
    finally:
        demo.go_on()
        summary = demo.stop()
    assert summary["accepted"] == summary["scored"] == summary["archived"] > 150_000
    assert summary["acknowledged"] >= 2


def _stand_still_with_several(demo: Demo, page: Page) -> None:
    """Hold the feed at a moment at which several alerts wait, also once what was under way has come through."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        desk.until(page, SEVERAL, timeout_s=120)
        demo.stand_still()
        told, since = None, time.monotonic()
        while time.monotonic() - since < 5:
            now = page.evaluate("window.citybrain.state.time")
            if now != told:
                told, since = now, time.monotonic()
            page.wait_for_timeout(100)
        if page.evaluate(SEVERAL):
            return
        demo.go_on()
    raise TimeoutError("never did several alerts wait while the feed was held")


def _wait_acknowledged(page: Page, alert: str) -> None:
    """Until this browser shows that the alert was acknowledged: held, or closed where it had returned before."""
    seen = "(id) => ['acknowledged', 'normal', undefined].includes(window.citybrain.state.alerts.get(id)?.state)"
    desk.until(page, seen, alert)
