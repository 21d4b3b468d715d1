"""The dispatcher's desk on the real stack: what several people do at once with alerts and incidents."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from kafka import KafkaProducer
from playwright.sync_api import Browser, Page, expect

from citybrain import prepare
from config import city as cities
from config import contract
from models.values import Alert, Detection, Severity, Text, Why, alert_id, to_json
from tests.e2e import desk
from tests.wall import feed
from tests.wall.stage import Stage
from wall.accounts import FAILURES, add_user, enrol

pytestmark = [
    pytest.mark.skipif(desk.CHROMIUM is None, reason="no chromium on this machine; install Debian's package chromium"),
    pytest.mark.timeout(300),
]
VENDOR = Path(__file__).parent / "vendor"
CITY = "chengdu"
# as `citybrain run worker` does, on the small register as it is
WORKER = """
import asyncio
from config import site
from config.settings import Settings
from streams.worker import run_worker
settings = Settings()
asyncio.run(run_worker(site.load(settings), settings.kafka, settings.redis.get_secret_value()))
"""
FORMS = (("html", "zh"), ("pdf", "en"))
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class Room:
    """Broker, store, wall and worker as processes, and a sender of detections."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.city = stage.city
        self._sent = 0
        prepare.make_topics(stage.kafka, CITY, stage.rows.shards)
        known = stage.settings
        env = os.environ | {
            "CITYBRAIN_CITY": CITY, "CITYBRAIN_DATA": str(known.data), "CITYBRAIN_KAFKA": stage.kafka,
            "CITYBRAIN_REDIS": known.redis.get_secret_value() if known.redis else "",
        }  # fmt: skip
        log = (known.data / "worker.log").open("wb")
        self.worker = subprocess.Popen([sys.executable, "-c", WORKER], env=env, stderr=log)
        self.producer = KafkaProducer(bootstrap_servers=stage.kafka)

    def happens(self, severity: Severity = "Severe", place: str = "chunxi-road") -> str:
        """A detection at a venue, as a worker would send it; the alert's id."""
        self._sent += 1
        zone = next(zone for zone in self.city.zones if zone.id == place)
        now = int(time.time() * 1000)
        rule = f"TestSurge{self._sent}"  # each its own source
        seen = Detection(
            id=alert_id("holiday-crowd", rule, place, now), pack="holiday-crowd", rule=rule, place=place,
            place_kind="zone", place_name=zone.name, lon=zone.lon, lat=zone.lat, district=zone.district, state="firing",
            severity=severity, onset=now - 60_000, time=now, value=1240.0, expected=400.0, score=11.4, unit="1",
            headline=Text(f"Crowd surge {self._sent} at {zone.name.en}", f"{zone.name.zh}人流激增 {self._sent}"),
            why=Why(channel="shift", low=300.0, high=520.0, season="holiday", hour=19, neighbours=8, strange=6),
        )  # fmt: skip
        self.producer.send(contract.DETECTIONS.of(CITY), to_json(seen), key=seen.id.encode(), partition=0)
        self.producer.flush()
        return seen.id

    def alert(self, key: str) -> Alert:
        """The alert as it lies in the store."""
        found = self.stage.feed.read(key)
        assert found is not None
        return found

    def close(self) -> None:
        """End the worker."""
        self.producer.close()
        self.worker.terminate()
        try:
            self.worker.wait(20)
        except subprocess.TimeoutExpired:
            self.worker.kill()
            self.worker.wait()


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    city = cities.load(CITY)
    with (
        tempfile.TemporaryDirectory(prefix="desk-") as name,
        Stage(Path(name), feed.register(city, cameras=400), city, answers=False) as stage,
    ):
        made = Room(stage)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with desk.chromium() as browser:
        yield browser


def seated(browser: Browser, room: Room, user: str, lang: str = "zh-CN") -> Page:
    page = desk.open_page(browser, lang=lang)
    desk.login(page, room.stage.url, user, room.stage.password)
    desk.show_all(page)  # so many alerts of one minute are a flood, and the queue of what is open folds
    return page


@pytest.fixture(scope="module")
def chen(chromium: Browser, room: Room) -> Iterator[Page]:
    """The first dispatcher; nothing on the page fails, and it asks nothing of any other machine."""
    page = seated(chromium, room, "chen")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    first = room.happens("Moderate", "east-station")  # the worker is there when this one is
    desk.wait_for_alert(page, first, timeout_s=180)
    yield page
    assert desk.elsewhere(page) == []
    assert errors == []


