"""A blind drill in a running city with a dispatcher at a desk, until a real emergency takes over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaProducer
from msgspec.structs import replace
from playwright.sync_api import Page, expect
from redis import Redis

from citybrain import prepare, running
from citybrain.local.ports import free_port
from config import city as cities
from config import contract
from config.duty_files import COMMON
from config.settings import Settings
from models.values import Alert, Incident, alert_id, from_json, to_json
from sensors.simulate import chengdu
from tests.e2e.desk import CHROMIUM, chromium, login, open_page, until
from tests.models.duty import alert
from tests.streams.sinks import Webhook, webhook
from wall import accounts

CITY, PLACE = "chengdu", "chunxi-road"
START_S, SEEN_S = 180.0, 120.0  # on a busy machine: until the city is up, from the drill's begin to the row at the desk
PASSWORD = "correct horse battery"
DRILL = {
    "drill": "blind-surge",
    "title": {"en": "Blind surge", "zh": "双盲客流演练"},
    "city": CITY,
    "lasts": "10m",
    "inject": [
        {"name": "crowd", "at": "1s", "what": "surge", "place": PLACE, "factor": 4, "ramp": "1s", "lasts": "9m"}
    ],
    "expect": [
        {"name": "seen", "after": "crowd", "alert": "holiday-crowd/ZoneCrush", "place": PLACE, "within": "60s"},
        {"name": "answered", "after": "seen", "acknowledged": True, "within": "2m"},
        {"after": "seen", "plan": "launched", "within": "8m"},
    ],
}


@pytest.mark.timeout(420)
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine; install Debian's package chromium")
def test_a_blind_drill_tells_nobody_until_a_real_emergency_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk shows the exercise as if it were real, nothing leaves the building, and the emergency ends it."""
    own, drill = tmp_path / "cities", tmp_path / "holiday-crowd" / "drills" / "blind-surge.yaml"
    _small_city(own / CITY)
    drill.parent.mkdir(parents=True)
    drill.write_text(yaml.safe_dump(DRILL, allow_unicode=True), "utf-8")
    monkeypatch.setenv("CITYBRAIN_CITIES", str(own))
    settings = Settings(city=CITY, cities=own, data=tmp_path / "data", gateway_port=free_port(), wall_port=free_port())
    prepare.make_register(settings)
    accounts.add_user(settings.secrets / "users.json", "li", "dispatcher", PASSWORD)
    with webhook() as hook:
        monkeypatch.setenv("CITYBRAIN_ROUTE_DUTY_WECOM", f"json://127.0.0.1:{hook.port}/hook")
        with _started(settings, "run", "all") as city, chromium() as browser:
            _wait(lambda: _is_up(settings, city), START_S)
            page = open_page(browser)
            login(page, f"http://127.0.0.1:{settings.wall_port}", "li", PASSWORD)
            order = ("drill", "run", str(drill), "--live", "--blind", "--by", "zhao", "--json")
            with _started(settings, *order) as run, _store(settings) as store:
                _played(page, settings, store, hook)
                out, _ = run.communicate(timeout=60)
            _judged(json.loads(out.splitlines()[-1]), run.returncode, settings, page)
            assert [row for row in hook.rows() if "underpass" not in row["message"]] == []


def _played(page: Page, settings: Settings, store: Any, hook: Webhook) -> None:
    """The exercise is answered as if it were real; then something real happens."""
    shown = "() => [...window.citybrain.state.alerts.values()].some((row) => row.rule === 'ZoneCrush')"
    until(page, shown, timeout_s=SEEN_S)
    inside = _alerts(store)
    assert {one.detection.exercise for one in inside} == {True}
    told = page.evaluate("() => [...window.citybrain.state.alerts.values()].map((row) => row.exercise)")
    assert set(told) == {False}
    assert "演练" not in page.inner_text("body")
    first = next(one.id for one in inside if one.detection.rule == "ZoneCrush")
    detail = page.evaluate("(id) => fetch(`/alert/${id}`).then((answer) => answer.text())", first)
    assert '"exercise":false' in detail
    assert "drill" not in detail
    page.evaluate("(id) => window.citybrain.choose(id)", first)
    page.keyboard.press("a")
    _wait(lambda: any(one.acknowledged_by == "li" for one in _alerts(store)), 30)
    time.sleep(2)  # the runner looks twice a second
    assert hook.rows() == []
    _emergency(settings)
    until(page, "() => window.citybrain.state.drill.get('now')?.state === 'overtaken'", timeout_s=30)
    expect(page.locator(".head .alarm")).to_contain_text("真实紧急事件", timeout=40_000)


