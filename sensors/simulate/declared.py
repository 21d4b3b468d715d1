"""What a city declares about its input: ``config/cities/<city>/feed.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

T = TypeVar("T", bound=msgspec.Struct)


class FeedError(ValueError):
    """``feed.yaml`` is missing or wrong; the message names file and key."""


def read(path: Path, kind: type[T]) -> T:
    """The YAML file at ``path`` as ``kind``; raises ``FeedError`` naming file and key."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text("utf-8")), kind)
    except FileNotFoundError as error:
        raise FeedError(f"{path}: the file is missing; without it this city has no input of its own") from error
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise FeedError(f"{path}: {error}") from error