@pytest.fixture(scope="module")
def wang(chromium: Browser, room: Room) -> Page:
    """The second dispatcher, in a browser of their own."""
    return seated(chromium, room, "wang")


def history(room: Room, key: str) -> list[tuple[str, str]]:
    return [(step.action, step.by) for step in room.alert(key).history]


def test_the_queue_has_an_alert_within_a_second_of_its_opening(chen: Page, room: Room) -> None:
    """From the room's own stamp to the row on the screen, the quickest of four; nothing is loaded again."""
    chen.evaluate("window.mark = 1")
    late = []
    for _ in range(4):
        key = room.happens("Minor", "east-station")
        desk.wait_for_alert(chen, key, timeout_s=30)
        late.append(chen.evaluate("Date.now()") - room.alert(key).opened)
    assert min(late) < 1000
    assert chen.evaluate("window.mark") == 1


def test_acknowledged_by_mouse_and_keys_taken_back_and_seen_by_the_other(chen: Page, wang: Page, room: Room) -> None:
    """Two reach the other's browser with the name; the one that was taken back never reached the history."""
    mouse, keys, back = (room.happens() for _ in range(3))
    for page in (chen, wang):
        desk.wait_for_alert(page, back, timeout_s=30)
    desk.row(chen, mouse).click()
    chen.fill(".detail .act input", "已派巡逻组")
    chen.click(".detail .act button")
    desk.expect_said(chen, "held")
    expect(desk.row(wang, mouse)).to_contain_text("chen 正在确认", timeout=30_000)
    desk.press_on(chen, keys, "a")
    desk.expect_said(chen, "held")
    desk.press_on(chen, back, "a")
    desk.expect_said(chen, "held")
    chen.keyboard.press("z")
    desk.expect_said(chen, "undone")
    for key in (mouse, keys):
        desk.wait_for_state(wang, key, "acknowledged", timeout_s=30)
        assert history(room, key) == [("opened", ""), ("acknowledge", "chen")]
    assert room.alert(mouse).history[-1].comment == "已派巡逻组"
    assert history(room, back) == [("opened", "")]
    assert room.alert(back).state == "unacknowledged"


def test_of_two_at_once_one_wins_and_the_other_is_told_who(chen: Page, wang: Page, room: Room) -> None:
    """Both press a; the alert has one holder, and the desk of the other names the holder."""
    key = room.happens()
    for page in (chen, wang):
        desk.wait_for_alert(page, key, timeout_s=30)
        desk.choose(page, key)
    chen.keyboard.press("a")
    wang.keyboard.press("a")
    for page in (chen, wang):
        desk.until(
            page,
            "() => ['done', 'conflict'].includes(document.querySelector('.detail .said').dataset.kind)",
            timeout_s=30,
        )
    said = {
        user: page.locator(".detail .said").get_attribute("data-kind")
        for user, page in (("chen", chen), ("wang", wang))
    }
    assert sorted(said.values(), key=str) == ["conflict", "done"]
    winner = next(user for user, kind in said.items() if kind == "done")
    loser = wang if winner == "chen" else chen
    expect(loser.locator(".detail .said")).to_contain_text(winner)
    assert [step for step in history(room, key) if step[0] == "acknowledge"] == [("acknowledge", winner)]


def test_a_tab_that_is_closed_and_a_wall_that_dies_lose_no_acknowledgement(
    chen: Page, chromium: Browser, room: Room
) -> None:
    """Both within the five seconds; what waited is carried out, and the desk that stayed open comes back."""
    closed, killed = room.happens(), room.happens()
    tab = seated(chromium, room, "chen")
    desk.wait_for_alert(tab, closed, timeout_s=30)
    desk.press_on(tab, closed, "a")
    desk.expect_said(tab, "held")
    tab.context.close()
    desk.wait_for_alert(chen, killed, timeout_s=30)
    desk.press_on(chen, killed, "a")
    desk.expect_said(chen, "held")
    room.stage.kill_wall()
    expect(chen.locator(".head .alarm")).to_contain_text("已断开", timeout=40_000)
    room.stage.start_wall()
    desk.until(chen, "() => window.citybrain?.connected", timeout_s=60)
    for key in (closed, killed):
        desk.wait_for_state(chen, key, "acknowledged", timeout_s=30)
        assert history(room, key)[-1] == ("acknowledge", "chen")


