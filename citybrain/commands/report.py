"""``citybrain report``: writes a report to a file."""

from __future__ import annotations

import time
from pathlib import Path

from citybrain.moments import moment_of
from citybrain.reports import shift as shifts
from citybrain.reports.facts import ReportError, gather
from citybrain.reports.words import Language
from config import city as cities
from config.settings import Settings

FORMS = (".html", ".pdf")


def shift(settings: Settings, start: str | None, end: str | None, lang: str, output: Path) -> int:
    """Write the shift report from ``start`` to ``end`` (local time unless they say otherwise); exit code 0."""
    if lang not in ("zh", "en"):
        raise ReportError(f"--lang {lang} is not known; use zh or en")
    if output.suffix not in FORMS:
        raise ReportError(f"-o {output}: the name must end in .html or .pdf")
    zone = cities.load(settings.city).timezone
    now = int(time.time() * 1000)
    facts = gather(settings, moment_of(start, zone), moment_of(end, zone), now)
    language: Language = "zh" if lang == "zh" else "en"
    page = shifts.html(facts, language)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(page.encode() if output.suffix == ".html" else shifts.pdf(page))
    print(f"{output}: {len(facts.open)} open incidents, {facts.quality.alerts} alerts, {output.stat().st_size} bytes")
    return 0