def _judged(sheet: dict[str, Any], code: int, settings: Settings, page: Page) -> None:
    """The sheet says what was answered and what came between; nothing of the exercise is open, what is real is."""
    outcome = {row["name"] or row["what"]: row["outcome"] for row in sheet["rows"]}
    assert outcome == {"seen": "met", "answered": "met", "plan": "missed"}
    assert (code, sheet["state"], sheet["blind"], sheet["passed"]) == (1, "overtaken", True, False)
    with _store(settings) as store:
        known = _alerts(store)
        assert {one.closed is None for one in known if one.detection.exercise} == {False}
        assert [one.state for one in known if not one.detection.exercise] == ["unacknowledged"]
        held = [from_json(one, Incident) for one in store.hvals(contract.incidents(CITY))]
    assert {one.state for one in held if one.exercise} == {"closed"}
    marked = "() => [...window.citybrain.state.alerts.values()].some((row) => row.exercise)"
    until(page, marked, timeout_s=60)  # now the desk says what it was
    kept = list((settings.home / "drills").glob("blind-surge-*.html"))
    assert len(kept) == 1


@contextmanager
def _started(settings: Settings, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command of the product on the city's data; ended in order."""
    env = os.environ | {
        "CITYBRAIN_CITY": CITY,
        "CITYBRAIN_DATA": str(settings.data),
        "CITYBRAIN_GATEWAY_PORT": str(settings.gateway_port),
        "CITYBRAIN_WALL_PORT": str(settings.wall_port),
    }
    process = subprocess.Popen([sys.executable, "-m", "citybrain", *words], env=env, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


@contextmanager
def _store(settings: Settings) -> Iterator[Any]:
    url = running.store(settings)
    assert url is not None
    with Redis.from_url(url) as store:
        yield store


def _is_up(settings: Settings, city: subprocess.Popen[str]) -> bool:
    """Whether a worker has the alerts."""
    assert city.poll() is None, "the city ended"
    if running.store(settings) is None:
        return False
    with _store(settings) as store:
        return bool(store.hexists(contract.owners(CITY), "alerts"))


def _small_city(folder: Path) -> None:
    """Chengdu with assets of its own: all at the crowd's venue, and some elsewhere."""
    shutil.copytree(COMMON / CITY, folder)
    assets = chengdu.assets(cities.read(folder)).with_row_index()
    near = assets["name_en"].str.starts_with("Chunxi Road")
    assets.filter(near | (assets["index"] % 24 == 0)).drop("index").write_csv(folder / "assets.csv")
    declared = yaml.safe_load((folder / "city.yaml").read_text("utf-8"))
    declared["assets"] = {"file": "assets.csv", "crs": "wgs84"}
    (folder / "city.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")


def _alerts(store: Any) -> list[Alert]:
    return [from_json(one, Alert) for one in store.hvals(contract.alerts(CITY))]


def _wait(true: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"not within {within_s:g} s"
        time.sleep(0.2)


def _emergency(settings: Settings) -> None:
    """Something real and red, as a worker would send it."""
    now = int(time.time() * 1000)
    seen = alert(now, "Extreme", place="underpass-1").detection
    detection = replace(seen, id=alert_id("flood", "PondingClosure", "underpass-1", now))
    producer = KafkaProducer(bootstrap_servers=running.broker(settings))
    producer.send(contract.DETECTIONS.of(CITY), to_json(detection), key=detection.id.encode(), partition=0).get(10)
    producer.close()
