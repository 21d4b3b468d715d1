"""Steps that a dispatcher takes in a browser; the same ones for the wall's own tests and for the full stack."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Locator, Page, Request, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desk": (1920, 1080), "wide": (7680, 2160)}
SAID_MS = 40_000  # an acknowledgement can be taken back for 5 s before it is carried out
LIVE_S = 120.0  # from an empty page to a live one on a busy machine
expect.set_options(timeout=20_000)  # a page on a busy machine; what must be quick is measured by its own test


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def open_page(browser: Browser, size: tuple[int, int] = (1920, 1080), lang: str = "zh-CN") -> Page:
    """A page of a browser of its own, with its own cookies; what it asks for is in ``elsewhere(page)``."""
    width, height = size
    page = browser.new_context(viewport={"width": width, "height": height}, locale=lang).new_page()
    page.elsewhere = []  # type: ignore[attr-defined]  # kept with the page it is about
    page.on("request", lambda request: _note(page, request))
    return page


def elsewhere(page: Page) -> list[str]:
    """What the page asked of any other machine."""
    found: list[str] = page.elsewhere  # type: ignore[attr-defined]  # set by open_page
    return found


def login(page: Page, url: str, user: str, password: str) -> None:
    """From the login form to a live desk."""
    page.goto(f"{url}/login?next=/desk")
    page.fill("#user", user)
    page.fill("#password", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/desk")
    wait_until_live(page)


def wait_until_live(page: Page) -> None:
    """Until the page shows the first snapshot."""
    until(page, "() => window.citybrain?.state?.seq > 0 && window.citybrain.connected", timeout_s=LIVE_S)


def until(page: Page, true: str, arg: Any = None, timeout_s: float = 60.0) -> None:
    """Until the JavaScript function ``true`` says so. (Playwright's own wait needs eval, which the pages forbid.)"""
    end = time.monotonic() + timeout_s
    while not _said(page, true, arg):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout_s:g} s: {true} with {arg}")
        page.wait_for_timeout(20)


def _said(page: Page, true: str, arg: Any) -> Any:
    """What the function says; None while the page loads itself anew, as it does when another build answers."""
    try:
        return page.evaluate(true, arg)
    except Error as error:
        if "context was destroyed" in str(error):
            return None
        raise


def row(page: Page, alert: str) -> Locator:
    """The alert's row of the queue."""
    return page.locator(f'.queue .row[data-id="{alert}"]')


def wait_for_alert(page: Page, alert: str, timeout_s: float = 60.0) -> None:
    """Until the queue shows the alert; the page is not loaded again."""
    expect(row(page, alert)).to_be_attached(timeout=timeout_s * 1000)


def wait_for_state(page: Page, alert: str, state: str, timeout_s: float = 60.0) -> None:
    """Until the page knows the alert to be in ``state`` ("gone": no longer there)."""
    known = """([id, state]) => { const all = window.citybrain?.state?.alerts;
      return all && (all.get(id)?.state ?? 'gone') === state; }"""
    until(page, known, [alert, state], timeout_s)


def show_all(page: Page) -> None:
    """Show acknowledged alerts in the queue too."""
    page.locator(".filter button").nth(1).click()


def choose(page: Page, alert: str) -> None:
    """Choose the alert and wait until the desk shows it."""
    row(page, alert).click()
    until(page, "(id) => window.citybrain.chosen === id", alert)


def press_on(page: Page, alert: str, key: str) -> None:
    """Choose the alert and press a key."""
    choose(page, alert)
    page.keyboard.press(key)


def acknowledge_by_mouse(page: Page, alert: str, comment: str = "") -> None:
    """Choose the alert, say something, press the button, and wait until the desk says it is done."""
    row(page, alert).click()
    if comment:
        page.fill(".detail .act input", comment)
    page.click(".detail .act button")
    expect_said(page, "done")


def acknowledge_by_keyboard(page: Page, alert: str) -> None:
    """Walk to the alert with j and k and press a."""
    ids = page.evaluate("window.citybrain.parts.find((part) => part.move).ids")
    chosen = page.evaluate("window.citybrain.chosen")
    steps = ids.index(alert) - (ids.index(chosen) if chosen in ids else 0)
    for _ in range(abs(steps)):
        page.keyboard.press("j" if steps > 0 else "k")
    until(page, "(id) => window.citybrain.chosen === id", alert)
    page.keyboard.press("a")
    expect_said(page, "done")


WAITING = "([id, but]) => id !== but && window.citybrain.state.alerts.get(id)?.state.includes('unacknowledged')"


def acknowledge_one_by_mouse(page: Page, comment: str, timeout_s: float = 120.0) -> str:
    """Choose an alert that waits and press the button, again until one is acknowledged; which one it was.

    In a replay at speed an alert may come back to normal, and another begin, while one reaches for it.
    """
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        ids = page.evaluate("window.citybrain.parts.find((part) => part.move).ids")
        alert = next((one for one in ids if page.evaluate(WAITING, [one, ""])), None)
        try:
            if alert is not None:
                row(page, alert).click(timeout=2_000)
                page.fill(".detail .act input", comment, timeout=2_000)
                page.click(".detail .act button", timeout=2_000)
                if _is_done(page, alert):
                    return str(alert)
        except Error as error:  # it went while we reached for it
            assert "Timeout" in str(error), error
        page.wait_for_timeout(200)
    raise TimeoutError(f"no alert could be acknowledged within {timeout_s:g} s")


def acknowledge_another_by_keyboard(page: Page, but: str, timeout_s: float = 120.0) -> str:
    """Walk with j and k to an unacknowledged alert that is not ``but`` and press a; which one it was.

    In a flood rows come and go while one walks, so what is chosen is looked at again after each step.
    """
    end = time.monotonic() + timeout_s
    for step in itertools.count():
        page.keyboard.press("k" if step // 40 % 2 == 0 else "j")  # what waits stands above what is held
        chosen = page.evaluate("window.citybrain.chosen")
        if chosen and page.evaluate(WAITING, [chosen, but]):
            page.keyboard.press("a")
            if _is_done(page, chosen):
                return str(chosen)
        if time.monotonic() > end:
            raise TimeoutError(f"no other unacknowledged alert within {timeout_s:g} s")
        page.wait_for_timeout(200)
    raise AssertionError("not reached")


def _is_done(page: Page, alert: str) -> bool:
    """Whether the history of the alert has its acknowledgement, within the time that it can be taken back and some."""
    acknowledged = (
        "async (id) => (await (await fetch(`/alert/${id}`)).json()).history?.some((it) => it.action === 'acknowledge')"
    )
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if page.evaluate(acknowledged, alert):
            return True
        page.wait_for_timeout(200)
    return False


def expect_said(page: Page, kind: str) -> None:
    """Wait for what the desk says of the last command: "held" (it can be taken back), "done", "conflict", "failed" …"""
    expect(page.locator(".detail .said")).to_have_attribute("data-kind", kind, timeout=SAID_MS)


def screenshot(page: Page, path: Path, size: tuple[int, int] | None = None) -> Path:
    """A picture of the page, at another size when one is given."""
    if size is not None:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_timeout(1500)  # canvases follow their new size, charts at their next tick
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    return path


def _note(page: Page, request: Request) -> None:
    if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
        elsewhere(page).append(request.url)
