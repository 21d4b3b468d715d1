"""What citizens may ask of a city: the service types of Open311, declared in ``services.yaml`` of the city's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from models.values import Text

FILE = "services.yaml"


class ServicesError(ValueError):
    """The file cannot be used; the message names it, the key and the value."""


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One type of request. ``answer_within`` is how soon the department must answer: working days, or an hour where
    public safety is at stake."""

    code: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
    name: Text
    group: Text
    department: Text
    answer_within: Literal["1h", "5d", "20d"] = "5d"
    description: Text = Text(en="", zh="")

    def georeport(self) -> dict[str, object]:
        """The service with the names of GeoReport v2."""
        return {
            "service_code": self.code,
            "service_name": f"{self.name.zh} {self.name.en}",
            "description": f"{self.description.zh} {self.description.en}".strip(),
            "metadata": False,
            "type": "realtime",
            "keywords": self.answer_within,
            "group": f"{self.group.zh} {self.group.en}",
        }


class _File(msgspec.Struct, forbid_unknown_fields=True):
    services: list[Service]


def load(folder: Path) -> tuple[Service, ...]:
    """The services of the city in ``folder``; none where it declares none. Raises ``ServicesError``."""
    path = folder / FILE
    if not path.exists():
        return ()
    try:
        services = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), _File).services
    except (msgspec.ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ServicesError(f"{path}: {error}") from error
    codes = [service.code for service in services]
    for code in codes:
        if codes.count(code) > 1:
            raise ServicesError(f"{path}: the code {code} is declared {codes.count(code)} times; keep one")
    return tuple(services)
