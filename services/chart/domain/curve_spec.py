"""A curve as a Vega-Lite document: the results, and under them what was given and what happened, on one time axis.

A time stands in it as the site's wall clock written as UTC, so that every browser draws the site's days. Numbers
become floats only here, for their place on paper; what is read stays the text of the decimal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.chart.domain.context import KINDS, Bar
from services.chart.domain.curves import Curve, Mark, drawable, labels, marks
from services.chart.domain.views import ResultRow, SeriesView

Json = dict[str, Any]
LOG_SPAN = 20
"""Where the highest value is this many times the lowest, the scale is logarithmic: drawing, no clinical limit."""
MARGIN, MARGIN_SHARE = timedelta(days=7), 25
"""Room before the first and after the last result: a week, or the 25th part of the span where that is more."""
SHORT_DAYS = 200
DAYS, MONTHS = "%d %b %Y", "%b %Y"
MONTH_STEPS, MOST_TICKS, DAYS_IN_MONTH = (1, 2, 3, 6, 12), 12, 30
"""Months between two ticks of a long time axis: whole ones, so that no two ticks bear the same month."""
HEIGHT, WORDS_HEIGHT, ROW_HEIGHT = 220, 90, 22
COLOURS = ("#174a7c", "#9a3412", "#0f5f4d", "#6b2a86", "#7a4f00", "#374151")
SHAPES = ("circle", "square", "diamond", "triangle-right", "cross", "triangle-left")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [3, 6])
"""Series differ in colour, mark and stroke at once: nothing is said by colour alone."""
GREY, INK, BAND, BAND_EDGE = "#6b7280", "#111827", "#cfe3d4", "#5f8f6d"
BAR_COLOURS = {
    "line": "#174a7c", "given": "#0f5f4d", "washout": "#d6e8e2", "planned": "#ffffff", "infection": "#9a3412",
    "window": "#f6ded3", "event": "#374151",
}  # fmt: skip
CONFIG: Json = {
    "aria": False,  # the figure has a name and a description of its own, and a table
    "background": "white",
    "font": "system-ui, sans-serif",
    "axis": {
        "labelFontSize": 12, "titleFontSize": 12, "labelColor": INK, "titleColor": INK, "gridColor": "#e5e7eb",
    },
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "labelLimit": 400, "labelColor": INK, "titleColor": INK},
    "view": {"stroke": GREY},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extent:
    """What the scales span: wall-clock times, and numbers."""

    start: datetime
    end: datetime
    low: float = 0.0
    high: float = 1.0
    scale: str = "linear"


def spec(curve: Curve) -> Json | None:
    """The document, without a width: that is the page's. None when no result has a place on a curve."""
    drawn = list(marks(curve))
    if not drawn:
        return None
    extent = _extent(curve, drawn)
    views = [_results(curve, drawn, extent)]
    shown = [bar for bar in curve.bars if _start(bar.first) < extent.end and _end(bar, extent) > extent.start]
    if shown:
        views.append(_context(shown, extent))
    return {"vconcat": views, "spacing": 8, "config": CONFIG}


