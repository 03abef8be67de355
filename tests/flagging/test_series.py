"""Which results are compared: SER-1 to SER-4, whatever the order they come in."""

from itertools import permutations
from typing import Any

import pytest

Lab = Any


def series(told: Any, *names: str) -> list[str | None]:
    return [told.view(name).series for name in names]


def together(told: Any, *names: str) -> bool:
    return len(set(series(told, *names))) == 1


@pytest.mark.parametrize(
    "other",
    [{"specimen": "PLASMA_EDTA"}, {"method": "ELISA"}, {"lab": "OTHER"}, {"limits": "0-150"}, {"limits": "10-160"}],
    ids=lambda other: next(iter(other)),
)
def test_a_stated_change_opens_a_series_and_is_asked_about_once(lab: Lab, other: dict[str, Any]) -> None:
    base = {"method": "ECL"} if "method" in other else {}
    told = lab.in_order(
        [lab.one("a", day=0, **base), lab.one("b", day=1, **{**base, **other}), lab.one("c", day=2, **base),
         lab.one("d", day=3, **{**base, **other})]
    )  # fmt: skip
    assert together(told, "a", "c")
    assert together(told, "b", "d")
    assert not together(told, "a", "b")
    [alert] = [event for event in told.events if getattr(event, "kind", "") == "DQ_SERIES_SWITCH"]
    assert [piece.result for piece in alert.evidence] == [lab.result_id("b")]


def test_trailing_zeros_and_another_unit_are_no_change(lab: Lab) -> None:
    told = lab.told(
        lab.one("a", "10", "g/L", "8.60-17.40", analyte="IGG", day=0),
        lab.one("b", "1000", "mg/dL", "860-1740", analyte="IGG", day=1),
    )
    assert together(told, "a", "b")
    assert told.open() == set()


def test_limits_that_were_not_printed_do_not_disagree(lab: Lab) -> None:
    told = lab.told(lab.one("a", day=0), lab.one("b", limits="", day=1), lab.one("c", limits="see below", day=2))
    assert together(told, "a", "b", "c")


def test_an_unknown_specimen_joins_the_only_known_one(lab: Lab) -> None:
    told = lab.told(lab.one("a", specimen="", day=0), lab.one("b", day=28))
    assert together(told, "a", "b")
    assert (told.view("a").caveats, told.view("a").usable) == (("matrix_assumed",), True)
    assert told.view("b").caveats == ()
    assert told.open() == {("DQ_SPECIMEN", "VEGF")}


@pytest.mark.parametrize(
    "others",
    [
        [{"specimen": "SERUM"}, {"specimen": "PLASMA_EDTA"}],
        [{"specimen": "SERUM"}, {"specimen": "PLASMA_EDTA", "limits": "0-115"}],
        [{"specimen": "SERUM", "limits": "0-150"}],
        [{"specimen": "SERUM", "lab": "OTHER"}],
        [{"specimen": "SERUM", "unit": "ng/L"}],
    ],
)
def test_two_candidates_another_unit_or_other_limits_make_no_link(lab: Lab, others: list[dict[str, Any]]) -> None:
    facts = [lab.one("a", specimen="", day=0), *(lab.one(f"o{i}", day=i + 1, **o) for i, o in enumerate(others))]
    told = lab.told(*facts)
    assert told.view("a").series not in series(told, *(f"o{i}" for i in range(len(others))))
    assert (told.view("a").usable, told.view("a").held) == (False, ("SPECIMEN_UNKNOWN",))


def test_limits_that_were_not_printed_are_not_equal(lab: Lab) -> None:
    told = lab.told(lab.one("a", limits="", specimen="", day=0), lab.one("b", limits="", day=1))
    assert not together(told, "a", "b")
    assert (told.view("a").held, told.codes("b") & set("UDBW")) == (("SPECIMEN_UNKNOWN",), set())


