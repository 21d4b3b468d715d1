"""The command line: parses, calls, turns errors into one clear line. What the commands do is in ``commands/``."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from citybrain import __version__
from citybrain.machine_code import find_place
from config.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A real-time city-operations brain with a video wall.",
)
packs = typer.Typer(no_args_is_help=True, help="Scenario packs.")
dead = typer.Typer(no_args_is_help=True, help="Dead letters: input that could not be used.")
token = typer.Typer(no_args_is_help=True, help="Tokens of sensor gateways.")
user = typer.Typer(no_args_is_help=True, help="People who may log in at the wall.")
display = typer.Typer(no_args_is_help=True, help="Screens that show the wall without a login.")
forecast = typer.Typer(no_args_is_help=True, help="Forecasts: what was learned from the archive.")
register_app = typer.Typer(no_args_is_help=True, help="The register of assets and datastreams.")
city_app = typer.Typer(no_args_is_help=True, help="City packs.")
audit_app = typer.Typer(no_args_is_help=True, help="The history of commands and transitions.")
notify = typer.Typer(no_args_is_help=True, help="Notifications: the ways out of the room.")
notify_failed = typer.Typer(no_args_is_help=True, help="Notifications that no attempt could bring out.")
archive_app = typer.Typer(no_args_is_help=True, help="The archive: Parquet by topic and day.")
report = typer.Typer(no_args_is_help=True, help="Reports to print and to keep.")
drill_app = typer.Typer(no_args_is_help=True, help="Drills: injected scenarios, graded.")
app.add_typer(packs, name="packs")
app.add_typer(dead, name="dead")
app.add_typer(token, name="token")
app.add_typer(user, name="user")
app.add_typer(display, name="display")
app.add_typer(city_app, name="city")
app.add_typer(register_app, name="register")
app.add_typer(forecast, name="forecast")
app.add_typer(audit_app, name="audit")
app.add_typer(notify, name="notify")
notify.add_typer(notify_failed, name="failed")
app.add_typer(report, name="report")
app.add_typer(archive_app, name="archive")
app.add_typer(drill_app, name="drill")

PackNames = Annotated[list[str] | None, typer.Argument(help="Only these packs.")]
PackFolder = Annotated[Path | None, typer.Option("--folder", help="Where the packs are, if not config/packs.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")]
CityName = Annotated[str | None, typer.Option("--city", help="Which city; default CITYBRAIN_CITY or chengdu.")]


class Role(StrEnum):
    """What ``citybrain run`` can run."""

    all = "all"
    gateway = "gateway"
    mqtt = "mqtt"
    poll = "poll"
    worker = "worker"
    wall = "wall"
    archive = "archive"
    notifier = "notifier"


def seconds(text: str) -> float:
    """``60s``, ``2m``, ``1h`` or plain seconds; for typer."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)?", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration; write it as 60s, 2m or 1h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2] or "s"]


def settings(**changed: Any) -> Settings:
    """The settings from the environment, with those options that were given."""
    return Settings().model_copy(update={name: value for name, value in changed.items() if value is not None})


@app.command()
def demo(
    city: CityName = None,
    speed: Annotated[float | None, typer.Option(help="Times real time (chengdu) or recorded time (auckland).")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="Stop after so long: 60s, 2m, 1h.")] = None,
    port: Annotated[int | None, typer.Option(help="The wall's port.", min=1, max=65535)] = None,
    headless: Annotated[bool, typer.Option(help="Nobody looks: the run acknowledges its alerts itself.")] = False,
    as_json: Json = False,
) -> int:
    """The whole product on one machine: broker, store, gateway, worker, archive, wall and a feed."""
    from citybrain.demo import demo as run

    if speed is not None and speed <= 0:
        raise typer.BadParameter(f"speed {speed} is not above 0; 1 is real time")
    chosen = settings(city=city, wall_port=port)
    return asyncio.run(run(chosen, speed, seconds(for_) if for_ is not None else None, headless, as_json))