def test_a_viewer_cannot_acknowledge_by_no_way(chromium: Browser, room: Room) -> None:
    """The button is dead, the key does nothing, and the routes refuse what the page does not offer."""
    key = room.happens()
    page = seated(chromium, room, "guest")
    desk.wait_for_alert(page, key, timeout_s=30)
    desk.press_on(page, key, "a")
    expect(page.locator(".detail .act button")).to_be_disabled()
    expect(page.locator(".detail .said")).to_have_text("您的角色只能查看")
    post = """async ([path, body]) => (await fetch(path, {method: "POST", body: JSON.stringify(body),
      headers: {"content-type": "application/json"}})).status"""
    command = {"alert": key, "action": "acknowledge"}
    tried = [("/command", command), ("/command", command | {"hold": True}), ("/command/0123456789abcdef/undo", {})]
    tried += [("/order", {"about": "incident", "subject": room.alert(key).incident, "do": "assign"})]
    assert [page.evaluate(post, list(one)) for one in tried] == [403, 403, 403, 403]
    assert history(room, key) == [("opened", "")]
    page.context.close()


def test_what_is_drawn_anew_takes_no_click_and_no_comment(chen: Page, wang: Page, room: Room) -> None:
    """The incident moves while a button is held down, and while a comment is written: click and words stay."""
    key = room.happens("Moderate", "east-station")
    for page in (chen, wang):
        desk.wait_for_alert(page, key, timeout_s=30)
    desk.choose(chen, key)
    take = chen.locator(".case .take")
    expect(take).to_be_visible(timeout=30_000)
    take.hover()
    chen.mouse.down()
    says(wang, room, key, "北门已疏散")
    expect(chen.locator(".case .history")).to_contain_text("北门已疏散", timeout=30_000)
    chen.mouse.up()
    expect(chen.locator(".detail .came")).to_have_attribute("data-kind", "done", timeout=40_000)
    chen.keyboard.press("c")
    chen.keyboard.type("等待")
    says(wang, room, key, "南门已疏散")
    expect(chen.locator(".case .history")).to_contain_text("南门已疏散", timeout=30_000)
    chen.keyboard.type("消防")
    expect(chen.locator(".detail .act input")).to_have_value("等待消防")
    other = room.happens("Moderate", "east-station")
    desk.wait_for_alert(chen, other, timeout_s=30)
    desk.choose(chen, other)
    expect(chen.locator(".detail .act input")).to_have_value("")  # what was written was about the other
    desk.choose(chen, key)
    expect(chen.locator(".detail .act input")).to_have_value("等待消防")
    chen.fill(".detail .act input", "")


def says(page: Page, room: Room, key: str, comment: str) -> None:
    """A comment on the incident of the alert, as anybody may send it."""
    order = {"about": "incident", "subject": room.alert(key).incident, "do": "comment", "comment": comment}
    sent = """async (body) => (await fetch("/order", {method: "POST", body: JSON.stringify(body),
      headers: {"content-type": "application/json"}})).status"""
    assert page.evaluate(sent, order) == 200


def test_a_hidden_page_tells_by_the_browser(chromium: Browser, room: Room) -> None:
    """Of red and orange alerts, with what and where; of others, and while the page is seen, it does not."""
    page = desk.open_page(chromium)
    page.context.grant_permissions(["notifications"])
    page.add_init_script(
        "window.told = []; window.Notification = class extends Notification "
        "{ constructor(title, more) { super(title, more); window.told.push([title, more.body]); } };"
    )
    desk.login(page, room.stage.url, "wang", room.stage.password)
    desk.show_all(page)
    desk.wait_for_alert(page, room.happens("Severe", "east-station"))
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    minor, severe = room.happens("Minor", "east-station"), room.happens("Severe", "east-station")
    desk.until(page, "(ids) => ids.every((id) => window.citybrain.state.alerts.has(id))", [minor, severe])
    number = room.alert(severe).detection.headline.zh.rpartition(" ")[2]
    desk.until(page, "() => window.told.length > 0")
    told = page.evaluate("window.told")
    assert [("重要" in title, title.endswith(number), bool(body)) for title, body in told] == [(True,) * 3]
    page.context.close()


def test_who_else_looks_is_told(chen: Page, wang: Page, room: Room) -> None:
    """Two desks on one alert know of each other, and no longer when one goes on."""
    one, two = room.happens(), room.happens()
    for page in (chen, wang):
        desk.wait_for_alert(page, two, timeout_s=30)
        desk.choose(page, one)
    expect(chen.locator(".detail .who")).to_contain_text("wang", timeout=30_000)
    expect(desk.row(wang, one)).to_contain_text("chen 在看", timeout=30_000)
    desk.choose(wang, two)
    expect(chen.locator(".detail .who")).to_be_empty(timeout=30_000)


