"""``citybrain ingest``: a file pushed through the gateway, or (``--dry-run``) shown as what it decodes to.

Files of lines (CSV, JSON lines) are sent in pieces, and a run that was stopped goes on where it was: how far it came
is kept in the data folder until the whole file is taken.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from config.settings import Settings
from sensors.codecs.base import Codec, Envelope
from sensors.codecs.errors import Fault, Unreadable
from sensors.codecs.register import CODECS, named, of_file
from sensors.codecs.values import line
from sensors.push import LONGEST_WAIT_S, retry_after_s

LINES = ("csv", "ndjson", "axis")  # formats in which every line (after a header) stands alone
HEADED = ("csv",)
PIECE_BYTES = 256 * 1024
TOLD = 20  # refused records that are named
ANSWER_S = 30.0
ATTEMPTS = 120


class IngestError(ValueError):
    """The file cannot be pushed; the message says why and what to do."""


@dataclass(slots=True)
class Done:
    """How far a run came: bytes of the file, and what became of what was in them."""

    offset: int = 0
    accepted: int = 0
    rejected: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked: the file as ``codec``, with what the file itself does not say."""

    file: Path
    codec: Codec
    asset: str
    datastream: str
    zone: str
    mapping: dict[str, Any] | None


def run(
    settings: Settings,
    file: Path,
    form: str | None,
    dry_run: bool,
    token: str,
    url: str | None,
    asset: str,
    datastream: str,
    zone: str,
    mapping: Path | None,
    restart: bool,
    as_json: bool,
) -> int:
    """Push ``file`` or show what it decodes to; 0 when nothing was refused, else 1. Raises ``IngestError``."""
    job = Job(file, _codec(file, form), asset, datastream, zone, _mapping(mapping))
    if dry_run:
        return show(job, as_json)
    if not token:
        raise IngestError("no token; issue one with `citybrain token new NAME` and give it as --token or in TOKEN")
    done = push(settings, job, token, url or f"http://{settings.host}:{settings.gateway_port}", restart)
    if as_json:
        told = asdict(done)
        del told["offset"]
        print(json.dumps(told))
    return 1 if done.rejected else 0


# --- dry run ------------------------------------------------------------------------------------------------------


def show(job: Job, as_json: bool = False) -> int:
    """Print what the file decodes to as JSON lines, refused records on standard error; 1 when any was refused."""
    values = refused = 0
    for piece, first in _pieces(job, 0):
        envelope = Envelope(
            now=int(time.time() * 1000),
            limit=1_000_000,
            source=job.file.name,
            asset=job.asset,
            datastream=job.datastream,
            zone=job.zone,
            mapping=job.mapping,
        )
        try:
            decoded = job.codec.decode(piece, envelope)
        except Unreadable as error:
            raise IngestError(f"{job.file}: {error}") from error
        for value in decoded.values:
            sys.stdout.write(line(value).decode() + "\n")
        for fault in decoded.faults:
            _tell(job, fault, first, refused)
            refused += 1
        values += len(decoded.values)
    if refused > TOLD:
        print(f"citybrain: {job.file}: {refused - TOLD} more records are refused", file=sys.stderr)
    if as_json:
        print(json.dumps({"values": values, "rejected": refused}))
    if not values and not refused:
        print(f"citybrain: {job.file} holds nothing", file=sys.stderr)
    return 1 if refused else 0


def _tell(job: Job, fault: Fault, first: bool, before: int) -> None:
    if before < TOLD:
        where = f"record {fault.index}" if first else "a record"
        print(f"citybrain: {job.file}: {where}: {fault.reason}", file=sys.stderr)


# --- push ---------------------------------------------------------------------------------------------------------


