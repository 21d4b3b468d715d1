"""``citybrain after-action``: writes the report on one incident to a file."""

from __future__ import annotations

import time
from pathlib import Path

from citybrain.moments import moment_of
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
    zone = cities.load(settings.city).timezone
    now = int(time.time() * 1000)
    facts = gather(settings, incident, moment_of(start, zone), moment_of(end, zone), now)
    language: Language = "zh" if lang == "zh" else "en"
    body = made(facts, chosen, language)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(body)
    print(
        f"{output}: incident {facts.incident.id}, {len(facts.alerts)} alerts, {len(facts.curves)} curves, "
        f"{len(facts.acts)} steps, {len(body)} bytes"
    )
    return 0