def test_everything_is_done_by_keys(chen: Page, room: Room) -> None:
    """s shelves with a reason, u sends the nearest unit, m merges, / finds, f goes on; Escape leaves each of them."""
    first, second = room.happens("Severe", "chunxi-road"), room.happens("Severe", "global-center")
    desk.wait_for_alert(chen, second, timeout_s=30)
    desk.wait_for_alert(chen, first, timeout_s=30)
    chen.keyboard.press("/")
    chen.keyboard.type(room.alert(second).detection.headline.zh)
    expect(chen.locator(".queue .row")).to_have_count(1, timeout=30_000)
    chen.keyboard.press("Enter")
    desk.choose(chen, second)
    chen.keyboard.press("i")
    expect(chen.locator(".detail .came")).to_have_attribute("data-kind", "done", timeout=40_000)
    chen.keyboard.press("u")
    send = chen.locator("dialog.units .fleet button").first
    expect(send).to_be_focused(timeout=30_000)
    expect(chen.locator("dialog.units")).to_contain_text("分钟")
    chen.keyboard.press("Enter")
    expect(chen.locator("dialog.units .said")).to_have_attribute("data-kind", "done", timeout=40_000)
    expect(chen.locator("dialog.units")).to_contain_text("已派力量")
    chen.keyboard.press("Escape")
    expect(chen.locator(".detail .crews li")).to_have_count(1, timeout=40_000)
    chen.keyboard.press("s")
    chen.keyboard.type("计划内活动")
    chen.keyboard.press("Enter")
    desk.wait_for_state(chen, second, "shelved", timeout_s=60)
    assert room.alert(second).history[-1].comment == "计划内活动"
    incident = room.alert(second).incident
    chen.keyboard.press("m")
    expect(chen.locator("dialog.merge input:checked")).to_be_focused(timeout=30_000)
    chen.keyboard.press("Enter")
    desk.until(chen, "(id) => !window.citybrain.state.incidents.has(id)", incident, timeout_s=60)
    chen.keyboard.press("/")
    chen.keyboard.press("Escape")


def test_a_view_is_kept_for_its_person_on_every_seat(chen: Page, chromium: Browser, room: Room) -> None:
    """Only red and orange, under a name; the same person finds it in another browser, another person does not."""
    chen.click(".sieve .level.l2")
    chen.click(".sieve .views button >> nth=0")
    chen.fill("dialog.view input", "重要告警")
    chen.keyboard.press("Enter")
    expect(chen.locator(".views select")).to_have_value("重要告警", timeout=30_000)
    levels = (
        "() => [...new Set(window.citybrain.parts.find((it) => it.move).shown.map(([, alert]) => alert.level))].join()"
    )
    desk.until(chen, f"() => ({levels})() === '2'")
    for user, names in (("chen", ["重要告警"]), ("wang", [])):
        page = seated(chromium, room, user)
        expect(page.locator(".views option:not([value=''])")).to_have_count(len(names), timeout=30_000)
        if names:
            page.select_option(".views select", names[0])
            desk.until(page, f"() => ({levels})() === '2'")
        page.context.close()
    chen.click(".sieve .views button >> nth=2")
    chen.select_option(".views select", "")
    desk.until(chen, "() => !window.citybrain.parts.find((it) => it.move).sieve.narrow")


def test_an_alert_is_heard_and_muting_says_why(chen: Page, room: Room) -> None:
    """A touched page sounds by severity; muted it is still, and the header shows the reason."""
    chen.keyboard.press("Shift")
    expect(chen.locator(".tools .sound")).to_have_attribute("data-state", "on", timeout=30_000)
    room.happens("Extreme")
    desk.until(chen, "() => window.citybrain.sounds.played.at(-1) === 1", timeout_s=30)
    expect(chen.locator("[role=alert]")).to_contain_text("紧急")
    chen.keyboard.press("x")
    chen.fill("dialog.mute input", "会商中，十分钟")
    chen.keyboard.press("Enter")
    expect(chen.locator(".tools .sound")).to_contain_text("已静音：会商中，十分钟")
    heard = chen.evaluate("window.citybrain.sounds.played.length")
    desk.wait_for_alert(chen, room.happens("Severe", "east-station"), timeout_s=30)
    assert chen.evaluate("window.citybrain.sounds.played.length") == heard
    chen.keyboard.press("x")
    expect(chen.locator(".tools .sound")).to_have_attribute("data-state", "on")


