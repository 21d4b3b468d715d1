"""``citybrain scan``: the published results from files, odd input and what is said of it, bad input and one line."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citybrain.commands.scan import Options, run
from citybrain.commands.scan_dates import DateError
from citybrain.commands.scan_input import ScanError

DATA = Path(__file__).parents[3] / "shared/data/scan-reference"
published = pytest.mark.skipif(not DATA.exists(), reason="the reference data lie only beside the repository")

PLACES = "place,lon,lat,population\na,0,0,100\nb,1,0,100\nc,2,1,100\nd,5,5,100\n"
CASES = "place,date,count\na,2026-01-01,1\nb,2026-01-02,2\nc,2026-01-03,9\nd,2026-01-03,1\n"


def scanned(
    folder: Path, cases: str, places: str, capsys: pytest.CaptureFixture[str], **options: Any
) -> tuple[dict[str, Any], str]:
    """The JSON of a scan of two files, and what was said beside it."""
    (folder / "cases.csv").write_text(cases, "utf-8")
    (folder / "places.csv").write_text(places, "utf-8")
    chosen = Options(**({"replicates": 99} | options))
    assert run(folder / "cases.csv", folder / "places.csv", chosen, as_json=True) == 0
    told = capsys.readouterr()
    result: dict[str, Any] = json.loads(told.out.splitlines()[-1])
    return result, told.err


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a reference file."""
    with (DATA / name).open() as lines:
        return list(csv.DictReader(lines))


@published
def test_new_york_leukemia_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """LLR to 6 decimals, members exactly, p within Monte-Carlo error; the file needs no dates."""
    tracts = rows("NYleukemia_nydf.csv")
    places = "place,lon,lat,population\n" + "".join(
        f"{row['id']},{row['longitude']},{row['latitude']},{row['population']}\n" for row in tracts
    )
    cases = "place,count\n" + "".join(f"{row['id']},{math.floor(float(row['cases']))}\n" for row in tracts)
    result, _ = scanned(tmp_path, cases, places, capsys, max_population=0.1, replicates=999)
    first, second = result["clusters"][:2]
    assert (len(first["places"]), first["places"][:5]) == (26, ["49", "48", "50", "47", "1"])
    assert second["places"] == ["89", "88", "87", "84", "90", "86", "92", "85"]
    assert (round(first["llr"], 6), round(second["llr"], 6)) == (11.577255, 9.019716)
    assert (first["cases"], round(first["expected"], 2), first["from"]) == (85, 49.71, None)
    assert first["p"] <= 0.005
    assert second["p"] == pytest.approx(0.013, abs=0.011)


@published
@pytest.mark.parametrize("how", ["trend", "rows", "places"])
def test_new_mexico_brain_cancer_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    """From populations of the years before, from a baseline a row, and from one baseline a place for all four years."""
    by_year = rows("NM_popcas.csv")
    past = [row for row in by_year if int(row["year"]) < 1986]
    when = np.array([int(row["year"]) for row in past]) - 1985
    count, people = (np.array([float(row[name]) for row in past]) for name in ("count", "population"))
    a, b = regression(when, people, count)
    mean = {id(row): float(row["population"]) * math.exp(a + b * (int(row["year"]) - 1985)) for row in by_year}
    scanned_years = [row for row in by_year if 1986 <= int(row["year"]) <= 1989]
    total = {row["county"]: 0.0 for row in by_year}
    for row in scanned_years:
        total[row["county"]] += mean[id(row)]
    seats = [row for row in rows("NM_geo.csv") if row["county"] in total]
    places = "place,lon,lat" + (",baseline" if how == "places" else "") + "\n"
    for row in seats:
        more = f",{total[row['county']]!r}" if how == "places" else ""
        places += f"{row['county']},{row['seat_long']},{row['seat_lat']}{more}\n"
    used = by_year if how == "trend" else scanned_years
    column = {"trend": ",population", "rows": ",baseline", "places": ""}[how]
    cases = f"place,date,count{column}\n"
    for row in used:
        more = {"trend": f",{row['population']}", "rows": f",{mean[id(row)]!r}", "places": ""}[how]
        cases += f"{row['county']},{row['year']},{row['count']}{more}\n"
    result, _ = scanned(
        tmp_path,
        cases,
        places,
        capsys,
        model="space-time",
        distance="great-circle",
        neighbours=15,
        days=4,
        until="1989",
        replicates=1999,
    )
    top = result["clusters"][0]
    assert set(top["places"]) == {"losalamos", "santafe"}
    assert (top["from"], top["to"], top["cases"], round(top["expected"], 2)) == ("1986", "1989", 43, 20.66)
    assert round(top["llr"], 6) == 9.180617
    assert top["p"] == pytest.approx(0.005, abs=0.004)
    assert top["p_gumbel"] == pytest.approx(0.004, abs=0.0015)


