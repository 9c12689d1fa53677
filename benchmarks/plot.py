"""Bars for the page, as SVG by hand: three small panels are no reason for a plotting library."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS = ("#2f6fde", "#e08a1e", "#4aa564", "#8d6cab")
WIDTH, PANEL, BAR, LABELS = 260, 190, 22, 46
GREY = "#7a7f87"  # readable on white and on black


@dataclass(frozen=True)
class Panel:
    title: str
    groups: Sequence[str]
    """Along the axis."""
    values: Sequence[Sequence[float | None]]
    """For each series, a value a group; None: not measured."""


def bars(series: Sequence[str], panels: Sequence[Panel]) -> str:
    drawn = [_panel(panel, index * WIDTH) for index, panel in enumerate(panels)]
    width, height = WIDTH * len(panels), PANEL + LABELS + 30
    step = width / max(len(series), 1)
    legend = [
        f'<rect x="{10 + index * step:.0f}" y="{height - 22}" width="11" height="11" '
        f'fill="{COLOURS[index]}"/>' + _text(26 + index * step, height - 12, name, "start")
        for index, name in enumerate(series)
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'font-family="system-ui, sans-serif" font-size="11" role="img">'
    )
    return "\n".join((head, *drawn, *legend, "</svg>\n"))


def _panel(panel: Panel, left: int) -> str:
    most = max((value for row in panel.values for value in row if value is not None), default=0.0) or 1.0
    middle = left + WIDTH / 2
    parts = [_text(middle, 16, panel.title, "middle", bold=True)]
    floor, slot = PANEL + 16, (WIDTH - 24) / max(len(panel.groups), 1)
    bar = min(BAR, (slot - 8) / max(len(panel.values), 1))
    for place, group in enumerate(panel.groups):
        centre = left + 12 + slot * (place + 0.5)
        parts.append(_text(centre, floor + 16, group, "middle"))
        for index, row in enumerate(panel.values):
            value = row[place]
            if value is None:
                continue
            height = (PANEL - 30) * value / most
            x = centre + bar * (index - len(panel.values) / 2)
            parts.append(
                f'<rect x="{x:.1f}" y="{floor - height:.1f}" width="{bar - 2:.1f}" '
                f'height="{height:.1f}" fill="{COLOURS[index]}"/>'
            )
            parts.append(_text(x + bar / 2 - 1, floor - height - 4, _short(value), "middle", size=9))
    parts.append(f'<line x1="{left + 8}" x2="{left + WIDTH - 8}" y1="{floor}" y2="{floor}" stroke="{GREY}"/>')
    return "\n".join(parts)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def _text(x: float, y: float, words: str, anchor: str, *, bold: bool = False, size: int = 11) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{GREY}"{weight}>'
        f"{escape(words)}</text>"
    )