def test_the_handover_has_the_shift_report_in_both_languages(chen: Page, room: Room) -> None:
    """h says what is open and to whom; the report comes as a page and as a PDF."""
    chen.keyboard.press("h")
    expect(chen.locator("dialog.handover select option").first).to_be_attached(timeout=30_000)
    expect(chen.locator("dialog.handover .report")).to_have_count(4)
    fetched = """async (path) => { const answer = await fetch(path), text = await answer.text();
      return [answer.status, answer.headers.get("content-type"), text.slice(0, 5).toLowerCase()]; }"""
    told = {form: chen.evaluate(fetched, f"/report/shift.{form}?lang={lang}") for form, lang in FORMS}
    assert told == {"html": [200, "text/html; charset=utf-8", "<!doc"], "pdf": [200, "application/pdf", "%pdf-"]}
    chen.fill("dialog.handover textarea", "春熙路持续关注")
    chen.click("dialog.handover .send")
    expect(chen.locator("dialog.handover")).to_have_count(0, timeout=40_000)


def test_the_language_is_switched(wang: Page) -> None:
    """One click; page, script and screen reader's language change together."""
    wang.click(".tools a[lang=en]")
    desk.wait_until_live(wang)
    expect(wang.locator(".queue h2")).to_have_text("Alert queue")
    expect(wang.locator(".filter button").first).to_contain_text("To do")
    assert wang.evaluate("document.documentElement.lang") == "en"


def faults(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA."""
    page.evaluate((VENDOR / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}})", WCAG)
    return [f"{one['id']}: {[node['target'] for node in one['nodes']][:4]}" for one in found["violations"]]


def test_the_login_says_what_is_wrong_locks_and_asks_the_second_code(chromium: Browser, room: Room) -> None:
    """An admin must be enrolled, then give a code; five wrong passwords lock the name; each page keeps to WCAG AA."""
    book = room.stage.settings.secrets / "users.json"
    add_user(book, "boss", "admin", room.stage.password)
    page = desk.open_page(chromium)
    entered(page, room, "boss", room.stage.password)
    expect(page.locator(".error")).to_contain_text("citybrain user totp")
    secret = enrol(book, "boss").secret
    entered(page, room, "boss", room.stage.password)
    expect(page.locator("#code")).to_be_focused()
    page.fill("#code", "000000")
    page.click("form[action='/login/code'] button")
    expect(page.locator(".error")).not_to_be_empty()
    assert faults(page) == []
    page.fill("#code", pyotp.TOTP(secret).now())
    page.click("form[action='/login/code'] button")
    page.wait_for_url("**/desk")
    for _ in range(FAILURES + 1):
        entered(page, room, "nobody", "wrong")
    expect(page.locator(".error")).to_contain_text("5 分钟")
    assert faults(page) == []
    assert desk.elsewhere(page) == []
    page.context.close()


def entered(page: Page, room: Room, user: str, password: str) -> None:
    """What the login page says to this name and password."""
    page.goto(f"{room.stage.url}/login?next=/desk")
    page.fill("#user", user)
    page.fill("#password", password)
    page.click("button[type=submit]")


def test_the_pages_keep_to_wcag_aa(chen: Page, chromium: Browser, room: Room) -> None:
    """The login, the desk with an alert and its incident, its windows, and the desk at 200 %."""
    stranger = desk.open_page(chromium)
    stranger.goto(f"{room.stage.url}/login")
    assert faults(stranger) == []
    stranger.context.close()
    desk.show_all(chen)  # what came before may be a flood by now, in which the queue folds
    key = room.happens("Extreme")
    desk.wait_for_alert(chen, key, timeout_s=30)
    desk.choose(chen, key)
    expect(chen.locator(".detail .case h4").first).to_be_visible(timeout=30_000)
    assert faults(chen) == []
    for opened in ("?", "s", "u", "h"):
        chen.keyboard.press(opened)
        expect(chen.locator("dialog[open]")).to_be_visible(timeout=30_000)
        assert faults(chen) == []
        chen.keyboard.press("Escape")
        expect(chen.locator("dialog[open]")).to_have_count(0)
    chen.set_viewport_size({"width": 960, "height": 540})  # what 1920 × 1080 is at 200 %
    assert faults(chen) == []
    assert chen.evaluate("document.documentElement.scrollWidth") <= 960
    chen.set_viewport_size({"width": 1920, "height": 1080})
