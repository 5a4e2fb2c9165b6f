"""A bar chart of requests as SVG. Its colours are classes of style.css, so that it follows dark mode and needs no inline style."""

from datetime import datetime, timedelta
from typing import NamedTuple

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 720, 180, 40, 14, 22, 8


class Bar(NamedTuple):
    x: float
    width: float
    valid_y: float
    valid_height: float
    denied_y: float
    denied_height: float
    label: str


def round_up(value: int) -> int:
    """The least 1, 2, 3, 4, 6 or 8 times a power of ten that is not below value: the top of the scale."""
    step = 1
    while True:
        for factor in (1, 2, 3, 4, 6, 8):
            if factor * step >= value:
                return factor * step
        step *= 10


def chart(rows, now: datetime, hours: int) -> dict:
    """rows: hour, valid, denied, in any order, hours without requests left out. For each of the last hours there is a bar."""
    counts = {row["hour"]: (row["valid"], row["denied"]) for row in rows}
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    top = round_up(max([1] + [sum(count) for count in counts.values()]))
    scale = (HEIGHT - BOTTOM - TOP) / top
    slot = (WIDTH - LEFT - RIGHT) / hours
    bars, marks = [], []
    for i in range(hours):
        hour = first + timedelta(hours=i)
        valid, denied = counts.get(hour, (0, 0))
        valid_y = HEIGHT - BOTTOM - valid * scale
        bars.append(
            Bar(
                x=round(LEFT + i * slot, 2),
                width=round(slot * 0.8, 2),
                valid_y=round(valid_y, 2),
                valid_height=round(valid * scale, 2),
                denied_y=round(valid_y - denied * scale, 2),
                denied_height=round(denied * scale, 2),
                label=f"{hour:%Y-%m-%d %H:%M}: {valid} valid, {denied} denied",
            )
        )
        if hours <= 24 and hour.hour % 6 == 0:
            marks.append((round(LEFT + (i + 0.4) * slot, 2), f"{hour:%H:%M}"))
        elif hours > 24 and hour.hour == 0:
            marks.append((round(LEFT + (i + 0.4) * slot, 2), f"{hour:%m-%d}"))
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "base": HEIGHT - BOTTOM,
        "lines": [(round(HEIGHT - BOTTOM - value * scale, 2), value) for value in sorted({0, top // 2, top})],
        "bars": bars,
        "marks": marks,
        "hours": hours,
        "valid": sum(count[0] for count in counts.values()),
        "denied": sum(count[1] for count in counts.values()),
        "rows": sorted(rows, key=lambda row: row["hour"], reverse=True),
    }
