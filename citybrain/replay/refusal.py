"""What a re-run cannot do, in words of both languages: the value, the limit and the remedy."""

from __future__ import annotations

from citybrain.archive.files import ArchiveError
from wall.words import word


class Refused(ArchiveError):
    """A re-run that is not made. ``code`` names the sentence ``rerun.no.<code>`` of the catalogues, ``given`` fills
    it; the message itself is the English one."""

    def __init__(self, code: str, **given: str) -> None:
        super().__init__(word(f"rerun.no.{code}", "en").format(**given))
        self.code = code
        self.given = given
