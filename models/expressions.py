"""Expressions of rules: SQL that is true or false for one row, and can do nothing else.

An expression comes from whoever writes a pack. Before Polars sees it, it is cut into words, and each word must be on a
list: columns of the frame, keywords and functions of one row. So it has no table, no subquery, no file, no clock, no
chance and no cast; its length and depth are bounded, so it cannot run long either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from models.nearest import hint

FUNCTIONS = (
    "ABS", "CEIL", "COALESCE", "FLOOR", "GREATEST", "LEAST", "LN", "LOG10", "NULLIF", "ROUND", "SIGN", "SQRT",
)  # fmt: skip
KEYWORDS = (
    "AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "TRUE", "FALSE", "LIKE", "CASE", "WHEN", "THEN", "ELSE", "END",
)  # fmt: skip
MAX_CHARACTERS = 1_000
MAX_WORDS = 200
MAX_DEPTH = 12  # of brackets and of CASE in one another
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])"
    r"|(?P<text>'(?:[^'\\]|'')*')"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign><>|!=|<=|>=|[=<>+\-*/%(),]))"
)


class ExpressionError(ValueError):
    """An expression cannot be used; the message quotes it and says what to write instead."""


@dataclass(frozen=True, slots=True)
class _Token:
    """One word of an expression: ``kind`` is number, text, word or sign."""

    kind: str
    text: str


def expression(text: str, columns: Mapping[str, pl.DataType], alias: str = "") -> pl.Expr:
    """The expression in ``text`` over ``columns`` (name → type of the frame); true, false or null for each row.

    ``alias`` is another name of the column ``value``. Raises ``ExpressionError``.
    """
    names = [*columns, alias] if alias and alias not in columns else list(columns)
    tokens = _tokens(text)
    _bounded(text, tokens)
    _known(text, tokens, names)
    plain = " ".join("value" if token.text == alias and alias not in columns else token.text for token in tokens)
    try:
        made = pl.sql_expr(plain)
        used = made.meta.root_names()
    except pl.exceptions.PolarsError as error:
        raise ExpressionError(f"cannot read {text!r}: {_first_line(error)}") from error
    if not used:
        raise ExpressionError(f"{text!r} uses no column; use one of {', '.join(names)}")
    _boolean(text, made, columns)
    return made


def _tokens(text: str) -> list[_Token]:
    """The words of ``text``; raises ``ExpressionError`` at the first character that no word begins with."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(
            f"{text[:40]!r}… has {len(text)} characters; at most {MAX_CHARACTERS}: split it into two rules"
        )
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            left = text[at:].lstrip()
            raise ExpressionError(
                f"{text!r} holds {left[:1]!r} at character {text.index(left, at) + 1}, which no expression needs; "
                "write columns, numbers, 'texts', comparisons, AND, OR and NOT"
            )
        found.append(_Token(str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    if not found:
        raise ExpressionError("is empty; write a comparison, as in value >= 0.27")
    return found


def _bounded(text: str, tokens: Sequence[_Token]) -> None:
    """Raise ``ExpressionError`` where the expression is too long or too deep to be read by people, or to run fast."""
    if len(tokens) > MAX_WORDS:
        raise ExpressionError(f"{text[:40]!r}… has {len(tokens)} words; at most {MAX_WORDS}: split it into two rules")
    depth = deepest = signs = 0
    for token in tokens:
        opens = token.text == "(" or token.text.upper() == "CASE"
        closes = token.text == ")" or token.text.upper() == "END"
        depth += (opens and token.kind != "text") - (closes and token.kind != "text")
        signs = signs + 1 if token.text.upper() in ("NOT", "-", "+") and token.kind != "text" else 0
        deepest = max(deepest, depth + signs)
    if deepest > MAX_DEPTH:
        raise ExpressionError(f"{text[:40]!r}… is {deepest} brackets deep; at most {MAX_DEPTH}: write it flatter")


def _known(text: str, tokens: Sequence[_Token], names: Sequence[str]) -> None:
    """Raise ``ExpressionError`` for a word that is no column, no keyword and no function of one row."""
    for at, token in enumerate(tokens):
        if token.kind != "word" or token.text in names or token.text.upper() in KEYWORDS:
            continue
        if at + 1 < len(tokens) and tokens[at + 1].text == "(":
            if token.text.upper() not in FUNCTIONS:
                raise ExpressionError(
                    f"{token.text} cannot be called in {text!r}{hint(token.text.upper(), FUNCTIONS, 'it may call')}"
                )
            continue
        raise ExpressionError(f'unknown column "{token.text}"{hint(token.text, names)}')


def _boolean(text: str, made: pl.Expr, columns: Mapping[str, pl.DataType]) -> None:
    """Raise ``ExpressionError`` unless it gives true or false, on rows of all sorts."""
    numbers = [None, 0.0, 1.0, -1.5, 1e12, float("inf")]
    words = [None, "", "a", "%", "venue", "box"]
    rows = {name: words if kind == pl.String() else numbers for name, kind in columns.items()}
    try:
        kind = pl.DataFrame(rows, schema=dict(columns)).select(made.alias("it")).schema["it"]
    except pl.exceptions.PolarsError as error:
        raise ExpressionError(f"cannot use {text!r}: {_first_line(error)}") from error
    if kind != pl.Boolean():
        raise ExpressionError(f"{text!r} gives {kind}, not true or false; compare it with a line, as in 'score > 6'")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
