"""Opens recordings for the wall; what reads the archive is loaded when somebody looks back for the first time."""

from __future__ import annotations

from config import city as cities
from config import register as registers
from config.settings import Settings
from wall.replay.recording import Ask, Recording, ReplayError


class Opener:
    """Opens spans of one city's archive; called in a thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, ask: Ask) -> Recording:
        """The recording of a span, or of an incident's with what was around it; raises ``ReplayError``."""
        from citybrain.archive.files import ArchiveError
        from citybrain.archive.reader import Archive
        from citybrain.replay.recording import Span, span

        settings = self._settings
        try:
            archive = Archive.of(settings)
            start, end = span(archive, ask)
            city, register = cities.load(settings.city), registers.load(settings.register)
            return Span(archive, settings.home, city, register, start, end)
        except ArchiveError as error:
            raise ReplayError(str(error)) from error
