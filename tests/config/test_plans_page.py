"""docs/plans.md names every input, measure, order and column, and its commands and files are there."""

from __future__ import annotations

import re
from pathlib import Path

from config import places
from models.plan_inputs import INPUTS
from models.plans import MEASURES
from models.units import DOES, SILENT_MS
from models.warnings import CONFIRM_MS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plans.md").read_text("utf-8")


def cells(heading: str, column: int = 0) -> list[str]:
    """A column of the first table after this line of the page, without back quotes."""
    table = re.search(r"(?:^\|.*\|\n)+", PAGE.split(heading, 1)[1], re.MULTILINE)
    assert table is not None
    return [line.split("|")[column + 1].strip().strip("`") for line in table[0].splitlines()[2:]]


def test_every_input_is_on_the_page_in_its_order() -> None:
    """Planners look up here what a column may read."""
    assert cells("### Inputs") == list(INPUTS)


def test_words_of_an_input_are_told() -> None:
    """An input of few words has them all on its line."""
    told = dict(zip(cells("### Inputs"), cells("### Inputs", 1), strict=True))
    missing = {name: word for name, one in INPUTS.items() for word in one.words if word not in told[name]}
    assert missing == {}


def test_every_measure_is_on_the_page_with_its_words() -> None:
    """And nothing else."""
    assert dict(zip(cells("Measures a stage may order:"), cells("Measures a stage may order:", 1), strict=True)) == {
        name: words.en for name, words in MEASURES.items()
    }


def test_every_order_to_a_unit_is_on_the_page() -> None:
    """In the order in which a refusal lists them."""
    assert cells("busy, off: not to be sent") == list(DOES)


def test_times_are_those_of_the_code() -> None:
    """The page's minutes are the product's."""
    red, orange, yellow, blue = (ms // 60_000 for ms in CONFIRM_MS.values())
    assert f"{red} minutes for red, {orange} orange, {yellow} yellow, {blue} blue" in PAGE
    assert f"older than {SILENT_MS // 60_000} minutes" in PAGE


def test_the_columns_of_places_are_on_the_page() -> None:
    """As config/places.py reads them."""
    told = [name.strip("` ") for cell in cells("Places are a CSV") for name in cell.split(",")]
    assert told == list(places.COLUMNS)


def test_shipped_plans_are_where_the_page_says() -> None:
    """Each file of the table is there, and every shipped plan is in the table."""
    told = {match for cell in cells("Shipped plans:", 1) for match in re.findall(r"config/\S+\.json", cell)}
    shipped = {*ROOT.glob("config/packs/*/plan.json"), *ROOT.glob("config/cities/*/plans/*.json")}
    assert told == {str(path.relative_to(ROOT)) for path in shipped}
