"""``citybrain after-action``: writes the report on one incident to a file."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from citybrain.reports.after_action import gather
from citybrain.reports.after_action_forms import FORMS, made
from citybrain.reports.facts import ReportError
from citybrain.reports.words import Language
from config import city as cities
from config.settings import Settings


def run(
    settings: Settings,
    incident: str | None,
    start: str | None,
    end: str | None,
    form: str | None,
    lang: str,
    output: Path,
) -> int:
    """Write the report; times are local unless they say otherwise; exit code 0."""
    if lang not in ("zh", "en"):
        raise ReportError(f"--language {lang} is not known; use zh or en")
    chosen = form or output.suffix.removeprefix(".")
    if chosen not in FORMS:
        raise ReportError(f"--format {chosen or output.name!r} is not known; use one of {', '.join(FORMS)}")
    zone = ZoneInfo(cities.load(settings.city).timezone)
    now = int(time.time() * 1000)
    facts = gather(settings, incident, moment(start, "--from", zone), moment(end, "--to", zone), now)
    language: Language = "zh" if lang == "zh" else "en"
    body = made(facts, chosen, language)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(body)
    print(
        f"{output}: incident {facts.incident.id}, {len(facts.alerts)} alerts, {len(facts.curves)} curves, "
        f"{len(facts.acts)} steps, {len(body)} bytes"
    )
    return 0


def moment(text: str | None, option: str, zone: ZoneInfo) -> int | None:
    """A time as written, ms since 1970; None where none is given. Raises ``ReportError``."""
    if text is None:
        return None
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ReportError(f"{option} {text!r} is no time; write it as 2026-10-01T08:00") from error
    return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