def push(settings: Settings, job: Job, token: str, url: str, restart: bool = False) -> Done:
    """Send the file piece by piece, each until it is answered; raises ``IngestError``."""
    notes = settings.home / "ingest" / f"{_identity(job)}.json"
    done = Done(**json.loads(notes.read_text())) if notes.exists() and not restart else Done()
    if done.offset:
        print(f"citybrain: {job.file} goes on at byte {done.offset:,}", file=sys.stderr)
    size = job.file.stat().st_size
    query = {"asset": job.asset, "datastream": job.datastream, "zone": job.zone}
    if job.mapping is not None:
        query["mapping"] = json.dumps(job.mapping)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with (
        httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=ANSWER_S) as http,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        bar = progress.add_task(job.file.name, total=size, completed=done.offset)
        for piece, _ in _pieces(job, done.offset):
            answer = _sent(http, f"/v1/ingest/{job.codec.name}", query, piece, job)
            done.accepted += answer.get("accepted", 0)
            done.rejected += answer.get("rejected", 0)
            done.events += answer.get("events", 0)
            done.offset = _end(job, done.offset, piece)
            _write(notes, done)
            progress.update(bar, completed=done.offset)
            for error in answer.get("errors", [])[:TOLD]:
                print(f"citybrain: {job.file}: {error['reason']}", file=sys.stderr)
    notes.unlink(missing_ok=True)
    print(
        f"citybrain: {job.file}: {done.accepted:,} readings and {done.events:,} events accepted, "
        f"{done.rejected:,} refused",
        file=sys.stderr,
    )
    return done


def _sent(http: httpx.Client, path: str, query: dict[str, str], piece: bytes, job: Job) -> dict[str, Any]:
    """The gateway's answer to one piece, asked until it gives one; raises ``IngestError`` when it never will."""
    wait = 0.2
    for _ in range(ATTEMPTS):
        try:
            answer = http.post(path, params=query, content=piece, headers={"content-type": job.codec.media[0]})
        except httpx.TransportError as error:
            last = f"{http.base_url} does not answer ({error or type(error).__name__})"
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)
            continue
        told: dict[str, Any] = answer.json() if answer.content else {}
        if answer.status_code == HTTPStatus.ACCEPTED or (answer.status_code == 422 and "rejected" in told):
            return told
        last = f"{answer.status_code}: {told.get('detail', answer.text[:200])}"
        if answer.status_code not in (408, 429) and answer.status_code < 500:
            raise IngestError(f"{job.file}: the gateway answered {last} {told.get('remedy', '')}".rstrip())
        time.sleep(retry_after_s(answer.headers.get("retry-after")))
    raise IngestError(f"{job.file}: given up after {ATTEMPTS} attempts, the last: {last}; run it again to go on")


# --- the file -----------------------------------------------------------------------------------------------------


def _codec(file: Path, form: str | None) -> Codec:
    if not file.is_file():
        raise IngestError(f"{file}: no such file")
    if form is not None:
        try:
            return named(form)
        except Unreadable as error:
            raise IngestError(f"--format: {error}") from error
    fitting = of_file(file.name)
    if len(fitting) != 1:
        known = ", ".join(codec.name for codec in fitting) or ", ".join(CODECS)
        raise IngestError(f"{file.name} does not tell its format; give --format, one of {known}")
    return fitting[0]


def _mapping(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        told = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise IngestError(f"{file}: not YAML: {error}") from error
    if not isinstance(told, dict):
        raise IngestError(f"{file}: a mapping says which column is what; see docs/codecs.md")
    return told


def _pieces(job: Job, offset: int) -> Iterator[tuple[bytes, bool]]:
    """What is left of the file from ``offset``, in pieces that stand alone; True for the first of the file."""
    with job.file.open("rb") as file:
        if job.codec.name not in LINES:
            if offset == 0:
                yield file.read(), True
            return
        header = file.readline() if job.codec.name in HEADED else b""
        file.seek(max(offset, len(header)))
        first = offset == 0
        while lines := file.readlines(PIECE_BYTES):
            yield header + b"".join(lines), first
            first = False


def _end(job: Job, offset: int, piece: bytes) -> int:
    """Where in the file the piece that began at ``offset`` ends."""
    if job.codec.name in HEADED and offset:
        with job.file.open("rb") as file:
            return offset + len(piece) - len(file.readline())
    return offset + len(piece)


def _identity(job: Job) -> str:
    """Another name for another file, or the same one changed."""
    status = job.file.stat()
    told = f"{job.file.resolve()}|{status.st_size}|{status.st_mtime_ns}|{job.codec.name}|{job.asset}|{job.datastream}"
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def _write(notes: Path, done: Done) -> None:
    notes.parent.mkdir(parents=True, exist_ok=True)
    part = notes.with_suffix(".part")
    part.write_text(json.dumps(asdict(done)))
    part.replace(notes)
