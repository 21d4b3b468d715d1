"""citybrain register, as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from citybrain.cli import app
from citybrain.commands.register import RegisterCommandError
from config import city as cities
from config import pack
from config import register as registers

run = CliRunner()
HEAD = "asset,kind,name_en,name_zh,lon,lat\n"
MELBOURNE = Path(__file__).parents[3] / "shared" / "data" / "melbourne-pedestrians"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the register of an own Chengdu lies: one camera."""
    monkeypatch.setenv("CITYBRAIN_DATA", str(tmp_path))
    watched = [one for loaded in pack.load_all() for one in loaded.watched]
    one = {"asset": "cam-1", "kind": "camera", "name_en": "One", "name_zh": "一", "lon": 104.06, "lat": 30.66}
    made, _ = registers.build(cities.load("chengdu"), pl.DataFrame([one]), watched)
    path = tmp_path / "chengdu" / "register.parquet"
    registers.save(made, path)
    return path


def test_a_dry_run_tells_and_changes_nothing_and_the_run_does_it(file: Path, tmp_path: Path) -> None:
    """New, moved, renamed and refused, each by name; exit 1 for what is refused."""
    (tmp_path / "a.csv").write_text(
        HEAD + "cam-1,camera,First,一,104.07,30.66\ncam-2,camera,Two,二,104.06,30.66\ncam-3,camera,Three,三,0,0\n"
    )
    before = file.read_bytes()
    words = ["register", "import", str(tmp_path / "a.csv"), "--json"]
    told = run.invoke(app, [*words, "--dry-run"], standalone_mode=False)
    counts = {what: json.loads(told.stdout)[what] for what in ("new", "moved", "renamed", "refused", "absent")}
    assert counts == {"new": 1, "moved": 1, "renamed": 1, "refused": 1, "absent": 0}
    assert (told.return_value, file.read_bytes()) == (1, before)
    run.invoke(app, words, standalone_mode=False)
    frame = registers.load(file).frame
    assert frame["asset"].to_list() == ["cam-1", "cam-2"]
    assert frame.select("lon", "name_en").row(0) == (104.07, "First")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [("a.csv", HEAD, "holds no assets"), ("a.csv", "x,y\n1,2\n", "asset"), ("a.txt", "", "not from '.txt'")],
)
def test_a_file_that_is_no_list_of_assets_is_refused_by_name(
    name: str, content: str, told: str, file: Path, tmp_path: Path
) -> None:
    """The message names the file and what it should hold."""
    (tmp_path / name).write_text(content)
    error = run.invoke(app, ["register", "import", str(tmp_path / name)], standalone_mode=False).exception
    assert told in str(error)
    assert name in str(error)


def test_without_a_store_the_unknown_cannot_be_told(file: Path) -> None:
    """The message says what to set."""
    error = run.invoke(app, ["register", "unknown"], standalone_mode=False).exception
    assert isinstance(error, RegisterCommandError)
    assert "CITYBRAIN_REDIS" in str(error)


@pytest.mark.skipif(not MELBOURNE.is_dir(), reason="needs Melbourne's counts")
def test_melbournes_names_are_matched_to_its_register(file: Path, tmp_path: Path) -> None:
    """The series of the two months against 136 sensors, as docs/register.md tells it."""
    counts = pl.concat(
        pl.read_csv(path, infer_schema_length=0) for path in sorted(MELBOURNE.glob("counts_2025-0[45].csv.gz"))
    )
    counts.select(name="sensor_description").unique().sort("name").write_csv(tmp_path / "names.csv")
    sensors = str(MELBOURNE / "sensor_locations.csv")
    words = ["register", "match", str(tmp_path / "names.csv"), "--against", sensors]
    told = run.invoke(app, [*words, "--against-column", "sensor_description", "--json"], standalone_mode=False)
    found = json.loads(told.stdout)
    page = (Path(__file__).parents[2] / "docs" / "register.md").read_text("utf-8")
    line = ", ".join(f"{found[how]} {how}" for how in ("exact", "spelling", "order", "doubtful", "none"))
    assert line in page
