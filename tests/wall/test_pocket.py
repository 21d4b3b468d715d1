"""What a crew sees and means: the task as it is told, the order behind each button, and what the phone keeps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

import wall
from models.values import Incident, Text, Transition, Unit
from wall.pocket import task
from wall.pocket.page import SHELL, page
from wall.pocket.task import Pressed

ROOT = Path(wall.__file__).parent
NOW = 1_790_000_000_000  # 2026-09-21 22:13:20 in Chengdu
ZONE = ZoneInfo("Asia/Shanghai")


def pressed(do: Any, **more: Any) -> Pressed:
    known = {"id": "press-0001", "unit": "pump-1", "do": do, "incident": "i1", "at": NOW - 500}
    return Pressed(**{**known, **more})


def unit(status: Any, incident: str = "i1") -> Unit:
    return Unit(
        id="pump-1", name=Text("Pump", "泵车"), kind="pump", lon=104.0, lat=30.6, status=status, incident=incident
    )


def incident(**more: Any) -> Incident:
    return Incident(
        id="i1", title=Text("Ponding", "积水"), state="assigned", severity="Severe", pack="flood", place="g-1",
        place_name=Text("Underpass", "下穿"), lon=104.0, lat=30.6, district="d1", opened=NOW, changed=NOW, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("do", "order"),
    [("take", "take"), ("accept", "accept"), ("decline", "decline"), ("arrive", "arrive"), ("done", "release")],
)
def test_buttons_of_the_unit_name_their_incident(do: str, order: str) -> None:
    """So that a late one changes nothing elsewhere; the id is the button's, the name the login's."""
    made = task.order(pressed(do), "crew", NOW, ZONE)
    assert (made.about, made.subject, made.do, made.args) == ("unit", "pump-1", order, {"incident": "i1"})
    assert (made.id, made.by, made.role, made.comment) == ("press-0001", "crew", "unit", "")


def test_words_ticks_and_pictures_are_about_the_incident() -> None:
    """With what each order takes."""
    comment = task.order(pressed("comment", text="水深 0.4 米"), "crew", NOW, ZONE)
    tick = task.order(pressed("tick", task="t1"), "crew", NOW, ZONE)
    link = task.order(pressed("link", text="https://a.example/1.jpg"), "crew", NOW, ZONE)
    assert (comment.about, comment.subject, comment.comment) == ("incident", "i1", "水深 0.4 米")
    assert (tick.do, tick.args) == ("tick", {"task": "t1"})
    assert (link.do, link.args, link.comment) == ("link", {"url": "https://a.example/1.jpg"}, "")


@pytest.mark.parametrize(
    ("ago_ms", "said"),
    [(30_000, "dry"), (61_000, "dry (22:12:19)"), (8 * 86_400_000, "dry"), (-3_600_000, "dry")],
)
def test_what_was_pressed_long_before_says_when(ago_ms: int, said: str) -> None:
    """In local time; a phone whose clock is far off, or ahead, is not believed."""
    assert task.order(pressed("comment", text="dry", at=NOW - ago_ms), "crew", NOW, ZONE).comment == said


def test_a_unit_without_a_task_sees_none() -> None:
    """Also when its last incident is still in the picture."""
    assert task.seen(unit("free", ""), incident())["incident"] is None
    assert task.seen(unit("sent"), incident())["incident"]["title"] == {"en": "Ponding", "zh": "积水"}


def test_only_who_was_sent_may_write_at_an_incident() -> None:
    """Those who are there, and those who were: a comment may come after the crew has left."""
    sent = Transition(at=NOW, was="", now="", action="unit-send", comment="pump-1 泵车 / Pump, 1.2 km")
    assert task.was_sent("pump-1", incident(units=("pump-1",)))
    assert task.was_sent("pump-1", incident(timeline=(sent,)))
    assert not task.was_sent("pump-10", incident(timeline=(sent,)))
    assert not task.was_sent("pump-2", incident(units=("pump-1",)))


@pytest.mark.parametrize(
    "body", [{"do": "explode"}, {"id": "x"}, {"incident": ""}, {"text": "x" * 2001}, {"by": "wang"}, {"at": "now"}]
)
def test_what_no_button_says_is_refused(body: dict[str, Any]) -> None:
    """Unknown buttons, no id, too long a text, another's name."""
    whole = {**msgspec.to_builtins(pressed("take")), **body}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(whole), type=Pressed)


def test_the_phone_keeps_everything_that_the_page_loads() -> None:
    """Every module that one of the page's own imports is in the shell, and every file of the shell is there."""
    scripts = [path for path in SHELL if path.endswith(".mjs")]
    for path in (one for one in SHELL if one.startswith("/assets/")):
        assert (ROOT / path.lstrip("/")).exists(), path
    for path in scripts:
        folder = (ROOT / path.lstrip("/")).parent
        for name in re.findall(r'(?:from|import) "(\.[^"]+)"', (folder / Path(path).name).read_text("utf-8")):
            assert f"/{(folder / name).resolve().relative_to(ROOT)}" in scripts, (path, name)


def test_the_page_holds_no_data_and_no_inline_script() -> None:
    """So that it may be kept, and the policy lets it run."""
    for lang in ("zh", "en"):
        body = page(lang)
        assert re.findall(r"<script(?![^>]*src=)", body) == []
        assert "style=" not in body