def regression(when: Any, people: Any, count: Any) -> tuple[float, float]:
    """Poisson regression of counts on people with a trend, by Newton's method, row by row."""
    a, b = math.log(count.sum() / people.sum()), 0.0
    for _ in range(30):
        mean = people * np.exp(a + b * when)
        design = np.stack([np.ones(len(when)), when])
        step = np.linalg.solve((design * mean) @ design.T, design @ (count - mean))
        a, b = a + float(step[0]), b + float(step[1])
    return a, b


def city(rng: np.random.Generator, days: int, struck: bool, k: float = 0.0) -> tuple[str, str]:
    """49 places on a grid and ``days`` days of cases; the middle and its neighbours struck on the last three days."""
    places = "place,x,y\n" + "".join(f"p{n},{n % 7},{n // 7}\n" for n in range(49))
    cases = "place,date,count,category,text\n"
    for number in range(days):
        for place in range(49):
            mean = 4.0 * (rng.gamma(1 / k, k) if k else 1.0)
            near = struck and number >= days - 3 and abs(place % 7 - 3) + abs(place // 7 - 3) <= 1
            date = np.datetime64("2026-03-01") + number
            cases += f"p{place},{date},{rng.poisson(mean)},noise,loud music\n"
            words = "drain blocked" if near else "leak"
            cases += f"p{place},{date},{rng.poisson(mean * (4 if near else 1))},water,{words}\n"
    return places, cases


def test_an_outbreak_is_found_with_what_makes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its places, its days, its category, its words and the alert inside; the other category stays quiet."""
    places, cases = city(np.random.default_rng(3), 40, struck=True)
    (tmp_path / "alerts.csv").write_text("alert,x,y\npump 7,3.1,2.9\nfar away,0,6\n")
    result, _ = scanned(tmp_path, cases, places, capsys, model="space-time", alerts=tmp_path / "alerts.csv")
    top = result["clusters"][0]
    assert set(top["places"]) == {"p24", "p17", "p23", "p25", "p31"}
    assert (top["from"], top["to"]) == ("2026-04-07", "2026-04-09")
    assert top["p"] <= 0.01
    assert top["categories"][0]["category"] == "water"
    assert set(top["words"]) == {"drain", "blocked"}
    assert top["alerts"] == ["pump 7"]
    assert [cluster["p"] < 0.05 for cluster in result["categories"]["noise"][:1]] == [False]
    assert result["categories"]["water"][0]["p"] <= 0.02
    assert result["baseline"] == "past"


def test_overdispersed_counts_do_not_cry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where raw Poisson finds p < 0.05 in most of four quiet files, the scan finds it in one at most."""
    rng = np.random.default_rng(11)
    raw, ours = 0, 0
    for _ in range(4):
        places, cases = city(rng, 24, struck=False, k=0.5)
        plain, _ = scanned(tmp_path, cases, places, capsys, model="space-time", overdispersion="0", baseline="margins")
        raw += plain["clusters"][0]["p_replicates"] < 0.05
        ours += scanned(tmp_path, cases, places, capsys, model="space-time")[0]["clusters"][0]["p"] < 0.05
    assert raw >= 3
    assert ours <= 1


def test_the_command_prints_json_last_and_a_table_else(tmp_path: Path) -> None:
    """With --json standard output is one object; without it is for people; bad input is one line and exit code 1."""
    (tmp_path / "c.csv").write_text(CASES)
    (tmp_path / "p.csv").write_text(PLACES)
    base = [sys.executable, "-m", "citybrain", "scan", "--replicates", "9", "--cases", str(tmp_path / "c.csv")]
    good = subprocess.run([*base, "--places", str(tmp_path / "p.csv"), "--json"], capture_output=True, text=True)
    assert good.returncode == 0
    top = json.loads(good.stdout)["clusters"][0]
    assert {"places", "from", "to", "cases", "expected", "llr", "p"} <= set(top)
    assert (top["places"], top["from"], top["to"], top["cases"]) == (["c"], "2026-01-01", "2026-01-03", 9)
    table = subprocess.run([*base, "--places", str(tmp_path / "p.csv")], capture_output=True, text=True)
    assert table.returncode == 0 and "expected" in table.stdout and "{" not in table.stdout
    bad = subprocess.run([*base, "--places", str(tmp_path / "none.csv")], capture_output=True, text=True)
    assert bad.returncode == 1 and bad.stdout == ""
    assert bad.stderr == f"citybrain: {tmp_path / 'none.csv'} cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("cases", "places", "says"),
    [
        ("", PLACES, r"cases.csv is empty"),
        (CASES, "", r"places.csv is empty"),
        ("place,date,count\n", PLACES, "a header but no rows"),
        (CASES, "place,lon,lat,population\na,0,0,1\n", "has 1 places; a scan compares places"),
        ("id,day,n\na,2026-01-01,1\n", PLACES, "has no column 'place', but id,day,n"),
        ("place,date\na,2026-01-01\n", PLACES, "has no column 'count'"),
        ("place,date,count,count\na,2026-01-01,1,2\n", PLACES, "has 2 columns 'count'"),
        (CASES, "place,lat,population\na,0,1\n", "has no column 'lon'"),
        (CASES, "place,population\na,1\n", r"no columns lon,lat \(or x,y\)"),
        ("place,date,count\nzz,2026-01-01,1\n", PLACES, "line 2: place 'zz' is not among the 4 places"),
        (CASES, "place,lon,lat,population\na,0,0,\nb,1,1,2\n", "population of place 'a' is missing"),
        (CASES, "place,lon,lat,population\na,0,0,x\nb,1,1,2\n", "population of place 'a' is 'x', no number"),
        (CASES, "place,lon,lat,population\na,0,0,-5\nb,1,1,2\n", "population of place 'a' is -5; it must be from 0"),
        (CASES, "place,lon,lat,population\na,0,0,1e308\nb,1,1,2\n", "is 1e308; it must be from 0 to 1,000,000,000"),
        (CASES, "place,lon,lat,population\na,0,0,0\nb,1,1,0\n", "every population is 0"),
        (CASES, PLACES.replace("c,2,1,100", "c,2,1,0"), "'c' have cases but population or baseline 0"),
        (CASES, PLACES.replace(",100", "").replace(",population", ""), "needs a column population or baseline"),
        (CASES, PLACES + "a,7,7,100\n", "line 6: place 'a' is on line 2 already"),
        (CASES, PLACES + ",7,7,100\n", "line 6 names no place"),
        (CASES, PLACES + "e,nan,7,100\n", "lon 'nan', lat '7' are not both numbers"),
        (CASES, PLACES + "e,30,104,100\n", "lon 30, lat 104 is no place on earth"),
        (CASES, "place,x,y,population\na,1e308,0,1\nb,0,0,1\n", "x 1e308, y 0 is farther than"),
        ("place,date,count\na,2026-01-01,-1\n", PLACES, "line 2: count -1 must be from 0"),
        ("place,date,count\na,2026-01-01,NaN\n", PLACES, "line 2: count 'NaN' is no number"),
        ("place,date,count\na,2026-01-01,inf\n", PLACES, "line 2: count 'inf' is no number"),
        ("place,date,count\na,2026-01-01,1e308\n", PLACES, "line 2: count 1e308 must be from 0 to 1,000,000,000"),
        ("place,date,count\na,2026-01-01,1.5\n", PLACES, "line 2: count 1.5 is not whole"),
        ("place,date,count\na,2026-01-01,\n", PLACES, "line 2: the count is missing"),
        ("place,date,count\na,2026-01-01,many\n", PLACES, "line 2: count 'many' is no number"),
        ("place,date,count\na,2026-01-01\n", PLACES, "line 2 has 2 columns, the header 3"),
        ("place,date,count\na,2026-01-01,1\nb,2026/01/01,1\n", PLACES, "line 3: '2026/01/01' is a date with slashes"),
        ("place,date,count\na,2026,1\nb,2026-01,1\n", PLACES, "line 3: '2026-01' is a month, '2026' before it a year"),
        ("place,date,count\na,2026-01-01 10:00,1\nb,2026-01-01 10:00Z,1\n", PLACES, "with and without a zone"),
        ("place,date,count\na,31.12.2025,1\n", PLACES, "date '31.12.2025' is not understood; write it as 2026-01-31"),
        ("place,date,count\na,2026-02-30,1\n", PLACES, "date '2026-02-30' is no date"),
        ("place,date,count\na,0000,1\n", PLACES, "date '0000' is no date"),
        ("place,date,count\na,,1\n", PLACES, "date '' is not understood"),
        (CASES, PLACES + "e\0,7,7,100\n", "places.csv line 6 has a NUL character; remove it"),
        ("p\0l\0a\0c\0e\0\n\0", PLACES, "cases.csv line 1 has a NUL character; .* UTF-16, save it as UTF-8"),
    ],
)
def test_bad_files_are_refused_in_words(tmp_path: Path, cases: str, places: str, says: str) -> None:
    """What cannot be scanned is refused naming file, line, what is there and what is needed."""
    (tmp_path / "cases.csv").write_text(cases, "utf-8")
    (tmp_path / "places.csv").write_text(places, "utf-8")
    with pytest.raises((ScanError, DateError), match=says):
        run(tmp_path / "cases.csv", tmp_path / "places.csv", Options())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "magic"}, "--model 'magic' is none of poisson, space-time"),
        ({"distance": "taxi"}, "--distance 'taxi' is none of"),
        ({"max_population": 0.0}, "--max-population 0.0 is no share"),
        ({"max_population": math.nan}, "--max-population nan is no share"),
        ({"neighbours": 0}, "--neighbours 0 is less than 1"),
        ({"days": 0}, "--days 0 is less than 1"),
        ({"replicates": 1}, "--replicates 1 is less than 9"),
        ({"overdispersion": "lots"}, "'lots' is neither auto nor a number"),
        ({"overdispersion": "nan"}, "'nan' is neither auto nor a number"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], says: str) -> None:
    """Each names the option, its value and what it may be."""
    with pytest.raises(ScanError, match=says):
        Options(**options)


