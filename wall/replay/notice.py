"""What is said of an archive's files that could not be read: a key with its values, made words at the edge."""

from __future__ import annotations

import msgspec

from wall.words import Language, word


class Notice(msgspec.Struct, frozen=True):
    """The sentence ``archive.no.<key>`` of the catalogues, whose fields ``given`` fills."""

    key: str
    given: dict[str, str]

    def words(self, lang: Language) -> str:
        """The sentence in one language."""
        return word(f"archive.no.{self.key}", lang).format(**self.given)


def notice(key: str, **given: object) -> Notice:
    """The notice of that key; the values as they are shown."""
    return Notice(key, {name: str(value) for name, value in given.items()})
