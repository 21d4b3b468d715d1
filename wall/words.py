"""Every word on the screens, in Chinese and English, from the catalogues in ``wall/locale``.

A catalogue is ``<language>/LC_MESSAGES/<domain>.po``: ``msgid`` is the key of a word, ``msgstr`` the word with its
{fields}. A domain is a file for each part of the product and no more: keys are one namespace. A word that counts has
``msgid_plural`` (the key again) and English both forms, "1 alert" and "{n} alerts". What the city itself is called
comes from its pack.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from babel.messages.pofile import read_po

Language = Literal["zh", "en"]
Word = str | tuple[str, ...]  # as many forms as the language has plurals: one in Chinese, two in English
LANGUAGES: tuple[Language, ...] = ("zh", "en")
LOCALE = Path(__file__).parent / "locale"


def read(lang: Language, folder: Path = LOCALE) -> dict[str, Word]:
    """The words of one language by key, of all its domains; a key that stands twice raises ``ValueError``."""
    words: dict[str, Word] = {}
    for path in sorted((folder / lang / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            entries = [entry for entry in read_po(file, locale=lang, abort_invalid=True) if entry.id]
        for entry in entries:
            key = entry.id if isinstance(entry.id, str) else entry.id[0]
            if key in words:
                raise ValueError(f"{path}: the word {key!r} stands in another file too; take one of them out")
            words[key] = tuple(entry.string) if isinstance(entry.string, list | tuple) else str(entry.string)
    return words


WORDS: dict[Language, dict[str, Word]] = {lang: read(lang) for lang in LANGUAGES}


def word(key: str, lang: Language, n: float = 2) -> str:
    """The word in one language, in the form for ``n`` things; an unknown key raises ``KeyError``."""
    found = WORDS[lang][key]
    if isinstance(found, str):
        return found
    return found[0] if n == 1 else found[-1]


def catalogue(lang: Language) -> dict[str, Word]:
    """All words of one language, for the browser."""
    return WORDS[lang]


def language(asked: str | None, accept: str = "") -> Language:
    """The language asked for, else the first known one of an Accept-Language header, else Chinese."""
    for lang in LANGUAGES:
        if asked == lang:
            return lang
    for part in accept.lower().split(","):
        for lang in LANGUAGES:
            if part.strip().startswith(lang):
                return lang
    return "zh"
