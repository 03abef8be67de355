"""What holds for any facts in any order: the same end, and no trace of a value that was taken back."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.interpretation import violations
from refrain.contracts.events import CareEvent, LabReport
from refrain.contracts.site import Limits, SiteSettings
from services.flagging.domain.judgement import FlaggingIssued, place

Lab = Any
Spec = dict[str, Any]

SITE = SiteSettings(
    critical_profile="starling", significant={"IGG": Limits(low=4)}, critical={"VEGF": Limits(high=1000)}
)
NUMBERS = st.sampled_from(["0.5", "4", "11.29", "42.35", "<50", "99", "247.26", ">300", "1000.1", "TNP"])
KINDS: st.SearchStrategy[Spec] = st.one_of(
    st.fixed_dictionaries({
        "analyte": st.just("VEGF"), "value": NUMBERS, "unit": st.sampled_from(["pg/mL", "ng/L", "zU/mL"]),
        "limits": st.sampled_from(["0-160", "0-115", "", "see below"]),
        "specimen": st.sampled_from(["", "SERUM", "PLASMA_EDTA"]),
    }),
    st.fixed_dictionaries({
        "analyte": st.just("IGG"), "value": NUMBERS, "unit": st.sampled_from(["g/L", "mg/L", ""]),
        "limits": st.sampled_from(["8.6-17.4", "8.6-17.4 g/L", "0-990000"]),
        "method": st.sampled_from(["UNKNOWN", "turbidimetry"]),
    }),
    st.fixed_dictionaries({
        "analyte": st.sampled_from(["SFLC_K", "SFLC_L", "SFLC_R"]), "value": NUMBERS,
        "unit": st.sampled_from(["", "mg/L"]), "limits": st.just("0.26-1.65"),
    }),
    st.fixed_dictionaries({
        "analyte": st.just("CSF_WBC"), "value": st.sampled_from(["5", "7"]), "unit": st.just("×10^6/L"),
        "limits": st.sampled_from(["up to 8×10^6/L", "up to 810^6/L"]), "specimen": st.just("CSF"),
    }),
    st.fixed_dictionaries({
        "analyte": st.just("IFE_S"), "value": st.sampled_from(["POS", "NEG", "IND"]), "unit": st.just(""),
        "limits": st.just(""),
    }),
    st.fixed_dictionaries({
        "analyte": st.none(), "code": st.just("XYZ"), "value": NUMBERS, "unit": st.just(""), "limits": st.just("0-100"),
    }),
)  # fmt: skip
HOW: st.SearchStrategy[Spec] = st.fixed_dictionaries({
    "name": st.sampled_from("abcdef"), "day": st.integers(0, 3),
    "status": st.sampled_from(["F", "F", "F", "P", "C", "W", "D", "X", "U", "V", "", "I"]),
    "issued": st.sampled_from([4, 5, 6]), "flags": st.sampled_from([[], ["N"], ["HH"], ["L"]]),
})  # fmt: skip
SPECS = st.lists(st.builds(lambda kind, how: {**kind, **how}, KINDS, HOW), min_size=1, max_size=8)
WORDS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["DQ-01", "DQ-06", "DQ-07", "DQ_DELTA"]),
              st.sampled_from(["accepted", "rejected"]), st.sampled_from([4.5, 7])),
    max_size=3, unique_by=lambda word: (word[0], word[1], word[3]),
)  # fmt: skip


def built(lab: Lab, specs: list[Spec], cuts: set[int] | None = None) -> list[LabReport]:
    """Reports of the observations, cut apart before the given positions (None: every one alone)."""
    observations = [lab.observation(**{**spec, "name": f"{spec['name']} {spec['analyte']}"}) for spec in specs]
    groups: list[list[Any]] = [[]]
    for index, observation in enumerate(observations):
        if groups[-1] and (cuts is None or index in cuts):
            groups.append([])
        groups[-1].append(observation)
    return [lab.report(*group) for group in groups]


def words(lab: Lab, said: list[tuple[str, str, str, float]]) -> list[CareEvent]:
    return [lab.review(f"{name} {analyte}", *word) for name, *word in said for analyte in ("VEGF", "IGG", "CSF_WBC")]


@settings(max_examples=60, deadline=None)
@given(specs=SPECS, said=WORDS, seed=st.integers(0, 999), cuts=st.sets(st.integers(1, 7)))
def test_order_repeats_and_grouping_do_not_matter(
    lab: Lab, specs: list[Spec], said: list[tuple[str, str, str, float]], seed: int, cuts: set[int]
) -> None:
    care = words(lab, said)
    at_once = lab.told(*built(lab, specs), *care, site=SITE)
    alone = [*built(lab, specs), *care]
    shuffled = lab.in_order(lab.shuffled(alone + alone[:2], seed), site=SITE)
    grouped = lab.in_order(lab.shuffled([*built(lab, specs, cuts), *care], seed), site=SITE)
    assert shuffled.end_state() == at_once.end_state()
    assert grouped.end_state() == at_once.end_state()


def apart(lab: Lab, **spec: Any) -> LabReport:
    """A result of an order of its own: no stray correction of the others can take it for its original."""
    made: LabReport = lab.report(lab.observation(**spec), order="F999")
    return made


def standing(told: Any, without: Any = None) -> tuple[Any, ...]:
    """Views that count, those of one result aside, and open alerts, those about identity and status aside."""
    views, alerts = told.end_state()
    counting = {version: view for version, view in views.items() if view.current and view.observation.result != without}
    return counting, {alert for alert in alerts if alert[1] not in ("DQ_IDENTITY", "DQ_STATUS")}


@settings(max_examples=60, deadline=None)
@given(
    specs=SPECS, bad=KINDS, status=st.sampled_from("WDX"), flags=st.sampled_from([[], ["HH"]]), seed=st.integers(0, 99)
)
def test_a_withdrawn_value_leaves_no_trace(
    lab: Lab, specs: list[Spec], bad: Spec, status: str, flags: list[str], seed: int
) -> None:
    base = built(lab, specs)
    wrong = apart(lab, name="z", day=1, issued=4, flags=flags, **bad)
    taken_back = apart(lab, name="z", day=1, issued=9, status=status, flags=flags, **bad)
    told = lab.in_order(lab.shuffled([*base, wrong, taken_back], seed), site=SITE)
    z = lab.result_id("z")
    assert standing(told, z) == standing(lab.told(*base, site=SITE), z)


@settings(max_examples=60, deadline=None)
@given(specs=SPECS, bad=KINDS, good=KINDS, flags=st.sampled_from([[], ["HH"]]), seed=st.integers(0, 99))
def test_a_corrected_value_leaves_no_trace(
    lab: Lab, specs: list[Spec], bad: Spec, good: Spec, flags: list[str], seed: int
) -> None:
    base = built(lab, specs)
    wrong = apart(lab, name="z", day=1, issued=4, flags=flags, **bad)
    right = apart(lab, name="z", day=1, issued=9, status="C", **good)
    told = lab.in_order(lab.shuffled([*base, wrong, right], seed), site=SITE)
    never = lab.told(*base, right, site=SITE)
    aside = {"correction_without_original"}

    def said(patient: Any) -> dict[Any, Any]:
        views, alerts = standing(patient)
        plain = {
            version: view.model_copy(update={
                "quality": tuple(code for code in view.quality if code not in aside),
                "notes": tuple(note for note in view.notes if note.kind not in aside),
            })
            for version, view in views.items()
        }  # fmt: skip
        return {"views": plain, "alerts": alerts}

    assert said(told) == said(never)


@settings(max_examples=60, deadline=None)
@given(specs=SPECS, said=WORDS)
def test_codes_are_legal_and_a_second_look_tells_nothing(
    lab: Lab, specs: list[Spec], said: list[tuple[str, str, str, float]]
) -> None:
    told = lab.told(*built(lab, specs), *words(lab, said), site=SITE)
    for view in told.views().values():
        assert violations(view.interpretation) == ()
        assert view.usable == (not view.held)
        assert view.current or not view.usable
    again = place(told.facts, told.issued, told.facts[:1], SITE)
    assert again.outputs == ()
    assert FlaggingIssued.model_validate_json(again.issued.model_dump_json(by_alias=True)) == told.issued
