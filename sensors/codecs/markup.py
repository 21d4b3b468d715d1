"""XML read safely: no document type, no entities, no network, and a bound on its elements."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from lxml import etree

from sensors.codecs.errors import Amiss, TooMany, Undecodable, Unreadable

Element = etree._Element
ELEMENTS = 200_000  # tags in one document
_DECLARED = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
# Those whose bytes below 128 are ASCII's: what looks like a tag is one.
_ENCODINGS = {
    *("utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1250", "cp1251", "cp1252"),
    *("gb2312", "gbk", "gb18030", "big5", "euc_jp", "euc_kr", "koi8-r"),
}
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

_PARSER = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
    collect_ids=False,
)


def parse(body: bytes) -> Element:
    """The root of a document. Raises ``Undecodable``, ``Unreadable`` or ``TooMany``."""
    text = _text(body)
    for banned in ("<!DOCTYPE", "<!ENTITY"):
        if banned in text:
            reason = f"the document has a {banned[2:]} declaration; these are not taken: send it without any"
            raise Unreadable(reason, value=banned, limit="XML without document type")
    if (tags := text.count("<")) > 2 * ELEMENTS:
        raise TooMany(tags, 2 * ELEMENTS, "tags")
    try:
        return etree.fromstring(text.encode(), _PARSER)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        why = (error.msg or "unknown").partition(", line ")[0]
        raise Unreadable(f"not XML: {why}; mend line {line}, column {column}", value=line) from error


def _text(body: bytes) -> str:
    if not body.strip():
        raise Undecodable("the body is empty; send XML", 0)
    encoding, skipped = _encoding(body)
    try:
        return body[skipped:].decode(encoding)
    except UnicodeDecodeError as error:
        raise Undecodable(f"not {encoding}; declare the document's encoding", skipped + error.start) from error


def _encoding(body: bytes) -> tuple[str, int]:
    """The name of the encoding and the length of its mark at the beginning."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name, len(mark)
    if body[:2] in (b"<\0", b"\0<"):
        return "utf-16-le" if body[1] == 0 else "utf-16-be", 0
    declared = _DECLARED.match(body)
    if declared is None:
        return "utf-8", 0
    try:
        name = codecs.lookup(declared[1].decode()).name
    except LookupError:
        name = ""
    if name not in _ENCODINGS:
        told = declared[1].decode()
        raise Unreadable(f"encoding {told!r} is not taken; send UTF-8", field="encoding", value=told, limit="UTF-8")
    return name, 0


def name(element: Element) -> str:
    """The element's name without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(element: Element) -> str:
    """The element's namespace, "" where it has none."""
    tag = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def children(element: Element | None, *names: str) -> Iterator[Element]:
    """The children of these names, whatever their namespace, in order."""
    if element is not None:
        for child in element:
            if name(child) in names:
                yield child


def child(element: Element | None, *path: str) -> Element | None:
    """The first child, or grandchild along ``path``, whatever the namespace."""
    for step in path:
        element = next(children(element, step), None)
    return element


def below(element: Element, wanted: str) -> Iterator[Element]:
    """The elements of this name at any depth, whatever their namespace."""
    return (one for one in element.iter() if name(one) == wanted)


def text(element: Element | None, *path: str) -> str:
    """The text of the element along ``path``, without space around it; "" where it is not there."""
    found = child(element, *path)
    return "".join(map(str, found.itertext())).strip() if found is not None else ""


def needed(element: Element, field: str) -> str:
    """The text of the child ``field``, which must be there."""
    told = text(element, field)
    if not told:
        raise Amiss(field, None, "text", f"{field} is missing in {name(element)}; it must be there")
    return told


def source(element: Element) -> bytes:
    """The element as XML bytes."""
    return bytes(etree.tostring(element))
