# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG: wall time over the number of partitions, both in powers of ten."""

import html
import math

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 70, 300, 50, 60
COLOURS = ("#111111", "#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf")


def _decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


class _Axes:
    def __init__(self, sizes, times):
        self.x, self.y = _decades(sizes), _decades(times)

    def at(self, size, time):
        (x0, x1), (y0, y1) = self.x, self.y
        return (LEFT + (math.log10(size) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - (math.log10(time) - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM))

    def grid(self):
        lines = []
        for power in range(self.x[0], self.x[1] + 1):
            x, bottom = self.at(10**power, 10**self.y[0])
            lines.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#ddd"/>'
                         f'<text x="{x:.1f}" y="{bottom + 20:.1f}" text-anchor="middle">{10**power:,}</text>')
        for power in range(self.y[0], self.y[1] + 1):
            left, y = self.at(10**self.x[0], 10**power)
            name = f"{10**power:,} ms" if power >= 0 else f"{10**power:g} ms"
            lines.append(f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
                         f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
        return lines


def _line(axes, colour, points):
    places = [axes.at(size, time) for size, time in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)]


def svg(title, lines):
    """`lines`: name → list of (number of partitions, milliseconds), none of which is 0."""
    points = [point for line in lines.values() for point in line]
    axes = _Axes([size for size, _ in points], [time for _, time in points])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
             f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
             f'<text x="{LEFT}" y="28" font-size="16">{html.escape(title)}</text>'
             f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">partitions</text>']
    parts += axes.grid()
    for number, (name, line) in enumerate(lines.items()):
        colour, y = COLOURS[number % len(COLOURS)], TOP + 12 + 22 * number
        parts += _line(axes, colour, sorted(line))
        parts.append(f'<line x1="{WIDTH - RIGHT + 16}" y1="{y}" x2="{WIDTH - RIGHT + 36}" y2="{y}" stroke="{colour}" '
                     f'stroke-width="2"/><text x="{WIDTH - RIGHT + 42}" y="{y + 4}">{html.escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def of_operation(results, operation, what):
    """The plot of one operation, or None when fewer than two sizes were measured."""
    lines = {}
    for contender, title in results["titles"].items():
        found = results["operations"].get(contender, {}).get(operation, {})
        line = [(int(count), values[what]["median"] * 1000) for count, values in found.items() if what in values]
        if line:
            lines[title] = line
    if len({size for line in lines.values() for size, _ in line}) < 2:
        return None
    words = "until all links have gone" if what == "gone" else "wall time"
    return svg(f"{operation}: {words}", lines)
