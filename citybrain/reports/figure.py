"""Figures of a report: a few shapes in points, drawn as SVG for paper and screens, or as a picture for Word."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

INK, QUIET, GRID = "#1a2230", "#556070", "#d5dae2"
SCALE = 3  # pixels a point in a picture: 216 dots an inch
FONTS = ("NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "wqy-zenhei.ttc", "DejaVuSans.ttf")
Points = Sequence[tuple[float, float]]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A line, or an area where it has a ``fill``; ``dash``: drawn broken."""

    points: Points
    stroke: str = ""
    width: float = 0.6
    fill: str = ""
    dash: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A disc."""

    x: float
    y: float
    radius: float
    fill: str
    stroke: str = "#ffffff"


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a point, on their baseline."""

    x: float
    y: float
    text: str
    size: float = 7.0
    fill: str = QUIET
    anchor: Anchor = "start"
    halo: bool = False


@dataclass(slots=True)
class Figure:
    """Shapes within ``width`` x ``height`` points, drawn in their order; ``title`` says what is to be seen."""

    width: float
    height: float
    title: str
    parts: list[Shape | Dot | Label] = field(default_factory=list)

    def rectangle(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """A filled rectangle."""
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        self.parts.append(Shape(corners, fill=fill))


def svg(figure: Figure) -> str:
    """The figure as an SVG element that needs nothing else."""
    body = "".join(_svg(part) for part in figure.parts)
    box = f"0 0 {figure.width:g} {figure.height:g}"
    return f'<svg viewBox="{box}" width="100%" role="img" aria-label="{escape(figure.title)}">{body}</svg>'


def png(figure: Figure) -> bytes:
    """The figure as a picture of ``SCALE`` pixels a point."""
    image = Image.new("RGB", (round(figure.width * SCALE), round(figure.height * SCALE)), "#ffffff")
    draw = ImageDraw.Draw(image)
    for part in figure.parts:
        _paint(draw, part)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _svg(part: Shape | Dot | Label) -> str:
    match part:
        case Shape():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in part.points)
            element = "polygon" if part.fill else "polyline"
            dash = ' stroke-dasharray="3 2"' if part.dash else ""
            look = f'fill="{part.fill or "none"}" stroke="{part.stroke or "none"}" stroke-width="{part.width:g}"'
            return f'<{element} points="{points}" {look}{dash} stroke-linejoin="round"/>'
        case Dot():
            where = f'cx="{part.x:.1f}" cy="{part.y:.1f}" r="{part.radius:g}"'
            return f'<circle {where} fill="{part.fill}" stroke="{part.stroke}" stroke-width="0.6"/>'
        case Label():
            where = f'x="{part.x:.1f}" y="{part.y:.1f}" font-size="{part.size:g}" text-anchor="{part.anchor}"'
            words = escape(part.text)
            halo = f'<text {where} fill="#fff" stroke="#fff" stroke-width="2">{words}</text>' if part.halo else ""
            return f'{halo}<text {where} fill="{part.fill}">{words}</text>'


def _paint(draw: ImageDraw.ImageDraw, part: Shape | Dot | Label) -> None:
    match part:
        case Shape():
            points = [(x * SCALE, y * SCALE) for x, y in part.points]
            if part.fill and len(points) > 2:
                draw.polygon(points, fill=part.fill)
            if part.stroke and len(points) > 1:
                closed = [*points, points[0]] if part.fill else points
                for line in _pieces(closed) if part.dash else (closed,):
                    draw.line(line, fill=part.stroke, width=max(1, round(part.width * SCALE)), joint="curve")
        case Dot():
            x, y, r = part.x * SCALE, part.y * SCALE, part.radius * SCALE
            draw.ellipse((x - r, y - r, x + r, y + r), fill=part.fill, outline=part.stroke, width=SCALE // 2)
        case Label():
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[part.anchor]
            halo = SCALE if part.halo else 0
            at = (part.x * SCALE, part.y * SCALE)
            draw.text(
                at, part.text, part.fill, _font(part.size), anchor=anchor, stroke_width=halo, stroke_fill="#ffffff"
            )


def _pieces(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """A broken line: every other of its pieces."""
    return [[a, b] for number, (a, b) in enumerate(itertools.pairwise(points)) if number % 2 == 0]


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The first font that this machine has; one with Chinese letters comes first."""
    for name in FONTS:
        try:
            return ImageFont.truetype(name, round(size * SCALE))
        except OSError:
            continue
    return ImageFont.load_default(round(size * SCALE))
