"""The after-action report as HTML, PDF and Word."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import jinja2
from docx import Document
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

from citybrain.reports.after_action import AfterAction
from citybrain.reports.after_action_story import Block, Heading, Note, Numbers, Story, Table, story
from citybrain.reports.after_action_words import words
from citybrain.reports.figure import Figure, png, svg
from citybrain.reports.shift import pdf as printed
from citybrain.reports.words import Language

FORMS = ("html", "pdf", "docx")
PAGE_CM = 18.0
COLOUR = {"met": RGBColor(0x1C, 0x7C, 0x3C), "missed": RGBColor(0xC4, 0x16, 0x1C)}
LATIN, CHINESE = "Calibri", "Microsoft YaHei"


def made(facts: AfterAction, form: str, lang: Language) -> bytes:
    """The report in one of ``FORMS``; raises ``ReportError`` where the machine lacks what PDF needs."""
    if form == "docx":
        return word(story(facts, lang))
    page = html(story(facts, lang))
    return page.encode() if form == "html" else printed(page)


def html(it: Story) -> str:
    """The report as one page that needs no other file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    blocks = [
        {"kind": type(one).__name__, "it": one, "svg": svg(one) if isinstance(one, Figure) else ""} for one in it.blocks
    ]
    return environment.get_template("after_action.html").render(s=it, w=words(it.lang), blocks=blocks)


def word(it: Story) -> bytes:
    """The report as a Word document, its figures as pictures."""
    document = Document()
    _style(document)
    document.core_properties.title = it.title
    document.core_properties.author = "citybrain"
    document.add_heading(it.title, 0)
    for line in (it.exercise, it.place, *it.under):
        if line:
            document.add_paragraph(line)
    for block in it.blocks:
        _put(document, block)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _put(document: Any, block: Block) -> None:
    match block:
        case Heading():
            document.add_heading(block.text, 1)
        case Note():
            document.add_paragraph(block.text)
        case Numbers():
            _grid(
                document, [tuple(number for number, _ in block.cells), tuple(what for _, what in block.cells)], bold=0
            )
        case Figure():
            document.add_picture(io.BytesIO(png(block)), width=Cm(PAGE_CM))
        case Table():
            table = _grid(document, [block.head, *block.rows], bold=0)
            for row, mark in enumerate(block.marks):
                _colour(table.rows[row + 1].cells[-1], mark)
            if block.more:
                document.add_paragraph(block.more)


def _grid(document: Any, rows: list[tuple[str, ...]], bold: int) -> Any:
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Light Grid Accent 1")
    for row, cells in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    for cell in table.rows[bold].cells:
        for run in cell.paragraphs[0].runs:
            run.bold = True
    document.add_paragraph()
    return table


def _colour(cell: Any, mark: str) -> None:
    for run in cell.paragraphs[0].runs:
        if mark in COLOUR:
            run.font.color.rgb = COLOUR[mark]


def _style(document: Any) -> None:
    """Letters for both languages, and margins that leave room for the tables."""
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = LATIN, Pt(9.5)
    for name in ("Normal", "Title", "Heading 1"):
        fonts = document.styles[name].element.get_or_add_rPr().get_or_add_rFonts()
        fonts.set(qn("w:eastAsia"), CHINESE)
    for section in document.sections:
        section.page_width, section.page_height = Cm(21.0), Cm(29.7)
        section.left_margin = section.right_margin = Cm(1.5)
        section.top_margin = section.bottom_margin = Cm(1.6)