@pytest.mark.parametrize(
    ("cases", "places", "options", "says"),
    [
        (CASES, PLACES, {"until": "2020-01-01"}, "no rows up to 2020-01-01"),
        (CASES, PLACES, {"until": "soon"}, "--until 'soon' names no day"),
        (CASES, PLACES, {"period": "hour", "model": "space-time"}, "tells no hour; use --period day"),
        (CASES, PLACES, {"baseline": "given", "model": "space-time"}, "needs a column baseline"),
        (CASES, PLACES, {"baseline": "past", "model": "space-time"}, "needs at least 3 periods before"),
        (CASES, "place,x,y,population\na,0,0,1\nb,1,1,1\n", {"distance": "great-circle"}, "needs lon,lat in degrees"),
        ("place,date,count\na,0001-01-01,1\nb,9999-12-31,1\n", PLACES, {"model": "space-time"}, None),
        ("place,count\na,1\n", PLACES, {"model": "space-time"}, "has no column 'date'"),
        (
            "place,date,count,baseline\na,2026-01-01,1,1\n",
            PLACES,
            {"model": "space-time"},
            "no baseline in 2026-01-01 for",
        ),
        (
            "place,date,count,baseline\na,2026-01-01,1,1\na,2026-01-01,1,1\n",
            PLACES,
            {"model": "space-time"},
            "'a', 2026-01-01 has several rows with a baseline each",
        ),
        (CASES, PLACES.replace("c,2,1,100", "c,2,1,0"), {"model": "space-time"}, "'c' has cases in 2026-01-03 but"),
    ],
)
def test_files_and_options_that_do_not_fit(
    tmp_path: Path, cases: str, places: str, options: dict[str, Any], says: str | None
) -> None:
    """What one asks of the other is told; four places over ten thousand years are still scanned."""
    (tmp_path / "cases.csv").write_text(cases, "utf-8")
    (tmp_path / "places.csv").write_text(places, "utf-8")
    if says is None:
        assert run(tmp_path / "cases.csv", tmp_path / "places.csv", Options(replicates=99, **options)) == 0
        return
    with pytest.raises(ScanError if "--until 'soon'" not in says and "hour" not in says else DateError, match=says):
        run(tmp_path / "cases.csv", tmp_path / "places.csv", Options(**options))


