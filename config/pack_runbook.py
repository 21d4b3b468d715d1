"""A pack's runbook: ``runbook.md`` with four sections in each of the two languages, none of them empty."""

from __future__ import annotations

import re
from pathlib import Path

from config.pack_faults import Faults

FILE = "runbook.md"
SECTIONS = {
    "en": ("Meaning", "Impact", "Diagnosis", "Mitigation"),
    "zh": ("含义", "影响", "诊断", "处置"),
}
LEAST = 10  # characters that a section has to have
_HEADING = re.compile(r"^##\s+(.+?)\s*$", re.MULTILINE)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def sections(text: str) -> dict[str, str]:
    """The text below each heading of the second level, by heading."""
    parts = _HEADING.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def check(folder: Path, needed: bool) -> list[str]:
    """What is wrong with the runbook of the pack in ``folder``, one line a fault; ``needed``: it has to be there."""
    faults = Faults(f"{folder.name}/{FILE}")
    try:
        found = sections((folder / FILE).read_text("utf-8"))
    except FileNotFoundError:
        if needed:
            faults.add("", f"no such file; write one with the sections {', '.join(_wanted())}")
        return faults.lines
    except UnicodeDecodeError as error:
        faults.add("", f"not UTF-8 text ({error}); save it as UTF-8")
        return faults.lines
    for language, names in SECTIONS.items():
        for name in names:
            if name not in found:
                faults.add(f"## {name}", f'the section is missing; write a heading "## {name}" and text below it')
            elif len(found[name]) < LEAST:
                faults.add(f"## {name}", f'"{found[name]}" is too short; write a sentence or more')
            elif (language == "zh") != bool(_CHINESE.search(found[name])):
                faults.add(
                    f"## {name}", f"its text is not {'Chinese' if language == 'zh' else 'English'}; translate it"
                )
    return faults.lines


def _wanted() -> list[str]:
    return [name for names in SECTIONS.values() for name in names]
