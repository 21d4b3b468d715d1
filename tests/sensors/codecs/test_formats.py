"""The table of docs/codecs.md against the real payloads, and the page against the register."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sensors.codecs.register import CODECS
from tests.sensors.codecs.formats import FORMATS, decoded, files, row

PAGE = (Path(__file__).parents[3] / "docs/codecs.md").read_text()
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| `[a-z_0-9]+/", line)]
here = pytest.mark.skipif(not FORMATS.exists(), reason="the payloads of shared/data/formats are not here")


@here
def test_the_table_says_what_each_file_decodes_to() -> None:
    """Every payload has its row, with what it gives and why a record of it is refused.

    ``python -m tests.sensors.codecs.formats`` prints the rows as they should be.
    """
    assert [str(row(path)) for path in files()] == ROWS


@here
@pytest.mark.parametrize("path", files() or [Path("none/none")], ids=lambda path: path.name)
def test_every_real_payload_gives_something(path: Path) -> None:
    """Each file decodes, and what is refused of it is told in a whole sentence."""
    found = decoded(path)
    assert found.values
    for fault in found.faults:
        assert len(fault.reason.split()) > 5


def test_the_page_names_every_codec() -> None:
    """Each codec has its row among the formats and its section, with media types and endings as in the register."""
    for codec in CODECS.values():
        media = ", ".join(f"`{one}`" for one in codec.media)
        endings = ", ".join(f"`{one}`" for one in codec.endings)
        assert f"| `{codec.name}` | {codec.title} | {media} | {endings} |" in PAGE
        assert f"\n### {codec.name}" in PAGE
