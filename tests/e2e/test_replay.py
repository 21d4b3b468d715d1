"""Looking back in a real browser, beside the live city: the hands, the marks, and that nothing of it is ever live."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from playwright.sync_api import Browser, Page, expect

from config import city as cities
from config import contract
from config import register as registers
from tests.citybrain.replay.rig import MINUTES, START
from tests.e2e import desk
from tests.e2e.test_desk import faults
from tests.e2e.test_planner import WAIT_MS, recorded, show
from tests.e2e.test_planner import opened as planning
from tests.wall.stage import Stage
from wall.accounts import add_user

pytestmark = [
    pytest.mark.skipif(desk.CHROMIUM is None, reason="no chromium on this machine; install Debian's package chromium"),
    pytest.mark.timeout(240),
]
MINUTE_MS = 60_000
END = START + (MINUTES - 1) * MINUTE_MS
OPENED = START + 601_000  # the alert
LAUNCH = """
from citybrain.replay.opener import Opener
from config.settings import Settings
from wall.app import run
run(Settings(), Opener(Settings()))
"""


class Recorded(Stage):
    """Store, broker and wall as processes; the wall opens what was recorded."""

    launch = LAUNCH


@pytest.fixture(scope="module")
def stage() -> Iterator[Recorded]:
    """A small Chengdu that stands still, with one live alert, and half an hour of archive with another."""
    with tempfile.TemporaryDirectory(prefix="replay-") as name:
        made = recorded(Path(name))
        stage = Recorded(Path(name), registers.load(made.register), cities.load("chengdu"))
        with stage:
            add_user(stage.settings.secrets / "users.json", "lin", "planner", stage.password)
            stage.feed.write_all()
            stage.feed.put(stage.feed.make(3, 1), announce=True)
            yield stage


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with desk.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lin(chromium: Browser, stage: Recorded) -> Iterator[Page]:
    """A planner's page."""
    page = planning(chromium, stage, "lin", "en-GB")
    yield page
    page.context.close()


@pytest.fixture
def replay(lin: Page, stage: Recorded) -> Iterator[Page]:
    """A session of the whole half hour on the wall, and whatever it does, it asks nothing of any other machine."""
    page = look(lin, stage, session(lin))
    yield page
    assert desk.elsewhere(page) == []
    page.close()


def session(page: Page) -> str:
    """Ask for a session as a page does; its name."""
    ask = """async (asked) => (await (await fetch("/replay", {method: "POST",
        headers: {"content-type": "application/json"}, body: JSON.stringify(asked)})).json()).session"""
    name: str = page.evaluate(ask, {"start": START, "end": END, "speed": 60})
    return name


def look(page: Page, stage: Recorded, name: str, scene: str = "wall") -> Page:
    """A session's wall or desk on a page of the same browser."""
    made = page.context.new_page()
    made.elsewhere = []  # type: ignore[attr-defined]  # as desk.open_page does
    made.on("request", lambda request: desk._note(made, request))
    made.goto(f"{stage.url}/replay/{name}/{scene}")
    desk.wait_until_live(made)
    desk.until(made, "() => window.citybrain.beat?.replay !== undefined")
    return made


def clock(page: Page) -> dict[str, Any]:
    """Where the session stands by the newest heartbeat."""
    told: dict[str, Any] = page.evaluate("window.citybrain.beat.replay")
    return told


def until_at(page: Page, first: int, last: int | None = None) -> None:
    """Until the clock stands at ``first``, or between the two."""
    between = "([a, b]) => { const { at } = window.citybrain.beat.replay; return a <= at && at <= b; }"
    desk.until(page, between, [first, last if last is not None else first])


def test_a_planner_opens_a_span_and_every_screen_is_marked(lin: Page, stage: Recorded) -> None:
    """From the planner's page to the session's wall and desk, in either language."""
    show(lin, "past")
    for field, value in zip(lin.locator("#tab-past form input").all(), ("08:00:00", "08:29:00"), strict=True):
        field.fill(f"2026-09-22T{value}")  # UTC+8
    lin.locator("#tab-past form button[type=submit]").click()
    links = lin.locator("#tab-past a[href*='/replay/']")
    expect(links).to_have_count(2, timeout=WAIT_MS)
    for link in links.all():
        page = lin.context.new_page()
        page.goto(stage.url + str(link.get_attribute("href")))
        desk.wait_until_live(page)
        expect(page.locator(".replaying .replay-bar .sign")).to_have_text("REPLAY")
        desk.until(page, "() => window.citybrain.beat?.replay !== undefined")
        assert (clock(page)["start"], clock(page)["end"]) == (START, END)
        page.close()


def test_the_hands_turn_the_clock(replay: Page) -> None:
    """Play and pause, step, speed, the next alert, again from the start: by mouse and by keys."""
    replay.keyboard.press("]")
    until_at(replay, OPENED)
    desk.until(replay, "() => window.citybrain.state.alerts.has('surge')")
    replay.keyboard.press(".")
    until_at(replay, OPENED + 5_000)
    replay.keyboard.press(",")
    replay.keyboard.press(",")
    until_at(replay, OPENED - 5_000)
    desk.until(replay, "() => !window.citybrain.state.alerts.has('surge')")
    replay.locator(".replay-bar .speed").select_option("300")
    replay.locator(".replay-bar [data-do=play]").click()
    until_at(replay, OPENED + MINUTE_MS, END)
    replay.keyboard.press(" ")
    desk.until(replay, "() => !window.citybrain.beat.replay.playing")
    replay.locator(".replay-bar [data-do=loop]").click()
    expect(replay.locator(".replay-bar [data-do=loop]")).to_have_attribute("aria-pressed", "true")
    replay.locator(".replay-bar .slider input").focus()
    replay.keyboard.press("End")
    until_at(replay, END - MINUTE_MS, END)
    replay.keyboard.press(" ")
    until_at(replay, START, OPENED)  # it began again


