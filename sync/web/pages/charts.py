"""Charts of months: bars as plain numbers, from which a template draws an SVG without any style of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal

_WIDTH, _HEIGHT = 400, 160  # of a chart
_LEFT, _TOP, _BOTTOM = 40, 10, 20  # room for the numbers, if they are short, and for the months
_LETTER = 6.5  # the room of one more letter
_GAP = 0.3  # of the room of a bar
_TICKS = 4  # lines across, at most
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """A month: where its bar stands, what it says in words, and what the bar leaves out."""

    month: date
    x: float
    y: float
    width: float
    height: float
    words: str
    apart: str = ""

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the chart, and the number it stands for."""

    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars of some months, the earliest first."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    is_empty: bool
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    foot: int = _HEIGHT - _BOTTOM

    @property
    def has_apart(self) -> bool:
        """Whether anything is left out of a bar."""
        return any(bar.apart for bar in self.bars)


def chart_of(
    months: Sequence[date],
    values: Sequence[Decimal],
    words: Sequence[str],
    short: Callable[[Decimal], str],
    *,
    apart: Sequence[str] = (),
) -> Chart:
    """The chart of a value for each month; less than nothing shows as nothing. `short` writes the numbers beside it."""
    top = max([*values, Decimal(0)])
    step = _step(top)
    full = step * max((top / step).to_integral_value(ROUND_CEILING), Decimal(1))
    height = _HEIGHT - _TOP - _BOTTOM
    ticks = [
        Tick(round(_HEIGHT - _BOTTOM - float(step * one / full) * height, 1), short(step * one))
        for one in range(int(full / step) + 1)
    ]
    left = max(_LEFT, 14 + round(_LETTER * max(len(tick.words) for tick in ticks)))
    room = (_WIDTH - left) / max(len(months), 1)
    bars = []
    for place, (month, value, said) in enumerate(zip(months, values, words, strict=True)):
        tall = round(float(max(value, Decimal(0)) / full) * height, 1)
        x = round(left + room * (place + _GAP / 2), 1)
        left_out = apart[place] if apart else ""
        bars.append(
            Bar(month, x, round(_HEIGHT - _BOTTOM - tall, 1), round(room * (1 - _GAP), 1), tall, said, left_out)
        )
    return Chart(bars, ticks, is_empty=not top, left=left)


def _step(top: Decimal) -> Decimal:
    """The distance of the lines: 1, 2 or 5 with zeros behind, whole, and at most `_TICKS` of them."""
    if top <= _TICKS:
        return Decimal(1)
    rough = top / _TICKS
    unit = Decimal(1).scaleb(rough.adjusted())
    return next(unit * step for step in _STEPS if unit * step >= rough)
