"""The course is a function of the set of facts: order, repeats, splitting, corrections and withdrawals (G-4, RET-1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refrain.contracts.events import ResponseAssessed
from services.response.domain.judgement import ResponseIssued, classify

SMALL = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
DAYS = st.sampled_from([-61, -30, -4, 0, 1, 28, 28, 56, 57, 84, 110, 200, 420])
NUMBERS = st.sampled_from(["0", "<5", "40", "63.5", "100", "160", "160.1", "<170", "240", "247.26", ">300", "500"])
GRAMS = st.sampled_from(["NEG", "0", "<1", "0.5", "1", "4.9", "5", "9.9", "10", "12", "20", "25", ">30"])
CHAINS = st.sampled_from([None, ("IgG", "lambda"), ("IgG", "kappa"), ("IgG", None), ("IgA", "lambda")])
Draw = Callable[..., Any]


@st.composite
def entries(draw: Draw) -> tuple[str, dict[str, Any]]:
    """One result: what to write into the chart, without its name and version."""
    kind = draw(st.sampled_from(["vegf", "m", "ife", "urine", "marrow", "pet", "igg"]))
    entry: dict[str, Any] = {"day": draw(DAYS)}
    match kind:
        case "vegf":
            entry |= {"value": draw(NUMBERS), "high": draw(st.sampled_from([160, 600, None]))}
            entry |= {"series": draw(st.sampled_from(["A", "A", "B"])), "hour": draw(st.sampled_from([8, 9]))}
        case "m":
            entry |= {"value": draw(GRAMS), "series": draw(st.sampled_from(["A", "A", "B"]))}
        case "ife" | "urine":
            entry |= {"value": draw(st.sampled_from(["NEG", "NEG", "POS", "IND"])), "isotype": draw(CHAINS)}
        case "marrow":
            entry |= {"clonal": draw(st.sampled_from(["Y", "N"]))}
        case "pet":
            entry |= {"value": draw(st.sampled_from(["1", "3", "4", "5", "10", "13"]))}
            entry |= {"lesion": draw(st.sampled_from(["T11", "sacrum"])), "new": draw(st.sampled_from(["N", "Y"]))}
        case "igg":
            entry |= {"value": draw(st.sampled_from(["3.9", "4", "12"]))}
    return kind, entry


def write(chart: Any, name: str, kind: str, entry: dict[str, Any], **version: Any) -> Any:
    values = {**entry, **version}
    day = values.pop("day")
    analytes = {
        "vegf": "VEGF", "m": "MPROT_S", "ife": "IFE_S", "urine": "IFE_U", "marrow": "BM_FLOW", "pet": "PET_LESION",
        "igg": "IGG",
    }  # fmt: skip
    if kind == "marrow":
        values["value"] = "NEG" if values["clonal"] == "N" else "0.4"
    if kind == "pet":
        lesion, new = values.pop("lesion"), values.pop("new")
        values |= {"lesion": lesion, "new_lesion": new, "liver_suvmax": "3"}
    value = values.pop("value")
    codes = ("H",) if kind == "vegf" else ()
    return chart.result(name, analytes[kind], day, value, codes=codes, **values)


def fill(chart: Any, drawn: list[tuple[str, dict[str, Any]]], without: int | None = None) -> None:
    chart.drug("daratumumab", 0, 30)
    chart.drug("bevacizumab", 100, 110)
    chart.finding(28, symptoms={"weakness": "better"})
    for index, (kind, entry) in enumerate(drawn):
        if index != without:
            write(chart, f"r{index}", kind, entry)


def story(snapshot: ResponseAssessed) -> dict[str, Any]:
    return snapshot.model_dump(exclude={"event_id", "revision", "changes", "recorded_at", "caused_by", "trace"})


@SMALL
@given(drawn=st.lists(entries(), min_size=1, max_size=9), data=st.data())
def test_order_repeats_and_splitting_end_in_the_same_snapshot(new_chart: Any, drawn: Any, data: Any) -> None:
    chart = new_chart().therapy()
    fill(chart, drawn)
    expected = chart.course()
    mixed = data.draw(st.permutations([*chart.facts, *chart.facts[:4]]))
    cuts = data.draw(st.lists(st.integers(1, len(mixed)), max_size=4))
    issued, last, before = ResponseIssued(), None, 0
    for cut in [*sorted(set(cuts)), len(mixed)]:
        if cut == before:
            continue
        decision = classify(mixed[:cut], issued, mixed[before:cut], chart.site)
        issued, before = decision.issued, cut
        for output in decision.outputs:
            last = output.event
    assert isinstance(last, ResponseAssessed)
    assert story(last) == story(expected)


@SMALL
@given(drawn=st.lists(entries(), min_size=1, max_size=9), data=st.data())
def test_a_correction_leaves_nothing_of_the_old_value(new_chart: Any, drawn: Any, data: Any) -> None:
    target = data.draw(st.integers(0, len(drawn) - 1))
    kind = drawn[target][0]
    corrected = data.draw(entries().filter(lambda one: one[0] == kind))[1]
    seen, never = new_chart().therapy(), new_chart().therapy()
    fill(seen, drawn)
    fill(never, drawn, without=target)
    for chart in (seen, never):
        write(chart, f"r{target}", kind, corrected, status="C", issued=430)
    assert story(seen.course()) == story(never.course())


@SMALL
@given(drawn=st.lists(entries(), min_size=1, max_size=9), data=st.data(), status=st.sampled_from(["W", "D", "X"]))
def test_a_withdrawal_leaves_nothing_of_the_old_value(new_chart: Any, drawn: Any, data: Any, status: str) -> None:
    target = data.draw(st.integers(0, len(drawn) - 1))
    kind, old = drawn[target]
    seen, never = new_chart().therapy(), new_chart().therapy()
    fill(seen, drawn)
    fill(never, drawn, without=target)
    for chart in (seen, never):
        write(chart, f"r{target}", kind, old, status=status, issued=430)
    assert story(seen.course()) == story(never.course())


@SMALL
@given(drawn=st.lists(entries(), min_size=1, max_size=9))
def test_what_is_called_is_always_proven_or_explained(new_chart: Any, drawn: Any) -> None:
    chart = new_chart().therapy()
    fill(chart, drawn)
    for axis in chart.line().axes.values():
        proven = axis.call is not None and axis.call != "NEH"
        assert proven == (axis.assessability == "ASSESSED")
        assert proven or axis.reasons
        assert axis.rule_id
        assert axis.rule_version
        assert (axis.confirmed_as_of is not None) == (axis.confirmation == "confirmed")
        if axis.candidate:
            assert axis.candidate != axis.call