def test_unknown_specimens_of_one_laboratory_with_the_same_limits_are_one_series(lab: Lab) -> None:
    told = lab.told(lab.one("a", specimen="", day=0), lab.one("b", specimen="", day=1))
    assert together(told, "a", "b")
    assert told.view("a").caveats == told.view("b").caveats == ("matrix_assumed",)
    assert told.view("b").usable


def test_another_laboratorys_unknown_is_another(lab: Lab) -> None:
    told = lab.told(lab.one("a", specimen="", day=0), lab.one("b", specimen="", lab="OTHER", day=1))
    assert not together(told, "a", "b")


def test_only_analytes_marked_so_need_a_stated_specimen(lab: Lab) -> None:
    told = lab.told(lab.one("r", "POS", "", "", analyte="IFE_U", specimen=""))
    assert (told.view("r").usable, told.open()) == (True, set())


def test_an_unstated_method_joins_the_only_stated_one_with_the_same_limits(lab: Lab) -> None:
    told = lab.told(lab.one("a", day=0), lab.one("b", method="ECL", day=1))
    assert together(told, "a", "b")
    assert told.view("a").caveats == ("matrix_assumed",)
    told.add(lab.one("c", method="ELISA", day=2))
    assert not together(told, "a", "b")


def test_preliminary_results_settle_nothing(lab: Lab) -> None:
    told = lab.told(lab.one("a", specimen="", day=0), lab.one("b", day=1, status="P"))
    assert not together(told, "a", "b")
    told.add(lab.one("b", day=1, issued=2))
    assert together(told, "a", "b")


def test_the_link_does_not_depend_on_arrival(lab: Lab) -> None:
    facts = [
        lab.one("a", specimen="", day=0), lab.one("b", day=28), lab.one("c", "50", day=56),
        lab.one("d", limits="0-150", day=60),
    ]  # fmt: skip
    states = [lab.in_order(order).end_state() for order in permutations(facts)]
    assert all(set(state[0]) == set(states[0][0]) and state == states[0] for state in states)


def test_a_person_joins_two_series(lab: Lab) -> None:
    told = lab.told(lab.one("a", "100", day=0), lab.one("b", "200", limits="0-150", day=1))
    old, new = series(told, "a", "b")
    assert told.codes("b") == {"H"}
    told.add(lab.care("join", 2, type="series_joined", series=new, into=old, by="lab lead", at="2026-03-05T08:00:00Z"))
    assert series(told, "a", "b") == [old, old]
    assert told.codes("b") == {"H", "U", "W"}
    assert ("DQ_SERIES_SWITCH", "VEGF", "SER-4", "closed") in told.alerts()


def test_joins_in_a_circle_end(lab: Lab) -> None:
    told = lab.told(lab.one("a", day=0), lab.one("b", limits="0-150", day=1))
    old, new = series(told, "a", "b")
    for number, (series_id, into) in enumerate([(new, old), (old, new)]):
        told.add(
            lab.care(f"join {number}", 2, type="series_joined", series=series_id, into=into, by="x",
                     at="2026-03-05T08:00:00Z")
        )  # fmt: skip
    assert together(told, "a", "b")


def test_the_fingerprint_of_an_assay_is_a_hint(lab: Lab) -> None:
    kind = {"unit": "mg/L", "analyte": "SFLC_K"}
    told = lab.told(
        lab.one("a", "30", limits="6.7-22.4", day=0, **kind), lab.one("b", "30", limits="3.3-19.4", day=1, **kind)
    )
    [alert] = told.told_of("DQ_SERIES_SWITCH")
    assert alert.text.endswith("Freelite")


@pytest.mark.parametrize("code", ["IMAGE"])
def test_scans_are_no_series(lab: Lab, code: str) -> None:
    kind = {"unit": "", "limits": "", "analyte": "PET_LESION", "specimen": code}
    told = lab.told(lab.one("a", "5", day=0, method="A", **kind), lab.one("b", "5", day=1, method="B", **kind))
    assert told.open() == set()
