"""What a curve draws, and what it says to those who do not see it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from refrain.contracts.events import Axis, LineCourse, Point, ResponseAssessed
from services.chart.domain.context import Bar
from services.chart.domain.curve_spec import spec
from services.chart.domain.curves import Curve, curve_of, describe, labels, marks
from services.chart.domain.views import ResultRow, SeriesView
from tests.chart.pages.stories import a_row, a_series

START = datetime(2025, 1, 6, 7, 30, tzinfo=UTC)


def on(day: int) -> datetime:
    return START + timedelta(days=day)


def a_curve(*series: SeriesView, bars: Sequence[Bar] = (), **fields: Any) -> Curve:
    known: dict[str, Any] = {"lesions": {}, "old": {}, "course": None, "zone": ZoneInfo("Europe/Vienna")}
    return curve_of("VEGF", series, bars=bars, **(known | fields))


def drawn(curve: Curve, mark: str) -> list[dict[str, Any]]:
    """Every value of the layers with this mark, in both parts of the drawing."""
    document = spec(curve)
    assert document is not None
    layers = [layer for part in document["vconcat"] for layer in part["layer"]]
    return [value for layer in layers if layer["mark"]["type"] == mark for value in layer["data"]["values"]]


def a_course(baseline: ResultRow, nadir: ResultRow) -> ResponseAssessed:
    def point(row: ResultRow) -> Point:
        return Point(result=row.result, number=row.number, collected_at=row.collected_at)

    axis = Axis(
        axis="VEGF", call="CRV", assessability="ASSESSED", rule_id="R", rule_version="1",
        baseline=point(baseline), nadir=point(nadir),
    )  # fmt: skip
    line = LineCourse(
        line=1, rule_set="poems", start=date(2025, 1, 7), first_dose=date(2025, 1, 7), axes={"VEGF": axis}
    )
    return ResponseAssessed.model_validate(
        {
            "patient": {"authority": "A", "type": "MR", "id": "1"}, "occurred_at": START, "recorded_at": START,
            "revision": 1, "as_of": START, "lines": (line,),
        }
    )  # fmt: skip


def test_exact_values_of_one_series_are_one_line() -> None:
    curve = a_curve(a_series(a_row("247.26", on(0)), a_row("42.35", on(28)), a_row("50.63", on(56))))
    assert [(value["v"], value["run"]) for value in drawn(curve, "line")] == [
        (247.26, "0.0"), (42.35, "0.0"), (50.63, "0.0"),
    ]  # fmt: skip


def test_two_series_are_drawn_apart_in_colour_mark_and_stroke() -> None:
    curve = a_curve(
        a_series(a_row("247.26", on(0)), a_row("42.35", on(28))),
        a_series(a_row("300", on(56), specimen="SERUM", series="two")),
    )
    assert {mark.run for mark in marks(curve)} == {"0.0", "1.0"}
    [plasma, serum] = labels(curve)
    assert "plasma" in plasma
    assert "serum" in serum
    document = spec(curve)
    assert document is not None
    points = next(layer for layer in document["vconcat"][0]["layer"] if layer["mark"]["type"] == "point")
    for channel in ("color", "shape"):
        assert len(set(points["encoding"][channel]["scale"]["range"])) == 2
    [line] = [layer for layer in document["vconcat"][0]["layer"] if layer["mark"]["type"] == "line"]
    assert line["encoding"]["strokeDash"]["scale"]["range"][0] != line["encoding"]["strokeDash"]["scale"]["range"][1]


def test_two_series_of_the_same_source_have_names_of_their_own() -> None:
    curve = a_curve(a_series(a_row("10", on(0))), a_series(a_row("11", on(30), series="two", high=Decimal(96))))
    assert len(set(labels(curve))) == 2


def test_a_censored_value_is_an_open_arrow_with_its_sign_and_breaks_the_line() -> None:
    below = a_row("20", on(28), comparator="<", interpretation=("<", "N"))
    curve = a_curve(a_series(a_row("247", on(0)), below, a_row("30", on(56)), a_row("31", on(84))))
    assert [mark.run for mark in marks(curve)] == ["0.0", "", "0.1", "0.1"]
    [arrow] = [value for value in drawn(curve, "point") if value["kind"] == "below"]
    assert arrow["sign"] == "<"
    assert "<20 pg/mL" in arrow["says"]


def test_a_value_above_the_range_points_up() -> None:
    curve = a_curve(a_series(a_row("2000", on(0), comparator=">", interpretation=(">", "H"))))
    [arrow] = drawn(curve, "point")
    assert (arrow["kind"], arrow["sign"]) == ("above", "> H")


def test_an_abnormal_value_says_so_in_letters() -> None:
    curve = a_curve(a_series(a_row("247", on(0), interpretation=("H", "U"))))
    assert [value["sign"] for value in drawn(curve, "text") if value["sign"]] == ["H U"]


def test_a_held_value_is_open_and_in_no_line() -> None:
    held = a_row("400", on(28), usable=False, held=("DQ_DELTA",))
    curve = a_curve(a_series(a_row("247", on(0)), held, a_row("40", on(56))))
    assert [mark.kind for mark in marks(curve)] == ["used", "held", "used"]
    assert [value["v"] for value in drawn(curve, "line")] == [247.0, 40.0]


def test_a_withdrawn_value_is_gone() -> None:
    gone = a_row("400", on(28), state="withdrawn")
    assert len(list(marks(a_curve(a_series(a_row("247", on(0)), gone))))) == 1


def test_baseline_and_lowest_value_are_marked_in_words() -> None:
    first, second = a_row("247.26", on(0)), a_row("42.35", on(28))
    curve = a_curve(a_series(first, second), course=a_course(first, second))
    assert sorted({value["word"] for value in drawn(curve, "text") if "word" in value}) == ["baseline", "lowest"]
    assert "Baseline 247.26 pg/mL, 2025-01-06." in describe(curve)
    assert "Lowest value of the line 42.35" in describe(curve)


def test_a_course_of_another_analyte_marks_nothing() -> None:
    elsewhere = a_row("30", on(0), analyte="MPROT_S")
    curve = a_curve(a_series(a_row("247", on(1))), course=a_course(elsewhere, elsewhere))
    assert [value for value in drawn(curve, "text") if "word" in value] == []


def test_the_band_is_the_interval_that_came_with_each_result() -> None:
    curve = a_curve(a_series(a_row("50", on(0)), a_row("50", on(30)), a_row("50", on(60), high=Decimal(96))))
    assert [(value["v"], value["v2"], value["says"]) for value in drawn(curve, "rect")] == [
        (0.0, 160.0, "interval 0 to 160"), (0.0, 96.0, "interval 0 to 96"),
    ]  # fmt: skip


def test_no_interval_draws_no_band() -> None:
    assert drawn(a_curve(a_series(a_row("50", on(0), low=None, high=None))), "rect") == []


def test_an_interval_open_above_reaches_to_the_top() -> None:
    [band] = drawn(a_curve(a_series(a_row("50", on(0), low=Decimal(20), high=None))), "rect")
    assert (band["v"], band["v2"] > 50, band["says"]) == (20.0, True, "interval from 20")


def scale_of(curve: Curve) -> dict[str, Any]:
    document = spec(curve)
    assert document is not None
    encoding: dict[str, Any] = document["vconcat"][0]["layer"][0]["encoding"]
    scale: dict[str, Any] = encoding["y"]["scale"]
    return scale


def test_a_wide_span_is_drawn_on_a_log_scale() -> None:
    assert scale_of(a_curve(a_series(a_row("1", on(0)), a_row("20", on(30)))))["type"] == "linear"
    assert scale_of(a_curve(a_series(a_row("1", on(0)), a_row("21", on(30)))))["type"] == "log"


def test_zero_is_drawn_where_a_log_scale_has_no_place_for_it() -> None:
    scale = scale_of(a_curve(a_series(a_row("0", on(0)), a_row("1", on(30)), a_row("500", on(60)))))
    assert (scale["type"], scale["domain"][0]) == ("symlog", 0.0)


def test_every_value_is_inside_the_scales() -> None:
    curve = a_curve(a_series(a_row("0.5", on(0)), a_row("900", on(400))))
    low, high = scale_of(curve)["domain"]
    assert low < 0.5 < 900 < high


def test_times_are_the_sites_wall_clock() -> None:
    [value] = drawn(a_curve(a_series(a_row("50", datetime(2025, 6, 30, 22, 30, tzinfo=UTC)))), "point")
    assert value["t"].startswith("2025-07-01T00:30")
    assert "2025-07-01" in value["says"]


def test_words_instead_of_numbers_are_drawn_on_lines_of_their_own() -> None:
    rows = [
        a_row(None, on(day), analyte="IFE_S", name="Immunofixation", nominal=word, interpretation=codes, unit=None,
              low=None, high=None)
        for day, word, codes in ((0, "POS", ("A", "POS")), (28, "NEG", ("N", "NEG")))
    ]  # fmt: skip
    curve = a_curve(a_series(*rows))
    assert [(value["v"], value["sign"]) for value in drawn(curve, "point")] == [("POS", "A"), ("NEG", "")]
    assert "positive on 2025-01-06 to negative on 2025-02-03" in describe(curve)


def test_lesions_of_one_scan_are_never_joined() -> None:
    rows = [a_row(text, on(day), analyte="PET_LESION") for text, day in (("4.9", 0), ("3.1", 0), ("1.6", 56))]
    lesions = {rows[0].result: "T11", rows[1].result: "L2", rows[2].result: "T11"}
    curve = a_curve(a_series(*rows), lesions=lesions)
    assert [text.split(",")[0] for text in labels(curve)] == ["lesion L2", "lesion T11"]
    assert [value["v"] for value in drawn(curve, "line") if value["run"] == "1.0"] == [4.9, 1.6]


def test_a_result_without_a_known_time_has_no_place() -> None:
    assert spec(a_curve(a_series(a_row("50", on(0), time_precision="unknown")))) is None


def test_what_was_given_stands_under_the_curve_on_its_time_axis() -> None:
    bars = (
        Bar("therapy line", "line", date(2025, 1, 7), None, "line 1, rule set poems"),
        Bar("daratumumab", "given", date(2025, 1, 7), date(2025, 1, 7), "daratumumab 16 mg/kg"),
        Bar("daratumumab", "washout", date(2025, 1, 8), date(2025, 7, 6), "daratumumab: acts until 2025-07-06"),
        Bar("infection", "infection", date(2020, 1, 1), date(2020, 1, 9), "pneumonia"),
    )
    curve = a_curve(a_series(a_row("50", on(0)), a_row("51", on(90))), bars=bars)
    document = spec(curve)
    assert document is not None
    above, under = document["vconcat"]
    assert above["layer"][0]["encoding"]["x"]["scale"] == under["layer"][0]["encoding"]["x"]["scale"]
    found = drawn(curve, "bar")
    assert [(value["row"], value["kind"]) for value in found] == [
        ("therapy line", "therapy line"), ("daratumumab", "given"), ("daratumumab", "still acts (washout)"),
    ]  # fmt: skip
    assert found[0]["says"] == "line 1, rule set poems (from 2025-01-07)"
    assert [value["says"] for value in drawn(curve, "rule")] == ["line 1"]


def test_the_document_is_plain_json_without_an_address() -> None:
    text = json.dumps(spec(a_curve(a_series(a_row("50", on(0))))))
    assert "http" not in text


@pytest.mark.parametrize("days", [210, 238, 300, 420, 800, 1600, 3600])
def test_no_two_ticks_of_a_long_time_axis_bear_the_same_month(days: int) -> None:
    document = spec(a_curve(a_series(a_row("247.26", on(0)), a_row("42.35", on(days)))))
    assert document is not None
    axis = next(layer for layer in document["vconcat"][0]["layer"] if layer["mark"]["type"] == "point")
    ticks = axis["encoding"]["x"]["axis"]
    assert ticks["format"] == "%b %Y"
    assert ticks["tickCount"]["interval"] == "month", "whole months, never halves of one"
    assert days / (30 * ticks["tickCount"]["step"]) <= 14


def test_what_is_said_of_a_curve_bears_its_unit_and_its_line() -> None:
    first, low = a_row("247.26", on(0)), a_row("42.35", on(28))
    course = a_course(first, low)
    one = describe(a_curve(a_series(first, low), course=course))
    assert "Baseline 247.26 pg/mL, 2025-01-06." in one
    assert "Lowest value of the line 42.35 pg/mL, 2025-02-03." in one
    later = course.lines[0].model_copy(update={"line": 2, "start": date(2025, 6, 1), "axes": {}})
    two = a_curve(a_series(first, low), course=course.model_copy(update={"lines": (*course.lines, later)}))
    assert "Baseline of line 1 247.26 pg/mL" in describe(two)
    assert {value["word"] for value in drawn(two, "text") if "word" in value} == {
        "baseline of line 1", "lowest of line 1",
    }  # fmt: skip