@app.command()
def run(role: Role, city: CityName = None) -> int:
    """One role, for production; ``all`` runs every role on this machine, embedded broker and store included."""
    chosen = settings(city=city)
    if role is Role.all:
        from citybrain.everything import run_all

        return asyncio.run(run_all(chosen))
    from citybrain import roles

    return roles.run(role.value, chosen)  # type: ignore[arg-type]  # every role but all


@app.command(hidden=True)
def feed(city: CityName = None, speed: float | None = None) -> int:
    """Push the city's simulated or recorded readings through the gateway (``demo`` runs this)."""
    from citybrain.commands import feed as command

    return command.run(settings(city=city), speed)


@app.command()
def doctor(city: CityName = None, as_json: Json = False) -> int:
    """Check the machine, the stack, the names and the city; exit 1 on a fault."""
    from citybrain.doctor import doctor as run

    return run(settings(city=city), as_json)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header.")],
    time: Annotated[str, typer.Option(help="The column of times.")] = "timestamp",
    value: Annotated[str, typer.Option(help="The column of values.")] = "value",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write here, not to standard output.")] = None,
) -> int:
    """How strange each row is, given the rows before it: timestamp,value,score,alert."""
    from citybrain.commands.score import run

    return run(file, time, value, output)


@app.command()
def scan(
    cases: Annotated[Path, typer.Option(help="A CSV place,date,count; category, text, baseline, population if known.")],
    places: Annotated[Path, typer.Option(help="A CSV place,lon,lat (or x,y), with population or baseline if known.")],
    model: Annotated[str, typer.Option(help="poisson (in space, all dates together) or space-time.")] = "poisson",
    max_population: Annotated[float | None, typer.Option(help="The share of the people a cluster may hold.")] = None,
    distance: Annotated[str, typer.Option(help="euclid or great-circle.")] = "euclid",
    neighbours: Annotated[int | None, typer.Option(help="Places in a circle; all, or 50 in space and time.")] = None,
    days: Annotated[int | None, typer.Option(help="Periods that a cluster may have lasted; 7 unless told.")] = None,
    period: Annotated[str | None, typer.Option(help="hour, day, week, month or year; as the dates are.")] = None,
    until: Annotated[str | None, typer.Option(help="Scan as of this date; later rows are left out.")] = None,
    baseline: Annotated[str, typer.Option(help="auto, given, trend, past, population or margins.")] = "auto",
    baseline_per: Annotated[str, typer.Option(help="A place's baseline is for each period or the file.")] = "auto",
    overdispersion: Annotated[str, typer.Option(help="auto, or k of the variance m(1 + km).")] = "auto",
    replicates: Annotated[int | None, typer.Option(help="Monte-Carlo draws; 999, or 99 of a large scan.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 1,
    clusters: Annotated[int, typer.Option(help="How many clusters are told.")] = 10,
    alerts: Annotated[Path | None, typer.Option(help="A CSV alert,lon,lat: live alerts, told where inside.")] = None,
    as_json: Json = False,
) -> int:
    """Clusters of cases in space, or in space and time, the most likely first."""
    from citybrain.commands.scan import Options, run

    chosen = Options(
        model=model,
        max_population=max_population,
        distance=distance,
        neighbours=neighbours,
        days=days,
        period=period,
        until=until,
        baseline=baseline,
        baseline_per=baseline_per,
        overdispersion=overdispersion,
        replicates=replicates,
        seed=seed,
        clusters=clusters,
        alerts=alerts,
    )
    return run(cases, places, chosen, as_json)


@app.command()
def locate(
    file: Annotated[Path | None, typer.Argument(help="A CSV file with a header; - or none: standard input.")] = None,
    city: CityName = None,
    crs: Annotated[str, typer.Option(help="The positions' system: wgs84, gcj02 or bd09.")] = "wgs84",
    lon: Annotated[str, typer.Option(help="The column of longitudes.")] = "lon",
    lat: Annotated[str, typer.Option(help="The column of latitudes.")] = "lat",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write here, not to standard output.")] = None,
) -> int:
    """Add district, district_code and zones to the rows of a CSV with lon and lat."""
    from citybrain.commands.locate import run

    return run(settings(city=city).city, file, crs, output, lon, lat)


@app.command()
def ingest(
    file: Annotated[Path, typer.Argument(help="The file to push.")],
    form: Annotated[
        str | None, typer.Option("--format", help="senml, cap, csv …; default: by the file's name.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what it decodes to, as JSON lines.")] = False,
    gateway_token: Annotated[str, typer.Option("--token", envvar="TOKEN", help="A gateway's token.")] = "",
    url: Annotated[str | None, typer.Option(help="The gateway; default: this machine's.")] = None,
    asset: Annotated[str, typer.Option(help="Whose file it is, where the format does not say.")] = "",
    datastream: Annotated[str, typer.Option(help="The datastream, where the format does not say.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of times without one.")] = "UTC",
    mapping: Annotated[Path | None, typer.Option(help="YAML that says which column is what (CSV, NDJSON).")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="From the beginning, not where a run was stopped.")
    ] = False,
    city: CityName = None,
    as_json: Json = False,
) -> int:
    """Push a file through the gateway, or show what it decodes to; exit 1 when anything is refused."""
    from citybrain.commands.ingest import run

    chosen = settings(city=city)
    return run(chosen, file, form, dry_run, gateway_token, url, asset, datastream, zone, mapping, restart, as_json)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="throughput, latency, gateway, detectors, geo …")],
    lasts: Annotated[
        str | None, typer.Option("--for", help="How long, where that is a choice (soak): 10m, 1h.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Measure this machine; prints one JSON object."""
    from citybrain.commands.bench import run

    return run(name, as_json, lasts)


@forecast.command("train")
def forecast_train(city: CityName = None, as_json: Json = False) -> int:
    """Teach the forecasts' trees anew from the archive, try them on the last day, and use them if they are the best."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the library is loaded: one core is the stream's
    from citybrain.commands.forecast import train

    return train(settings(city=city), as_json)


@forecast.command("list")
def forecast_list(city: CityName = None, as_json: Json = False) -> int:
    """The versions there are, what each missed by on its last day, and which is in use."""
    from citybrain.commands.forecast import show

    return show(settings(city=city), as_json)


@forecast.command("use")
def forecast_use(
    name: Annotated[str, typer.Argument(help="A version, or profile for none.")], city: CityName = None
) -> int:
    """Take up a version by hand, such as the one before; the next training judges it again."""
    from citybrain.commands.forecast import use

    return use(settings(city=city), name)


@packs.command("list")
def packs_list(folder: PackFolder = None, as_json: Json = False) -> int:
    """The packs with their state."""
    from citybrain.commands.packs import show
    from config.pack import FOLDER

    return show(as_json, folder or FOLDER)


@packs.command("check")
def packs_check(names: PackNames = None, folder: PackFolder = None, as_json: Json = False) -> int:
    """Check every pack; exit 1 when one is refused, naming file, key, value and remedy."""
    from citybrain.commands.packs import check
    from config.pack import FOLDER

    return check(folder or FOLDER, names or (), as_json)


@packs.command("test")
def packs_test(
    names: PackNames = None,
    with_drills: Annotated[bool, typer.Option("--drills", help="Run their drills too, at speed.")] = False,
    folder: PackFolder = None,
    as_json: Json = False,
) -> int:
    """Run the packs' own tests: short series with the alerts that they must and must not give."""
    from citybrain.commands.packs import test
    from config.pack import FOLDER

    return test(folder or FOLDER, names or (), with_drills, as_json)


@packs.command("new")
def packs_new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and -, as in lift-rescue.")],
    observed: Annotated[str, typer.Option("--property", help="What its sensors observe; default from the name.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="The kind of asset that observes it.")] = "sensor",
    folder: PackFolder = None,
) -> int:
    """Begin a pack: pack.yaml, runbook, plan and a drill that are sound from the first minute."""
    from citybrain.commands.packs import new
    from config.pack import FOLDER

    return new(name, observed, kind, folder or FOLDER)


@packs.command("schema")
def packs_schema(
    write: Annotated[bool, typer.Option("--write", help="Into config/packs/pack.schema.json.")] = False,
) -> int:
    """The JSON Schema of pack.yaml, for editors."""
    from citybrain.commands.packs import show_schema

    return show_schema(write)


@packs.command("cards")
def packs_cards(
    folder: PackFolder = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Elsewhere than docs/packs.")] = None,
) -> int:
    """Write the packs' cards into docs/packs."""
    from citybrain.commands.packs import write_cards
    from config.pack import FOLDER

    return write_cards(folder or FOLDER, output)


@dead.command("list")
def dead_list(
    city: CityName = None,
    limit: int = 20,
    brief: Annotated[bool, typer.Option("--brief", help="Without the bodies.")] = False,
    as_json: Json = False,
) -> int:
    """The newest dead letters."""
    from citybrain.commands.dead import show_list

    return show_list(settings(city=city), limit, as_json, brief)


@dead.command("show")
def dead_show(letter: str, city: CityName = None, as_json: Json = False) -> int:
    """One dead letter with its bytes."""
    from citybrain.commands.dead import show

    return show(settings(city=city), letter, as_json)


@dead.command("replay")
def dead_replay(
    letter: str,
    city: CityName = None,
    gateway_token: Annotated[
        str | None, typer.Option(envvar="TOKEN", help="Left out: one is made for this alone, and revoked after.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Send a dead letter's bytes through the gateway again, after what was wrong has been mended."""
    from citybrain.commands.dead import replay

    return replay(settings(city=city), letter, gateway_token, as_json)


@audit_app.command("verify")
def audit_verify(
    city: CityName = None,
    start: Annotated[str | None, typer.Option(help="NUMBER:CHAIN before the first line that is kept here.")] = None,
    anchor: Annotated[str | None, typer.Option(help="NUMBER:CHAIN of a line as it was noted elsewhere.")] = None,
    as_json: Json = False,
) -> int:
    """Check the whole history; exit 1 naming the first line that was changed or removed."""
    from citybrain.commands.audit import check

    return check(settings(city=city), start, anchor, as_json)


@audit_app.command("list")
def audit_list(
    city: CityName = None,
    limit: int = 50,
    by: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only what was done to this alert, incident, unit …")] = None,
    as_json: Json = False,
) -> int:
    """The newest lines of the history: who did what to what, and what became of it."""
    from citybrain.commands.audit import show

    return show(settings(city=city), limit, by, subject, as_json)


@notify.command("routes")
def notify_routes(city: CityName = None, as_json: Json = False) -> int:
    """The ways out of the room: whether they are connected, what they take, when they are quiet."""
    from citybrain.commands.notify import show_routes

    return show_routes(settings(city=city), as_json)


@notify.command("test")
def notify_test(
    route: Annotated[str, typer.Argument(help="The route's name; citybrain notify routes lists them.")],
    city: CityName = None,
) -> int:
    """Send a test message by one route, now and from here; exit 1 with the reason when it does not arrive."""
    from citybrain.commands.notify import test

    return test(settings(city=city), route)


@notify_failed.command("list")
def notify_failed_list(city: CityName = None, as_json: Json = False) -> int:
    """What was given up, with the reason."""
    from citybrain.commands.notify import show_failed

    return show_failed(settings(city=city), as_json)


@notify_failed.command("send")
def notify_failed_send(
    key: Annotated[str, typer.Argument(help="The notification's key, or all.")], city: CityName = None
) -> int:
    """Try again what was given up, once its cause is mended."""
    from citybrain.commands.notify import send_failed

    return send_failed(settings(city=city), key)


@notify_failed.command("drop")
def notify_failed_drop(
    key: Annotated[str, typer.Argument(help="The notification's key, or all.")], city: CityName = None
) -> int:
    """Take off the list what is not worth sending any more; its dead letter stays."""
    from citybrain.commands.notify import drop_failed

    return drop_failed(settings(city=city), key)


@report.command("shift")
def report_shift(
    output: Annotated[Path, typer.Option("-o", "--output", help="A name that ends in .html or .pdf.")],
    city: CityName = None,
    start: Annotated[str | None, typer.Option("--from", help="2026-10-01T08:00; the shift that ends now.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="2026-10-01T20:00; its end, or now.")] = None,
    lang: Annotated[str, typer.Option(help="zh or en")] = "zh",
) -> int:
    """What a shift leaves to the next: open incidents, shelved alerts, flood minutes, response times."""
    from citybrain.commands.report import shift

    return shift(settings(city=city), start, end, lang, output)


@drill_app.command("truth")
def drill_truth(
    city: CityName = None,
    start: Annotated[str | None, typer.Option("--from", help="2026-10-01T08:00; since the feed began last.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="2026-10-01T20:00; now.")] = None,
    as_json: Json = False,
) -> int:
    """Detection against what the simulator injected: recall and delay by kind, false alerts an hour."""
    from citybrain.commands.drill import truth

    return truth(settings(city=city), start, end, as_json)


@app.command("after-action")
def after_action(
    output: Annotated[Path, typer.Option("-o", "--output", help="A name that ends in .html, .pdf or .docx.")],
    incident: Annotated[str | None, typer.Argument(help="Its id; without it the gravest of the span is told.")] = None,
    city: CityName = None,
    start: Annotated[
        str | None, typer.Option("--from", help="2019-12-31T18:00, local: the span that is drawn.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="2020-01-01T06:00")] = None,
    form: Annotated[str | None, typer.Option("--format", help="html, pdf or docx; as the name ends.")] = None,
    language: Annotated[str, typer.Option(help="zh or en")] = "zh",
) -> int:
    """What happened in an incident: map, curves, who did what when, deadlines, and how it went against the plan."""
    from citybrain.commands.after_action import run as command

    return command(settings(city=city), incident, start, end, form, language, output)


@drill_app.command("list")
def drill_list(as_json: Json = False) -> int:
    """The drills of all packs with what they practise."""
    from citybrain.commands.drill import show

    return show(as_json)


@drill_app.command("check")
def drill_check() -> int:
    """Check every drill; exit 1 when one is refused, naming file, key, value and remedy."""
    from citybrain.commands.drill import check

    return check()


@drill_app.command("run")
def drill_run(
    name: Annotated[str, typer.Argument(help="The drill's name, or PACK/NAME.")],
    city: CityName = None,
    speed: Annotated[float | None, typer.Option(help="At most so many times real time; as fast as it can.")] = None,
    live: Annotated[bool, typer.Option("--live", help="In the running city, with its people.")] = False,
    blind: Annotated[bool, typer.Option("--blind", help="Live, and the screens do not tell until the end.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="The whole city, not only the districts it touches.")] = False,
    by: Annotated[str | None, typer.Option(help="Who leads it; default: the user of this machine.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The score sheet, .html or .json.")] = None,
    as_json: Json = False,
) -> int:
    """Run a drill and grade it, at speed without people or live; exit 1 when it was not passed."""
    from citybrain.commands.drill import run as command

    if speed is not None and speed <= 0:
        raise typer.BadParameter(f"speed {speed} is not above 0; 60 is a minute a second")
    return command(settings(city=city), name, city, speed, live, blind, whole, by, output, as_json)


@city_app.command("list")
def city_list(as_json: Json = False) -> int:
    """The cities that have a pack."""
    from citybrain.commands.city import show

    return show(as_json)


@city_app.command("new")
def city_new(
    adcode: Annotated[str, typer.Option(help="Six digits of GB/T 2260, such as 440100 for Guangzhou.")],
    name: Annotated[str | None, typer.Option(help="The city's id; the adcode unless given.")] = None,
    name_en: Annotated[str | None, typer.Option("--name-en", help="Its English name.")] = None,
    into: Annotated[Path | None, typer.Option(help="The folder for its folder.")] = None,
) -> int:
    """Make the pack of a Chinese city from its adcode, with its districts."""
    from citybrain.commands.city import new

    return new(adcode, name, name_en, into)


@register_app.command("import")
def register_import(
    file: Annotated[Path, typer.Argument(help="CSV, GeoJSON, or a GB/T 28181 device catalogue (XML).")],
    crs: Annotated[str, typer.Option(help="The positions' system: wgs84, gcj02 or bd09.")] = "wgs84",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would change.")] = False,
    city: CityName = None,
    as_json: Json = False,
) -> int:
    """Register the assets of a file; tells what is new, moved, renamed, refused; exit 1 when any is refused."""
    from citybrain.commands.register import take

    return take(settings(city=city), file, crs, dry_run, as_json)


@register_app.command("unknown")
def register_unknown(city: CityName = None, as_json: Json = False) -> int:
    """The datastreams that came and are not registered."""
    from citybrain.commands.register import unknown

    return unknown(settings(city=city), as_json)


@register_app.command("adopt")
def register_adopt(
    datastream: Annotated[str, typer.Argument(help="<asset>/<property>, as it came.")],
    kind: Annotated[str, typer.Option(help="The asset's kind: camera, gauge …")],
    lon: Annotated[float, typer.Option(help="Longitude, WGS-84.")],
    lat: Annotated[float, typer.Option(help="Latitude, WGS-84.")],
    name: Annotated[str, typer.Option(help="The asset's name.")] = "",
    city: CityName = None,
) -> int:
    """Register the asset of an unknown datastream."""
    from citybrain.commands.register import adopt

    return adopt(settings(city=city), datastream, kind, lon, lat, name)


@register_app.command("match")
def register_match(
    file: Annotated[Path, typer.Argument(help="A CSV with the names as a source writes them.")],
    column: Annotated[str, typer.Option(help="The column of names.")] = "name",
    against: Annotated[Path | None, typer.Option(help="A CSV with the names to find; default: the register.")] = None,
    against_column: Annotated[str, typer.Option(help="Its column of names.")] = "name",
    city: CityName = None,
    as_json: Json = False,
) -> int:
    """Match names to the register: name,how,match,likeness as CSV, the doubtful ones for a person to decide."""
    from citybrain.commands.register import match

    return match(settings(city=city), file, column, against, against_column, as_json)


@token.command("new")
def token_new(
    name: Annotated[str, typer.Argument(help="The gateway's name.")],
    scope: Annotated[list[str], typer.Option(help="readings, look, dispatch, lead, plan, audit")] = ["readings"],  # noqa: B006  # typer's way
    valid: Annotated[str | None, typer.Option(help="How long it counts: 90d, 12h; default: until revoked.")] = None,
    asset: Annotated[list[str], typer.Option(help="Only assets whose id begins so; may be repeated.")] = [],  # noqa: B006
    kind: Annotated[list[str], typer.Option(help="Only assets of this kind; may be repeated.")] = [],  # noqa: B006
    rate: Annotated[
        int | None, typer.Option(help="Readings a second, in place of CITYBRAIN_RATE_LIMIT.", min=1)
    ] = None,
    signed: Annotated[bool, typer.Option("--signed", help="Every body must be signed; prints the key.")] = False,
    certificate: Annotated[str, typer.Option(help="SHA-256 of the client certificate it is bound to (mTLS).")] = "",
    digest: Annotated[bool, typer.Option("--digest", help="May also be shown by HTTP digest (GA/T 1400).")] = False,
    city: CityName = None,
) -> int:
    """Issue a token for a sensor gateway; it is shown once."""
    from citybrain.commands.token import new

    return new(settings(city=city), name, scope, valid, asset, kind, rate, signed, certificate, digest)


@token.command("list")
def token_list(city: CityName = None, as_json: Json = False) -> int:
    """Whose tokens there are, until when and for what; never the tokens themselves."""
    from citybrain.commands.token import show

    return show(settings(city=city), as_json)


@token.command("rotate")
def token_rotate(
    name: str,
    overlap: Annotated[str, typer.Option(help="How long the old tokens still count: 1h, 7d.")] = "1d",
    city: CityName = None,
) -> int:
    """Replace a gateway's token by a new one with the same rights; it is shown once."""
    from citybrain.commands.token import rotate

    return rotate(settings(city=city), name, overlap)


@token.command("revoke")
def token_revoke(name: str, city: CityName = None) -> int:
    """Revoke every token of a gateway; it is refused within 5 seconds."""
    from citybrain.commands.token import revoke

    return revoke(settings(city=city), name)


@user.command("add")
def user_add(
    name: str,
    role: Annotated[
        str, typer.Option(help="viewer, dispatcher, supervisor, planner, auditor, admin or unit")
    ] = "dispatcher",
    unit: Annotated[str, typer.Option(help="The unit that a role unit speaks for.")] = "",
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
    city: CityName = None,
) -> int:
    """Add a person, or give them a new role and password; an admin is given a second factor at once."""
    from citybrain.commands.user import add

    return add(settings(city=city), name, role, password, unit)


@user.command("list")
def user_list(city: CityName = None, as_json: Json = False) -> int:
    """Who has an account, with which role and second factor."""
    from citybrain.commands.user import show

    return show(settings(city=city), as_json)


@user.command("totp")
def user_totp(
    name: str,
    off: Annotated[bool, typer.Option("--off", help="Take the second factor away.")] = False,
    city: CityName = None,
) -> int:
    """Give a person a second factor (one-time passwords) with recovery codes; both are shown once."""
    from citybrain.commands.user import second_factor

    return second_factor(settings(city=city), name, off=off)


@user.command("remove")
def user_remove(name: str, city: CityName = None) -> int:
    """Take an account away; its sessions end at once."""
    from citybrain.commands.user import remove

    return remove(settings(city=city), name)


@display.command("new")
def display_new(
    name: Annotated[str, typer.Argument(help="The screen's name; one that exists gets a new token.")],
    shared: Annotated[bool, typer.Option("--shared", help="Any browser may show it, not only the first.")] = False,
    city: CityName = None,
) -> int:
    """Let a screen show the wall without a login; prints the address to open there, once."""
    from citybrain.commands.display import new

    return new(settings(city=city), name, shared=shared)


@display.command("list")
def display_list(city: CityName = None, as_json: Json = False) -> int:
    """The screens that need no login; never their tokens."""
    from citybrain.commands.display import show

    return show(settings(city=city), as_json)


@display.command("free")
def display_free(name: str, city: CityName = None) -> int:
    """Let the next browser that opens the screen's address take its place."""
    from citybrain.commands.display import free

    return free(settings(city=city), name)


@display.command("revoke")
def display_revoke(name: str, city: CityName = None) -> int:
    """Take a screen away: its browser loses the wall within seconds."""
    from citybrain.commands.display import revoke

    return revoke(settings(city=city), name)


@archive_app.command("check")
def archive_check(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what a torn file left.")] = False,
    city: CityName = None,
    as_json: Json = False,
) -> int:
    """Whether every offset is there once and every file can be read; exit 1 when not."""
    from citybrain.commands.archive import check

    return check(settings(city=city), repair, as_json)


@archive_app.command("compact")
def archive_compact(
    everything: Annotated[bool, typer.Option("--all", help="Also where there are only two files to join.")] = False,
    city: CityName = None,
    as_json: Json = False,
) -> int:
    """Put small files together, make the pictures for replays, let go of days that are over their time."""
    from citybrain.commands.archive import compact

    return compact(settings(city=city), everything, as_json)


@app.command()
def rerun(
    start: Annotated[str | None, typer.Option("--from", help="City time; default: a day before the end.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Default: the newest reading.")] = None,
    sets: Annotated[list[str], typer.Option("--set", help="pack.Rule.key=value; may be repeated.")] = [],  # noqa: B006  # typer's way
    budget: Annotated[float | None, typer.Option("--budget", "--per-hour", help="Alerts an hour.")] = None,
    without: Annotated[list[str], typer.Option("--without", help="pack.Rule that is left out.")] = [],  # noqa: B006  # typer's way
    pack: Annotated[Path | None, typer.Option("--pack", help="A pack.yaml in the place of the pack's.")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only tell how long it takes.")] = False,
    city: CityName = None,
    as_json: Json = False,
) -> int:
    """What was recorded, judged by other rules, detectors or another alert budget: which alerts come, go and move."""
    from citybrain.commands.rerun import run

    return run(settings(city=city), start, end, sets, budget, as_json, without, pack, estimate)


@app.command()
def replay(
    start: Annotated[str | None, typer.Option("--from", help="2026-10-01 or 2026-10-01T18:30, city time.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The end of the span.")] = None,
    incident: Annotated[str | None, typer.Option(help="An incident's id, in place of a span.")] = None,
    speed: Annotated[float, typer.Option(help="Times real time, 0.1 to 3600.")] = 60.0,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Only make the session, though no wall runs.")] = False,
    city: CityName = None,
    as_json: Json = False,
) -> int:
    """A replay session of what was recorded; prints its address, and serves it where no wall runs."""
    from citybrain.commands.replay import run

    return run(settings(city=city), start, end, incident, speed, as_json, no_serve)


@app.command()
def version() -> int:
    """The version."""
    print(__version__)
    return 0


def main() -> None:
    """Run the command line; a known fault is one line on standard error and exit code 1."""
    logging.basicConfig(
        level=os.environ.get("CITYBRAIN_LOG", "WARNING" if len(sys.argv) > 1 and sys.argv[1] == "demo" else "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in (
        "httpx",
        "kafka",
        "aiokafka",
        "uvicorn.access",
        "faust",
        "mode",
        "weasyprint",
        "fontTools",
        "apprise",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)  # it warns when the machine is busy
    find_place(Path(os.environ.get("CITYBRAIN_DATA", "data")))
    if sys.argv[1:2] == ["run"]:  # small frames many times a second: threads would cost more than they give
        os.environ.setdefault("POLARS_MAX_THREADS", "1")
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except typer.Exit as done:
        code = done.exit_code
    except Exception as error:
        if not _known(error):
            raise
        print(f"citybrain: {_line(error)}", file=sys.stderr)
        code = 2 if type(error).__name__ in ("UsageError", "BadParameter", "NoSuchOption", "MissingParameter") else 1
    sys.exit(code if isinstance(code, int) else 0)


def _known(error: Exception) -> bool:
    """Whether the product raised it for a person to read, rather than by a defect."""
    ours = ("citybrain", "wall", "streams", "sensors", "config", "models", "geo", "click", "typer", "pydantic_core")
    of_a_file = isinstance(error, OSError) and error.filename is not None
    return of_a_file or type(error).__module__.partition(".")[0] in ours


def _line(error: Exception) -> str:
    if isinstance(error, ValidationError):  # of the settings: the environment is what can be mended
        return "; ".join(
            f"CITYBRAIN_{one['loc'][0]}".upper() + f"={one['input']}: {one['msg']}" for one in error.errors()
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    shown = getattr(error, "format_message", None)
    return str(shown() if shown else error)