def test_the_slider_goes_anywhere_and_shows_where_things_happened(replay: Page) -> None:
    """Marks for the alert, its incident and what a person did; a click between them seeks."""
    rows = replay.evaluate("window.citybrain.parts.find((part) => part.marks).marks.map((mark) => mark[1])")
    assert rows == ["alert", "incident", "command"]
    box = replay.locator(".replay-bar .slider").bounding_box()
    assert box is not None
    replay.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    middle = START + (END - START) * 3 // 4
    until_at(replay, middle - 2 * MINUTE_MS, middle + 2 * MINUTE_MS)
    desk.until(replay, "() => window.citybrain.state.alerts.get('surge')?.state === 'acknowledged'")


class Live:
    """What live is at a moment: every key of the store byte by byte, and where every topic ends."""

    def __init__(self, stage: Recorded) -> None:
        redis = stage.feed.redis
        self.keys = {key: redis.dump(key) for key in redis.scan_iter(count=1000)}
        consumer = KafkaConsumer(bootstrap_servers=stage.kafka, enable_auto_commit=False)
        topics = sorted(consumer.topics())
        ends = [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic)]
        self.ends = consumer.end_offsets(ends)
        consumer.close()


def test_two_sessions_beside_live_leave_it_as_it_was(lin: Page, stage: Recorded) -> None:
    """Not one byte of the store is another, no topic has one message more, whatever is tried in a session."""
    before = Live(stage)
    one, two = session(lin), session(lin)
    pages = look(lin, stage, one), look(lin, stage, two, "desk")
    pages[0].keyboard.press("]")
    until_at(pages[0], OPENED)
    pages[1].locator(".replay-bar .speed").select_option("300")
    pages[1].keyboard.press(" ")
    until_at(pages[1], OPENED + MINUTE_MS, END)
    assert clock(pages[0])["at"] == OPENED
    pages[1].keyboard.press(" ")
    desk.until(pages[1], "() => !window.citybrain.beat.replay.playing")
    pages[1].keyboard.press("[")  # back to the alert; by now chen had acknowledged it
    until_at(pages[1], OPENED)
    desk.choose(pages[1], "surge")
    pages[1].keyboard.press("a")  # the key that acknowledges at the live desk
    assert pages[1].locator(".detail .act button:enabled").count() == 0
    for path in ("command", "order", "budget", "shift", "alert/surge/acknowledge", "v1/budget"):
        tried = f"""async () => (await fetch("/replay/{two}/{path}", {{method: "POST",
            headers: {{"content-type": "application/json"}}, body: "{{}}"}})).status"""
        assert pages[1].evaluate(tried) in (403, 404, 405), path
    after = Live(stage)
    assert after.keys == before.keys
    assert after.ends == before.ends
    for page in pages:
        assert desk.elsewhere(page) == []
        page.close()


ALERTS = "() => JSON.stringify([...window.citybrain.state.alerts])"


def test_live_goes_on_beside_sessions_as_if_they_were_not_there(lin: Page, chromium: Browser, stage: Recorded) -> None:
    """A live desk stays as it is while clocks turn beside it; what is acknowledged there changes live alone."""
    alert = stage.feed.make(1, 2)
    stage.feed.put(alert, announce=True)
    live = desk.open_page(chromium, lang="en-GB")
    desk.login(live, stage.url, "chen", stage.password)
    desk.wait_for_alert(live, alert.id)
    shown = live.evaluate(ALERTS)
    pages = [look(lin, stage, session(lin)), look(lin, stage, session(lin), "desk")]
    for page in pages:
        page.keyboard.press("]")
        until_at(page, OPENED)
        desk.until(page, "() => window.citybrain.state.alerts.has('surge')")
    assert live.evaluate(ALERTS) == shown
    assert live.locator(".replaying, .replay-bar").count() == 0
    held = [page.evaluate(ALERTS) for page in pages]
    before = Live(stage)
    desk.acknowledge_by_mouse(live, alert.id, "seen")
    desk.wait_for_state(live, alert.id, "acknowledged")
    after = Live(stage)
    grown = {end.topic for end, offset in after.ends.items() if offset != before.ends.get(end, 0)}
    assert grown == {contract.COMMANDS.of("chengdu")}
    assert [page.evaluate(ALERTS) for page in pages] == held
    assert [clock(page)["at"] for page in pages] == [OPENED, OPENED]
    for page in pages:
        page.close()
    live.context.close()


@pytest.mark.parametrize("scene", ["wall", "desk"])
def test_a_session_is_usable_by_keys_alone_and_keeps_to_wcag_aa(lin: Page, stage: Recorded, scene: str) -> None:
    """axe-core finds nothing; Tab reaches each hand in its order, and Enter and the arrows turn the clock."""
    page = look(lin, stage, session(lin), scene)
    page.keyboard.press("]")
    desk.until(page, "() => window.citybrain.state.alerts.has('surge')")
    assert faults(page) == []
    page.locator(".replay-bar button").first.focus()
    reached = []
    for _ in range(8):
        reached.append(page.evaluate("document.activeElement.dataset.do ?? document.activeElement.tagName"))
        page.keyboard.press("Tab")
    assert reached == ["previous", "back", "play", "step", "next", "loop", "SELECT", "INPUT"]
    page.locator(".replay-bar [data-do=step]").focus()
    page.keyboard.press("Enter")
    until_at(page, OPENED + 5_000)
    page.locator(".replay-bar input").focus()
    page.keyboard.press("Home")
    until_at(page, START)
    page.close()