CELL = st.one_of(
    st.sampled_from(
        ["a", "b", "c", "d", "1", "3", "0", "-1", "2026-01-01", "2026-01-05", "1999", "nan", "1e308", "", '"']
    ),
    st.text(max_size=6),
)
HEADS = ["place", "date", "count", "lon", "lat", "x", "y", "population", "baseline", "category", "text", ""]


def table_of(head: list[str], rows: list[list[str]]) -> str:
    """A CSV, quoted as little as people do."""
    return "\n".join(",".join(row) for row in [head, *rows])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_file_gives_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever the files hold, they are scanned or refused in words."""
    shape = st.lists(st.lists(CELL, min_size=2, max_size=5), max_size=6)
    head = st.lists(st.sampled_from(HEADS), min_size=1, max_size=5)
    cases = data.draw(
        st.one_of(st.just(CASES), st.builds(table_of, head, shape), rows_like("place,date,count", "abcd"))
    )
    places = data.draw(st.one_of(st.just(PLACES), st.builds(table_of, head, shape)))
    (tmp_path / "cases.csv").write_text(cases, "utf-8", "surrogatepass")
    (tmp_path / "places.csv").write_text(places, "utf-8", "surrogatepass")
    model = data.draw(st.sampled_from(["poisson", "space-time"]))
    kind = data.draw(st.sampled_from(["auto", "past", "margins", "population", "given"]))
    with contextlib.suppress(ScanError, DateError):
        assert run(tmp_path / "cases.csv", tmp_path / "places.csv", Options(model, baseline=kind, replicates=9)) == 0


def rows_like(head: str, places: str) -> st.SearchStrategy[str]:
    """Mostly sound rows, for what lies behind the reading."""
    day = st.sampled_from([f"2026-01-{day:02d}" for day in range(1, 20)])
    row = st.tuples(st.sampled_from(places), day, st.integers(0, 10**9).map(str))
    return st.lists(row, min_size=1, max_size=20).map(lambda rows: table_of([head], [list(one) for one in rows]))


def test_too_wide_a_span_of_dates_is_refused(tmp_path: Path) -> None:
    """A wrong year among many places would need more memory than there is; it is named."""
    (tmp_path / "p.csv").write_text("place,x,y\n" + "".join(f"{n},{n},0\n" for n in range(100)))
    (tmp_path / "c.csv").write_text("place,date,count\n1,0026-01-01,1\n2,2026-01-01,1\n")
    with pytest.raises(ScanError, match=r"100 places x 1 categories x 730486 days \(0026-01-01 to 2026-01-01\)"):
        run(tmp_path / "c.csv", tmp_path / "p.csv", Options(model="space-time"))


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_delimiters_make_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str], mark: str) -> None:
    """Semicolons, tabs and bars are read as ``citybrain score`` reads them."""
    told, _ = scanned(tmp_path, CASES.replace(",", mark), PLACES.replace(",", mark), capsys)
    assert told == scanned(tmp_path, CASES, PLACES, capsys)[0]


def test_a_file_in_another_encoding_is_told_how_to_save_it(tmp_path: Path) -> None:
    """Be it in the header or later."""
    (tmp_path / "c.csv").write_text(CASES, "utf-8")
    for text in (b"\xff\xfep", b"place,lon,lat\n" + b"".join(b"a%d,1,1\n" % n for n in range(9_999)) + b"\xff,1,1\n"):
        (tmp_path / "p.csv").write_bytes(text)
        with pytest.raises(ScanError, match=r"is not UTF-8 text: .*; save it as UTF-8"):
            run(tmp_path / "c.csv", tmp_path / "p.csv", Options())


def test_odd_files_that_are_scanned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row, no cases at all, all places at one point, more days than there are: each gives JSON, and is told."""
    one, _ = scanned(tmp_path, "place,date,count\na,2026-01-01,3\n", PLACES, capsys)
    assert (one["clusters"][0]["places"], one["clusters"][0]["cases"]) == (["a"], 3)
    for model in ("poisson", "space-time"):
        none, _ = scanned(tmp_path, "place,date,count\na,2026-01-01,0\n", PLACES, capsys, model=model)
        assert none["clusters"] == []
    spot = "place,lon,lat,population\na,1,1,5\nb,1,1,5\nc,1,1,5\nd,1,1,5\n"
    heap, said = scanned(tmp_path, CASES, spot, capsys)
    assert heap["clusters"] == [] and "nothing to scan: every circle holds more than 0.5" in said
    _, said = scanned(tmp_path, CASES, PLACES, capsys, model="space-time", days=400)
    assert "--days 400: there are 3 days, all are scanned" in said


