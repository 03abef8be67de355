"""Normality, off scale and detection codes: every limit with a case on it and one just past it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from refrain.contracts.events import AgeAtCollection
from refrain.contracts.site import CatalogueRange, Limits, SiteSettings

Lab = Any


@pytest.mark.parametrize(
    ("value", "limits", "codes"),
    [
        ("160", "0-160", {"N"}),
        ("160.01", "0-160", {"H"}),
        ("160", "<160", {"H"}),
        ("159.99", "<160", {"N"}),
        ("160", "up to 160", {"N"}),
        ("40", "40-160", {"N"}),
        ("39.99", "40-160", {"L"}),
        ("40", ">40", {"L"}),
        ("40.01", ">40", {"N"}),
        ("40", ">=40", {"N"}),
        ("60", "40-<60", {"H"}),
        ("59.9", "40-<60", {"N"}),
        ("60", ">40 - <60", {"H"}),
        ("160.0", "0-160", {"N"}),
    ],
)
def test_a_limit_is_compared_as_printed(lab: Lab, value: str, limits: str, codes: set[str]) -> None:
    told = lab.told(lab.one("r", value, limits=limits))
    assert (told.codes("r"), told.view("r").range_source) == (codes, "reported")


@pytest.mark.parametrize(
    ("value", "limits", "codes", "reasons"),
    [
        ("<5", "0-6", {"<", "N"}, ()),
        ("<5", "<3", {"<"}, ("CENSORED",)),
        ("<5", "<5", {"<", "N"}, ()),
        ("<=5", "<5", {"<"}, ("CENSORED",)),
        ("<5", "5-10", {"<", "L"}, ()),
        ("<=5", "5-10", {"<"}, ("CENSORED",)),
        (">5", "3-5", {">", "H"}, ()),
        (">=5", "3-5", {">"}, ("CENSORED",)),
    ],
)
def test_a_censored_value_is_every_point_it_may_be(
    lab: Lab, value: str, limits: str, codes: set[str], reasons: tuple[str, ...]
) -> None:
    told = lab.told(lab.one("r", value, limits=limits))
    assert told.codes("r") == codes
    assert told.view("r").reasons == reasons


def test_without_an_interval_there_is_no_normality_code(lab: Lab) -> None:
    told = lab.told(lab.one("r", "42", limits=""))
    assert (told.codes("r"), told.view("r").reasons, told.view("r").range_source) == (set(), ("NO_RANGE",), "none")


def test_limits_are_shown_in_the_canonical_unit(lab: Lab) -> None:
    seen = lab.told(lab.one("r", "3.29", "mg/dL", "0.33-1.94", analyte="SFLC_K")).view("r")
    assert (seen.number, seen.unit, seen.high) == (Decimal("32.9"), "mg/L", Decimal("19.4"))
    assert seen.interpretation == ("H",)


@pytest.mark.parametrize(
    ("limits", "source"),
    [
        ("0.1-1500", "reported"),
        ("0.1-1500.1", "none"),
        ("0.01-9", "reported"),
        ("0.0099-9", "none"),
        ("0-9", "reported"),
    ],
)
def test_a_limit_tenfold_outside_what_is_plausible_never_judges(lab: Lab, limits: str, source: str) -> None:
    told = lab.told(lab.one("r", "8", "g/L", limits, analyte="IGG"))
    assert told.view("r").range_source == source
    assert (("DQ_RANGE", "IGG") in told.open()) == (source == "none")
    if source == "none":
        assert told.view("r").observation.range.high is None


def test_an_absurd_limit_is_dropped_whoever_published_it(lab: Lab) -> None:
    seen = lab.observation("r", "8", "g/L", "8.6-17.4", analyte="IGG")
    damaged = seen.model_copy(update={"range": replace(seen.range, high=Decimal(17400), text="8.6-17400")})
    view = lab.told(lab.report(damaged)).view("r")
    assert (view.range_source, view.interpretation) == ("none", ())
    assert (view.observation.range.high, view.observation.range.text) == (None, "8.6-17400")


def test_the_laboratorys_range_judges_an_unknown_unit_and_nothing_else_does(lab: Lab) -> None:
    told = lab.told(lab.one("a", "42", "zU/mL", "0-40", day=0), lab.one("b", "90", "zU/mL", "0-100", day=1))
    assert told.codes("a") == {"H"}
    assert told.codes("b") == {"N"}
    assert (told.view("b").usable, told.view("b").held, told.view("b").unit) == (False, ("UNIT_UNKNOWN",), None)
    assert ("DQ_UNIT", "VEGF") in told.open()


def test_an_unmapped_code_is_flagged_by_its_range_and_held(lab: Lab) -> None:
    told = lab.told(lab.one("r", "6.9", "mmol/L", "3.5-5.1", analyte=None, code="2823-3"))
    seen = told.view("r")
    assert (seen.interpretation, seen.usable, seen.series) == (("H",), False, None)
    assert told.open() == {("DQ_LOINC", "2823-3")}


def test_an_implausible_value_is_kept_out(lab: Lab) -> None:
    told = lab.told(lab.one("a", "20", day=0), lab.one("r", "60000", day=1))
    seen = told.view("r")
    assert (seen.interpretation, seen.reasons, seen.held, seen.series) == ((), ("IMPLAUSIBLE",), ("IMPLAUSIBLE",), None)
    assert told.open() == {("DQ_UNIT", "VEGF")}


def test_a_held_value_off_scale_still_says_so(lab: Lab) -> None:
    told = lab.told(lab.one("r", ">60000"))
    assert (told.codes("r"), told.view("r").reasons) == ({">"}, ("IMPLAUSIBLE",))


# --- detection ---


@pytest.mark.parametrize(
    ("value", "codes"), [("POS", {"POS", "A"}), ("NEG", {"NEG", "N"}), ("equivocal", {"IND"}), ("trace", {"IND"})]
)
@pytest.mark.parametrize("analyte", ["IFE_S", "CSF_PANDY"])
def test_nominal(lab: Lab, analyte: str, value: str, codes: set[str]) -> None:
    if analyte == "IFE_S" and value == "trace":
        value = "IND"
    told = lab.told(lab.one("r", value, "", "", analyte=analyte, specimen=""))
    assert told.codes("r") == codes


@pytest.mark.parametrize(
    ("value", "clonal", "codes"),
    [
        ("0.43", "Y", {"A"}), ("0.43", "N", {"N"}), ("0.43", None, set()), ("NEG", None, {"N", "NEG"}),
        ("NEG", "N", {"N", "NEG"}), ("NEG", "Y", {"A", "NEG"}),
    ],
)  # fmt: skip
def test_marrow_flow(lab: Lab, value: str, clonal: str | None, codes: set[str]) -> None:
    given = {"attributes": {"clonal": clonal}} if clonal else {}
    told = lab.told(lab.one("r", value, "%", "", analyte="BM_FLOW", specimen="MARROW", **given))
    assert told.codes("r") == codes
    assert told.view("r").usable


@pytest.mark.parametrize(
    ("value", "liver", "codes"),
    [("3.11", "3.11", {"N"}), ("3.12", "3.11", {"A"}), ("3", None, set()), ("<3.11", "3.11", {"N", "<"}),
     ("<3.2", "3.11", {"<"}), ("3", "not stated", set()), ("3", "NaN", set())],
)  # fmt: skip
def test_a_lesion_against_the_liver_of_its_scan(lab: Lab, value: str, liver: str | None, codes: set[str]) -> None:
    given = {"attributes": {"liver_suvmax": liver}} if liver else {}
    told = lab.told(lab.one("r", value, "", "", analyte="PET_LESION", specimen="IMAGE", **given))
    assert told.codes("r") == codes


@pytest.mark.parametrize("value", ["not detected", "too small to quantify", "<0.5"])
def test_an_m_protein_that_cannot_be_measured_is_a_result(lab: Lab, value: str) -> None:
    assert lab.told(lab.one("r", value, "g/L", "", analyte="MPROT_S")).view("r").usable


@pytest.mark.parametrize("value", ["TNP", "see note", "not calculated", "1,234", "not detected", "5-10"])
def test_what_is_no_number_feeds_nothing(lab: Lab, value: str) -> None:
    seen = lab.told(lab.one("r", value)).view("r")
    assert (seen.usable, seen.held, seen.number) == (False, ("NO_VALUE",), None)
    assert not {"N", "L", "H"} & set(seen.interpretation)


@pytest.mark.parametrize("precision", ["year", "month"])
def test_a_day_must_be_known(lab: Lab, precision: str) -> None:
    vague = lab.observation("r").model_copy(update={"time_precision": precision})
    assert lab.told(lab.report(vague)).view("r").held == ("COLLECTED_AT_IMPRECISE",)


def test_a_comment_that_questions_a_result_holds_it_until_a_person_looks(lab: Lab) -> None:
    told = lab.told(lab.one("r", "200", quality=["comment_questions_result"]))
    assert (told.codes("r"), told.view("r").held) == ({"H"}, ("COMMENT_QUESTIONS_RESULT",))
    told.add(lab.review("r", "comment_questions_result", "accepted", 1))
    assert told.view("r").usable


# --- by sex, by age, by site ---


@pytest.mark.parametrize(
    ("value", "sex", "codes"),
    [
        ("135", "M", {"L"}), ("135", "F", {"N"}), ("135", None, set()), ("150", None, {"N"}), ("100", "U", {"L"}),
        ("190", None, {"H"}), ("170", None, set()),
    ],
)  # fmt: skip
def test_a_range_split_by_sex(lab: Lab, value: str, sex: str | None, codes: set[str]) -> None:
    seen = lab.observation("r", value, "g/L", "M: 140-180 F: 120-160", analyte="HGB", specimen="BLOOD")
    told = lab.told(lab.report(seen, sex=sex))
    assert told.codes("r") == codes
    assert told.view("r").reasons == (() if codes else ("RANGE_NEEDS_SEX",))


def stratum(low: str, high: str, **other: Any) -> CatalogueRange:
    return CatalogueRange(
        analyte="HGB", specimen="BLOOD", method="UNKNOWN", lab="LAB", low=Decimal(low), high=Decimal(high), **other
    )


AGES = SiteSettings(
    catalogue=(stratum("100", "140", age_below_years=18), stratum("120", "160", age_from_years=18)),
)


@pytest.mark.parametrize(
    ("days", "value", "codes", "reasons"),
    [
        ((6573, 6574), "110", {"N"}, ()),  # the day before the 18th birthday
        ((6574, 6575), "110", {"L"}, ()),  # the birthday itself
        ((6573, 6575), "110", set(), ("RANGE_NEEDS_AGE",)),
        ((6573, 6575), "130", {"N"}, ()),
        (None, "110", set(), ("RANGE_NEEDS_AGE",)),
        (None, "130", {"N"}, ()),
    ],
)
def test_strata_by_age(
    lab: Lab, days: tuple[int, int] | None, value: str, codes: set[str], reasons: tuple[str, ...]
) -> None:
    age = AgeAtCollection(days=days) if days else None
    seen = lab.observation("r", value, "g/L", "", analyte="HGB", specimen="BLOOD")
    told = lab.told(lab.report(seen, age_at_collection=age), site=AGES)
    assert (told.codes("r"), told.view("r").reasons) == (codes, reasons)


def test_the_reported_interval_wins_over_the_sites(lab: Lab) -> None:
    site = SiteSettings(catalogue=(stratum("100", "110"),))
    told = lab.told(lab.one("r", "120", "g/L", "115-160", analyte="HGB", specimen="BLOOD"), site=site)
    assert (told.codes("r"), told.view("r").range_source) == ({"N"}, "reported")


@pytest.mark.parametrize(("method", "source"), [("UNKNOWN", "site"), ("other", "none")])
def test_the_sites_interval_is_for_its_own_method_only(lab: Lab, method: str, source: str) -> None:
    site = SiteSettings(catalogue=(stratum("100", "110"),))
    told = lab.told(lab.one("r", "120", "g/L", "", analyte="HGB", specimen="BLOOD", method=method), site=site)
    assert told.view("r").range_source == source


def test_strata_of_both_sexes_disagree_without_a_sex(lab: Lab) -> None:
    site = SiteSettings(catalogue=(stratum("130", "170", sex="M"), stratum("120", "150", sex="F")))
    seen = lab.observation("r", "125", "g/L", "", analyte="HGB", specimen="BLOOD")
    assert lab.told(lab.report(seen, sex=None), site=site).view("r").reasons == ("RANGE_NEEDS_SEX",)
    assert lab.told(lab.report(seen, sex="F"), site=site).codes("r") == {"N"}


@pytest.mark.parametrize(("use", "codes"), [(True, {"H"}), (False, set())])
def test_the_textbook_flags_only_where_the_site_says_so(lab: Lab, use: bool, codes: set[str]) -> None:
    seen = lab.observation("r", "0.50", "g/L", "", analyte="CSF_PROT", specimen="CSF")
    grown = lab.report(seen, age_at_collection=AgeAtCollection(days=(12000, 12001)))
    assert lab.told(grown, site=SiteSettings(range_use_textbook=use)).codes("r") == codes


@pytest.mark.parametrize(("days", "sex"), [((3000, 3001), "M"), (None, "M"), ((12000, 12001), "F")])
def test_the_textbook_of_grown_men_judges_nobody_else(lab: Lab, days: tuple[int, int] | None, sex: str) -> None:
    seen = lab.observation("r", "200", "umol/L", "", analyte="CREAT")
    age = AgeAtCollection(days=days) if days else None
    told = lab.told(lab.report(seen, age_at_collection=age, sex=sex), site=SiteSettings(range_use_textbook=True))
    assert told.view("r").reasons == ("NO_RANGE",)


# --- critical and significant ---


@pytest.mark.parametrize(
    ("profile", "analyte", "value", "unit", "code"),
    [
        ("none", "PLT", "5", "10*9/L", "L"),
        ("starling", "PLT", "20", "10*9/L", "LL"),
        ("starling", "PLT", "20.1", "10*9/L", "L"),
        ("starling", "PLT", "1000", "10*9/L", "HH"),
        ("starling", "PLT", "999", "10*9/L", "H"),
        ("sunrise", "PLT", "50", "10*9/L", "L"),
        ("sunrise", "PLT", "49.9", "10*9/L", "LL"),
        ("sunrise", "PLT", "800", "10*9/L", "H"),
        ("sunrise", "PLT", "800.1", "10*9/L", "HH"),
        ("starling", "CREAT", "530.4", "umol/L", "HH"),
        ("starling", "CREAT", "530.3", "umol/L", "H"),
        ("u_iowa", "CORT", "1.99", "ug/dL", "LU"),
        ("u_iowa", "CORT", "2.0", "ug/dL", "L"),
    ],
)
def test_critical_limits_of_the_chosen_list(
    lab: Lab, profile: str, analyte: str, value: str, unit: str, code: str
) -> None:
    limits = {"PLT": "150-450", "CREAT": "60-110", "CORT": "5-25"}[analyte]
    specimen = "BLOOD" if analyte == "PLT" else "SERUM"
    site = SiteSettings.model_validate({"critical_profile": profile})
    told = lab.told(lab.one("r", value, unit, limits, analyte=analyte, specimen=specimen), site=site)
    assert told.codes("r") == {code}
    assert bool(told.told_of("CRITICAL_RESULT")) == (code in ("LL", "HH"))
    assert told.view("r").critical == ("yes" if code in ("LL", "HH") else None)


@pytest.mark.parametrize(("sex", "kind"), [("M", "CRITICAL_RESULT"), ("F", None), (None, "CRITICAL_POSSIBLE")])
def test_a_limit_for_men_may_hold_for_a_patient_of_unknown_sex(lab: Lab, sex: str | None, kind: str | None) -> None:
    seen = lab.observation("r", "201", "g/L", "135-175", analyte="HGB", specimen="BLOOD")
    told = lab.told(lab.report(seen, sex=sex), site=SiteSettings(critical_profile="sunrise"))
    assert [alert.kind for alert in told.raised() if alert.tier == "P1"] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("value", "kind"),
    [("<60", "CRITICAL_POSSIBLE"), ("<20", "CRITICAL_RESULT"), ("<=20", "CRITICAL_RESULT"), (">20", None)],
)
def test_a_censored_value_that_may_be_critical_is_told(lab: Lab, value: str, kind: str | None) -> None:
    site = SiteSettings(critical_profile="starling")
    site = site.model_copy(update={"critical": {"PLT": Limits(low=Decimal(20), low_inclusive=True)}})
    told = lab.told(lab.one("r", value, "10*9/L", "150-450", analyte="PLT", specimen="BLOOD"), site=site)
    assert [alert.kind for alert in told.raised() if alert.tier == "P1"] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("limits", "value", "code"),
    [
        (Limits(low=Decimal(4)), "4", "L"), (Limits(low=Decimal(4)), "3.99", "LL"),
        (Limits(low=Decimal(4), low_inclusive=True), "4", "LL"), (Limits(high=Decimal(30)), "30", "H"),
        (Limits(high=Decimal(30)), "30.01", "HH"), (Limits(high=Decimal(30), high_inclusive=True), "30", "HH"),
    ],
)  # fmt: skip
def test_the_sites_own_limits(lab: Lab, limits: Limits, value: str, code: str) -> None:
    receipt = lab.one("r", value, "g/L", "8.6-17.4", analyte="IGG")
    assert lab.told(receipt, site=SiteSettings(critical={"IGG": limits})).codes("r") == {code}
    significant = {"LL": "LU", "HH": "HU"}.get(code, code)
    assert lab.told(receipt, site=SiteSettings(significant={"IGG": limits})).codes("r") == {significant}


def test_critical_stands_above_significant(lab: Lab) -> None:
    site = SiteSettings(significant={"IGG": Limits(low=Decimal(4))}, critical={"IGG": Limits(low=Decimal(2))})
    assert lab.told(lab.one("r", "1.9", "g/L", "8.6-17.4", analyte="IGG"), site=site).codes("r") == {"LL"}
    assert lab.told(lab.one("r", "2", "g/L", "8.6-17.4", analyte="IGG"), site=site).codes("r") == {"LU"}