def _results(curve: Curve, drawn: Sequence[Mark], extent: Extent) -> Json:
    names = labels(curve)
    axis = {"title": None, "labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 8} | _ticks(extent)
    x = {"field": "t", "type": "temporal", "scale": _time_scale(extent), "axis": axis}
    place = {"x": x, "y": _vertical(curve, extent)}
    colour, shape, dash = (_by_series(names, choices) for choices in (COLOURS, SHAPES, DASHES))
    dash["legend"] = None
    tooltip = {"field": "says", "type": "nominal"}
    values = [_value(mark, curve.zone) for mark in drawn]
    of_kind = {kind: [v for v in values if v["kind"] == kind] for kind in ("used", "held", "below", "above", "old")}
    text: Json = {"type": "text", "fontSize": 12, "color": INK}
    point: Json = {"type": "point", "size": 60, "filled": False, "opacity": 1}
    layers = [
        *_band(curve, extent, place),
        *_moments(curve, extent, x),
        _layer([v for v in values if v["run"]], {"type": "line", "strokeWidth": 2},
               place | {"color": colour, "strokeDash": dash, "detail": {"field": "run"}, "order": {"field": "t"}}),
        _layer(of_kind["used"], point | {"filled": True},
               place | {"color": colour, "shape": shape, "tooltip": tooltip}),
        _layer(of_kind["held"], point, place | {"color": colour, "shape": shape, "tooltip": tooltip}),
        *(
            _layer(of_kind[kind], point | {"size": 90, "strokeWidth": 2, "shape": shown},
                   place | {"color": colour, "tooltip": tooltip})
            for kind, shown in (("below", "triangle-down"), ("above", "triangle-up"))
        ),
        _layer(of_kind["old"], point | {"color": GREY, "shape": "circle"}, place | {"tooltip": tooltip}),
        _layer([v for v in values if v["sign"] and v["kind"] != "old"], text | {"dy": -11},
               place | {"text": {"field": "sign", "type": "nominal"}}),
        _layer(of_kind["old"], text | {"dy": 14, "color": GREY},
               place | {"text": {"field": "sign", "type": "nominal"}}),
        *_rings(curve, values, place),
    ]  # fmt: skip
    height = WORDS_HEIGHT if curve.in_words else HEIGHT
    return {"height": height, "layer": [layer for layer in layers if layer["data"]["values"]]}


def _layer(values: Sequence[Json], mark: Json, encoding: Json) -> Json:
    return {"data": {"values": list(values)}, "mark": mark, "encoding": encoding}


def _value(mark: Mark, zone: ZoneInfo) -> Json:
    return {
        "t": _wall(mark.at, zone), "v": mark.word if mark.number is None else float(mark.number),
        "series": mark.series, "run": mark.run, "kind": mark.kind, "sign": mark.sign, "says": mark.says,
        "id": str(mark.result or ""),
    }  # fmt: skip


def _vertical(curve: Curve, extent: Extent) -> Json:
    if curve.in_words:
        return {"field": "v", "type": "nominal", "axis": {"title": None},
                "scale": {"domain": ["POS", "IND", "NEG"]}}  # fmt: skip
    return {
        "field": "v", "type": "quantitative", "axis": {"title": curve.unit or curve.name},
        "scale": {"type": extent.scale, "domain": [extent.low, extent.high], "nice": False, "zero": False},
    }  # fmt: skip


def _by_series(names: Sequence[str], choices: Sequence[Any]) -> Json:
    legend = {"orient": "bottom", "direction": "vertical"} if len(names) > 1 else None
    domain = {"domain": list(names), "range": [choices[at % len(choices)] for at in range(len(names))]}
    return {"field": "series", "type": "nominal", "title": "Series", "scale": domain, "legend": legend}


def _rings(curve: Curve, values: Sequence[Json], place: Json) -> Iterator[Json]:
    """Rings with words around the baseline and the lowest value of the line."""
    words: dict[str, str] = {}
    for word, point in (("baseline", curve.baseline), ("lowest", curve.nadir)):
        if point is not None and not curve.summed:
            known = words.get(str(point.result))
            words[str(point.result)] = f"{known} and {word}" if known else f"{word}{curve.of_line}"
    found = [value | {"word": words[value["id"]]} for value in values if value["id"] in words]
    yield _layer(found, {"type": "point", "size": 260, "filled": False, "color": INK, "strokeWidth": 1.5}, place)
    yield _layer(found, {"type": "text", "dy": -25, "fontSize": 12, "fontWeight": "bold", "color": INK},
                 place | {"text": {"field": "word", "type": "nominal"}})  # fmt: skip


def _band(curve: Curve, extent: Extent, place: Json) -> Iterator[Json]:
    """The intervals that travelled with the results: one rectangle for each run of equal limits of a series."""
    if curve.in_words:
        return
    found = [each for view in curve.series for each in _intervals(view, curve, extent)]
    ends = {"x2": {"field": "t2"}, "y2": {"field": "v2"}, "tooltip": {"field": "says", "type": "nominal"}}
    mark = {"type": "rect", "color": BAND, "opacity": 0.55, "stroke": BAND_EDGE, "strokeDash": [3, 3]}
    yield _layer(found, mark, place | ends)


def _intervals(view: SeriesView, curve: Curve, extent: Extent) -> Iterator[Json]:
    rows = [row for row in view.results if drawable(row)]
    alone = len(curve.series) == 1
    for at, row in enumerate(rows):
        if (at and _limits(rows[at - 1]) == _limits(row)) or _limits(row) == (None, None):
            continue
        following = next((later for later in rows[at + 1 :] if _limits(later) != _limits(row)), None)
        start = _local(row.collected_at, curve.zone) if at else _local(row.collected_at, curve.zone) - MARGIN
        end = (
            _local(following.collected_at, curve.zone)
            if following
            else _local(rows[-1].collected_at, curve.zone) + MARGIN
        )
        if alone:
            start, end = (start if at else extent.start), (end if following else extent.end)
        low = extent.low if row.low is None else max(float(row.low), extent.low)
        high = extent.high if row.high is None else float(row.high)
        yield {"t": start.isoformat(), "t2": end.isoformat(), "v": low, "v2": high, "says": _interval(row)}


def _moments(curve: Curve, extent: Extent, x: Json) -> Iterator[Json]:
    """Where a line starts and where a transplant was: rules through the curve, their words at the top."""
    values = [
        {"t": _start(bar.first).isoformat(), "says": bar.text.split(",")[0]}
        for bar in curve.bars
        if bar.row in ("therapy line", "transplant") and extent.start <= _start(bar.first) <= extent.end
    ]
    yield _layer(values, {"type": "rule", "color": INK, "strokeDash": [4, 4], "strokeWidth": 1}, {"x": x})
    yield _layer(values, {"type": "text", "align": "left", "dx": 4, "dy": 10, "fontSize": 11, "color": INK},
                 {"x": x, "y": {"value": 0}, "text": {"field": "says", "type": "nominal"}})  # fmt: skip


def _context(shown: Sequence[Bar], extent: Extent) -> Json:
    rows = list(dict.fromkeys(bar.row for bar in shown))
    values = [
        {"t": max(_start(bar.first), extent.start).isoformat(), "t2": min(_end(bar, extent), extent.end).isoformat(),
         "row": bar.row, "kind": KINDS[bar.kind], "says": f"{bar.text} ({bar.span})"}
        for bar in shown
    ]  # fmt: skip
    kinds = list(dict.fromkeys(bar.kind for bar in shown))
    x = {"field": "t", "type": "temporal", "scale": _time_scale(extent), "axis": None}
    y = {"field": "row", "type": "nominal", "sort": rows, "axis": {"title": None, "labelLimit": 140, "domain": False}}
    fill = {
        "field": "kind", "type": "nominal", "title": None,
        "scale": {"domain": [KINDS[kind] for kind in kinds], "range": [BAR_COLOURS[kind] for kind in kinds]},
        "legend": {"orient": "bottom", "columns": 2, "symbolType": "square", "symbolStrokeColor": INK},
    }  # fmt: skip
    tooltip = {"field": "says", "type": "nominal"}
    bar = {"type": "bar", "height": 12, "stroke": INK, "strokeWidth": 0.7}
    tick = {"type": "tick", "thickness": 2, "height": 14, "color": INK}
    return {
        "height": {"step": ROW_HEIGHT},
        "layer": [
            _layer(values, bar, {"x": x, "x2": {"field": "t2"}, "y": y, "fill": fill, "tooltip": tooltip}),
            _layer(values, tick, {"x": x, "y": y, "tooltip": tooltip}),
        ],
    }


def _extent(curve: Curve, drawn: Sequence[Mark]) -> Extent:
    """Of the results: bars that go on beyond them are cut, so that a quiet line is not squeezed by an old one."""
    times = [_local(mark.at, curve.zone) for mark in drawn]
    margin = max(MARGIN, (max(times) - min(times)) / MARGIN_SHARE)
    start, end = min(times) - margin, max(times) + margin
    numbers = [float(mark.number) for mark in drawn if mark.number is not None]
    if not numbers:
        return Extent(start, end)
    rows = [row for view in curve.series for row in view.results if drawable(row)]
    limits = [float(limit) for row in rows for limit in _limits(row) if limit is not None]
    low, top = min(numbers), max(*numbers, *limits, 0.0)
    positive = [number for number in (*numbers, *limits) if number > 0]
    smallest = min((number for number in numbers if number > 0), default=0.0)
    if smallest and max(numbers) > LOG_SPAN * smallest:
        bottom, scale = (min(positive) / 1.5, "log") if low > 0 else (low, "symlog")
        return Extent(start, end, bottom, top * 2.5, scale)
    bottom = min(0.0, low)
    return Extent(start, end, bottom, bottom + (top - bottom) * 1.3 or 1.0)


def _ticks(extent: Extent) -> Json:
    span = extent.end - extent.start
    if span < timedelta(days=SHORT_DAYS):
        return {"format": DAYS}
    fits = (step for step in MONTH_STEPS if span.days <= step * MOST_TICKS * DAYS_IN_MONTH)
    return {"format": MONTHS, "tickCount": {"interval": "month", "step": next(fits, MONTH_STEPS[-1])}}


def _time_scale(extent: Extent) -> Json:
    return {"type": "utc", "domain": [extent.start.isoformat(), extent.end.isoformat()], "nice": False}


def _wall(at: datetime, zone: ZoneInfo) -> str:
    return _local(at, zone).isoformat()


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    """The site's wall clock, written as UTC."""
    return at.astimezone(zone).replace(tzinfo=UTC)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end(bar: Bar, extent: Extent) -> datetime:
    return extent.end if bar.last is None else _start(bar.last) + timedelta(days=1)


def _limits(row: ResultRow) -> tuple[Decimal | None, Decimal | None]:
    return row.low, row.high


def _interval(row: ResultRow) -> str:
    if row.low is None:
        return f"interval up to {row.high}"
    return f"interval from {row.low}" if row.high is None else f"interval {row.low} to {row.high}"
