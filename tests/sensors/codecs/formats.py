"""What each file of real payloads decodes to, as the rows of the table in docs/codecs.md.

``python -m tests.sensors.codecs.formats`` prints the rows as they are now.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from sensors.codecs.base import Decoded, Envelope
from sensors.codecs.errors import Unreadable
from sensors.codecs.register import CODECS
from sensors.codecs.values import word

FORMATS = Path(__file__).parents[4] / "shared/data/formats"
CODEC_OF = {  # folder → codec
    "axis_scene": "axis",
    "cap": "cap",
    "gat1400": "gat1400",
    "onvif": "onvif",
    "open311": "open311",
    "senml": "senml",
    "sensorthings": "sensorthings",
    "sparkplug": "sparkplug",
}
NOW = 1_790_000_000_000
TOPICS = {  # what a broker would tell beside the bytes
    "nbirth_spec_example.json": "spBv1.0/group/NBIRTH/node",
    "dbirth_spec_example.json": "spBv1.0/group/DBIRTH/node/device",
}


class Row(NamedTuple):
    """One row of the table."""

    file: str
    codec: str
    gives: str
    refused: str

    def __str__(self) -> str:
        return f"| `{self.file}` | {self.codec} | {self.gives} | {self.refused} |"


def files() -> list[Path]:
    """The payloads, in order."""
    return sorted(path for path in FORMATS.rglob("*") if path.is_file() and path.name != "README.md")


def decoded(path: Path, now: int = NOW) -> Decoded:
    """What the file decodes to, with what its door would know."""
    codec = CODECS[CODEC_OF[path.parent.name]]
    asset = "cam-1" if codec.name in ("onvif", "axis") else ""
    return codec.decode(path.read_bytes(), Envelope(now=now, asset=asset, topic=TOPICS.get(path.name, "")))


def row(path: Path) -> Row:
    """The row of the table for one file."""
    name, codec = str(path.relative_to(FORMATS)), CODEC_OF[path.parent.name]
    try:
        found = decoded(path)
    except Unreadable as error:
        return Row(name, codec, "", str(error))
    counts = Counter(word(value) for value in found.values)
    gives = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    refused = "; ".join(f"record {fault.index}: {fault.reason}" for fault in found.faults)
    return Row(name, codec, gives, refused.replace("|", "\\|"))


if __name__ == "__main__":
    print("\n".join(str(row(path)) for path in files()))
