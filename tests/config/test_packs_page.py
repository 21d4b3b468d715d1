"""docs/packs-format.md names every key, column, function, word and detector, and its example loads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config import alarm_keys, pack_shape, pack_simulate
from config import pack as packs
from models import detectors
from models.detections import HEADLINE_WORDS
from models.expressions import FUNCTIONS
from models.rules import AHEAD_COLUMNS, DATASTREAM_COLUMNS, EVENT_COLUMNS, ZONE_COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "packs-format.md").read_text("utf-8")


def rows(heading: str) -> list[str]:
    """The first cells of the tables between this line of the page and the next heading or sentence like it."""
    after = PAGE.split(heading, 1)[1]
    table = re.search(r"(?:^\|.*\|\n)+", after, re.MULTILINE)
    assert table is not None
    cells = [line.split("|")[1].replace("`", "").split(", ") for line in table[0].splitlines()[2:]]
    return [name.strip().strip("{}") for names in cells for name in names]


@pytest.mark.parametrize(
    ("heading", "declared"),
    [
        ("## The pack", pack_shape.PackKey),
        ("## `events`", pack_shape.EventsKey),
        ("## `tests`", pack_shape.TestKey),
        ("One of `series`:", pack_shape.SeriesKey),
        ("One of `gives`:", pack_shape.GivesKey),
        ("One of `assets`:", pack_simulate.AssetsKey),
        ("One of `readings`:", pack_simulate.ReadingsKey),
        ("## `datastreams`", pack_shape.DatastreamsKey),
        ("## `zones`", pack_shape.ZonesKey),
        ("## `rules`", pack_shape.RuleKey),
        ("## `plan`", pack_shape.PlanKey),
        ("## `group`", alarm_keys.GroupKey),
        ("## `inhibit`", alarm_keys.InhibitKey),
    ],
)
def test_every_key_is_on_the_page(heading: str, declared: type[Any]) -> None:
    """The page's tables have the keys of the file, no more and no less."""
    assert sorted(rows(heading)) == sorted(field.encode_name for field in msgspec.structs.fields(declared))


def test_every_column_is_on_the_page() -> None:
    """The columns that expressions may use are those of the page, in their order."""
    assert rows("Columns of `reads: datastreams`:") == list(DATASTREAM_COLUMNS)
    assert rows("Columns of `reads: zones`:") == list(ZONE_COLUMNS)
    assert rows("Columns of `reads: events`:") == list(EVENT_COLUMNS)
    assert rows("Columns of a rule with a `line`:") == list(AHEAD_COLUMNS)


def test_every_word_detector_and_function_is_on_the_page() -> None:
    """So are the words of a headline, the detectors and the functions."""
    assert rows("### Words of a headline") == list(HEADLINE_WORDS)
    assert set(detectors.known()) <= set(rows("## Detectors"))
    section = PAGE.split("### Expressions")[1]
    assert [name for name in FUNCTIONS if f"`{name}`" not in section] == []


def test_the_example_loads(tmp_path: Path) -> None:
    """The pack on the page is a pack."""
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    folder = tmp_path / "noise"
    folder.mkdir()
    (folder / "pack.yaml").write_text(example[1], "utf-8")
    assert [pack.name for pack in packs.load_all(tmp_path)] == ["noise"]
