"""The pages on geo and cities speak of what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from config import city as packs
from config.city import UNITS_MS, _Pack
from config.city_layers import KINDS
from geo.crs import NAMES
from geo.fence import KINDS as EVENTS

ROOT = Path(__file__).parents[2]
GEO, CITIES = (Path(ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("geo", "cities"))


def test_every_module_of_geo_is_in_its_page() -> None:
    """No module is left out of the table, but the one that only compiles."""
    modules = {path.stem for path in (ROOT / "geo").glob("*.py")} - {"__init__", "compiled"}
    assert modules == {
        name for row in re.findall(r"^\| (`.*?) \|", GEO, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }


@pytest.mark.parametrize("word", [*EVENTS, *NAMES])
def test_events_and_systems_are_explained(word: str) -> None:
    """Each has its line."""
    assert f"`{word}`" in GEO + CITIES


def test_the_example_of_points_in_zones_runs_and_says_the_truth() -> None:
    """What the page shows as results is what comes out."""
    code = re.findall(r"```python\n(import shapely.*?)```", GEO, re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  # our own page
    for line in code.splitlines():
        expression, _, result = line.partition("  # ")
        if result:
            assert eval(expression, names) == eval(result)  # noqa: S307


def test_every_key_of_city_yaml_is_in_the_example_and_the_example_is_valid() -> None:
    """The example has exactly the keys that there are."""
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", CITIES, re.DOTALL)[0])
    assert set(example) == {field.name for field in msgspec.structs.fields(_Pack)}
    assert msgspec.convert(example, _Pack).shards == 4


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_zone_is_listed(kind: str) -> None:
    """Kinds by their word."""
    assert f"`{kind}`" in CITIES


def test_every_shipped_city_and_every_unit_of_time_is_named() -> None:
    """By its English name; by example."""
    for name in packs.cities(packs.FOLDER):
        assert f"**{packs.load(name).name.en}**" in CITIES
    example = re.findall(r"tick: 5s.*", CITIES)[0]
    assert all(re.search(rf"\d{unit}\b", example) for unit in UNITS_MS)