def test_two_places_at_one_point_are_one_for_every_circle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither is ever in a cluster without the other."""
    places = PLACES.replace("b,1,0,100", "b,2,1,100")
    result, _ = scanned(tmp_path, CASES, places, capsys)
    assert result["clusters"][0]["places"] == ["b", "c"]


def test_rows_of_one_place_and_date_are_added_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A list with a row a case gives what a table of counts gives."""
    single = "place,date,count\n" + "".join(
        f"{place},{date},1\n" * int(count) for place, date, count in (row.split(",") for row in CASES.splitlines()[1:])
    )
    assert scanned(tmp_path, single, PLACES, capsys)[0] == scanned(tmp_path, CASES, PLACES, capsys)[0]


def test_the_seed_decides_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One seed gives one p."""
    first, again, other = (scanned(tmp_path, CASES, PLACES, capsys, seed=seed)[0] for seed in (5, 5, 6))
    assert first == again
    assert (first["seed"], other["seed"]) == (5, 6)


@pytest.mark.parametrize(
    ("dates", "period", "ends"),
    [
        ([f"{year}" for year in range(1990, 2002)], "year", ("2001", "2001")),
        ([f"2025-{month:02d}" for month in range(1, 13)], "month", ("2025-12", "2025-12")),
        ([f"{year}-01-01" for year in range(1990, 2002)], "year", ("2001-01-01", "2001-01-01")),
        ([str(np.datetime64("2026-01-05") + 7 * n) for n in range(12)], "week", ("2026-03-23", "2026-03-23")),
        ([f"2026/3/{day}" for day in range(1, 13)], "day", ("2026/3/12", "2026/3/12")),
        ([f"202603{day:02d}" for day in range(1, 13)], "day", ("20260312", "20260312")),
        ([f"2026-03-{day:02d}T23:30:00+08:00" for day in range(1, 13)], "day", ("2026-03-12", "2026-03-12")),
    ],
)
def test_dates_are_counted_as_they_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dates: list[str], period: str, ends: tuple[str, str]
) -> None:
    """Years, months, dates a week or a year apart, days, and times, which count for the day they name."""
    cases = "place,date,count\n"
    for number, date in enumerate(dates):
        for place in "abcd":
            cases += f"{place},{date},{40 if place == 'c' and number == 11 else 5}\n"
    result, _ = scanned(tmp_path, cases, PLACES, capsys, model="space-time")
    top = result["clusters"][0]
    assert (result["period"], top["places"], (top["from"], top["to"])) == (period, ["c"], ends)


def test_hours_can_be_scanned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--period hour counts by the hour."""
    cases = "place,date,count\n"
    for hour in range(24):
        for place in "abcd":
            cases += f"{place},2026-03-01 {hour:02d}:15,{60 if place == 'a' and hour > 21 else 5}\n"
    result, _ = scanned(tmp_path, cases, PLACES, capsys, model="space-time", period="hour")
    top = result["clusters"][0]
    assert (top["places"], top["from"], top["to"]) == (["a"], "2026-03-01T22:00", "2026-03-01T23:00")
