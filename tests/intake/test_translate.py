"""Translation beyond the cases: repetitions, bands, imaging, versions, structure, sizes, closed lists."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from refrain.contracts.events import Observation
from refrain.contracts.topics import LAB_REPORTS
from services.intake.domain.profile import Profile, permissive
from services.intake.domain.reasons import QUALITY, REASONS, checked
from services.intake.domain.reports import MAX_REPORT_BYTES
from services.intake.domain.translate import translate
from services.intake.domain.translation import Translation

VEGF = "OBX|1|NM|34694-0^VEGF^LN||42.35|pg/mL|0-160|N|||F"
HB = "718-7^Hb^LN"


def observations(translation: Translation) -> list[Observation]:
    return [observation for report in translation.reports for observation in report.observations]


def parts(translation: Translation) -> list[tuple[str, str]]:
    return [(part.place, part.reason) for part in translation.quarantined]


# --- values with repetitions ---


def test_several_numbers_are_one_result_each(taken_in: Any) -> None:
    first, second = observations(taken_in(f"OBX|1|NM|{HB}||31~29|g/L||N|||F"))
    assert (first.repeat, second.repeat) == (1, 2)
    assert (str(first.value.number), str(second.value.number)) == ("31", "29")
    assert first.result != second.result


def test_one_number_among_words_keeps_the_words(taken_in: Any) -> None:
    (found,) = observations(taken_in(f"OBX|1|NM|{HB}||0.04~neg|g/L||N|||F"))
    assert (found.value.kind, str(found.value.number), found.value.companion) == ("quantity", "0.04", "neg")


def test_paragraphs_are_one_text(taken_in: Any) -> None:
    (found,) = observations(taken_in("OBX|1|TX|X^Y^L||one~~two^2||||||F"))
    assert found.value.text == "one\n\ntwo^2"


def test_different_texts_of_one_identity_are_one_result(taken_in: Any) -> None:
    (found,) = observations(taken_in("OBX|1|ST|X^Y^L||red||||||F", "OBX|2|ST|X^Y^L||green||||||F"))
    assert (found.value.kind, found.value.text) == ("text", "red\ngreen")
    assert "several_answers" in found.quality


def test_a_preliminary_and_a_final_number_are_two_versions(taken_in: Any) -> None:
    found = observations(taken_in(f"OBX|1|NM|{HB}||118|g/L||N|||P", f"OBX|2|NM|{HB}||121|g/L||N|||F"))
    assert len({one.result for one in found}) == 1
    assert len({one.version for one in found}) == 2


def test_a_conflict_across_orders_with_one_number_is_seen(taken_in: Any) -> None:
    order = "OBR|2|P100|F200|PAN^Panel^L|||20260314080000+0100|||||||||||||||20260314091400+0100|||F"
    conflict = taken_in(f"OBX|1|NM|{HB}||118|g/L||N|||F", order, f"OBX|1|NM|{HB}||121|g/L||N|||F", VEGF)
    assert parts(conflict) == [("OBX[1]", "conflicting_duplicate"), ("OBX[2]", "conflicting_duplicate")]
    assert [one.analyte for one in observations(conflict)] == ["VEGF"]


# --- immunofixation, imaging, marrow (answers 23, 24) ---


@pytest.mark.parametrize(
    ("value_type", "value", "nominal", "heavy", "light"),
    [
        ("CWE", "POS^^L~IGG^^L~LAMBDA^^L", "positive", "IgG", "lambda"),
        ("CWE", "POS^^L~IGG^^L", "positive", "IgG", None),
        ("ST", "IgG lambda", "positive", "IgG", "lambda"),
        ("CWE", "NEG^^L", "negative", None, None),
    ],
)
def test_immunofixation(
    taken_in: Any, value_type: str, value: str, nominal: str, heavy: str | None, light: str | None
) -> None:
    (found,) = observations(taken_in(f"OBX|1|{value_type}|25700-6^IFE^LN||{value}||||||F"))
    assert (found.analyte, found.value.kind, found.value.ordinal) == ("IFE_S", "ordinal", nominal)
    assert (found.isotype.heavy, found.isotype.light) if found.isotype else (heavy, light) == (None, None)


PETLES = "OBX|1|NM|PETLES^lesion^L|T11|4.91||||||F"


def test_statements_stand_by_every_lesion_of_the_scan(taken_in: Any) -> None:
    first, second = observations(
        taken_in(
            PETLES,
            "OBX|2|NM|PETLES^lesion^L|L2|3.1||||||F",
            "OBX|3|NM|PETLIV^liver^L||3.11||||||F",
            "OBX|4|ST|PETNEW^new^L||no||||||F",
            "OBX|5|TX|PETTXT^text^L||first line~second line||||||F",
        )
    )
    shared = {"liver_suvmax": "3.11", "new_lesion": "N", "statement": "first line\nsecond line"}
    assert first.attributes == shared | {"lesion": "T11"}
    assert second.attributes == shared | {"lesion": "L2"}
    assert first.analyte == second.analyte == "PET_LESION"


def test_a_changed_statement_is_a_new_version(taken_in: Any) -> None:
    lesion = "OBX|1|NM|PETLES^lesion^L|T11|4.91||||||F"
    (before,) = observations(taken_in(lesion, "OBX|2|NM|PETLIV^liver^L||3.11||||||F"))
    (after,) = observations(taken_in(lesion, "OBX|2|NM|PETLIV^liver^L||2.11||||||C"))
    assert before.result == after.result
    assert before.version != after.version


def test_a_statement_without_a_result_is_not_lost(taken_in: Any) -> None:
    alone = taken_in("OBX|1|ST|PETNEW^new^L||Y||||||F")
    assert (alone.outcome, parts(alone)) == ("quarantined", [("OBX[1]", "attribute_without_result")])


@pytest.mark.parametrize("second", ["N", "perhaps"])
def test_statements_that_cannot_be_used(taken_in: Any, second: str) -> None:
    found = taken_in(
        "OBX|1|NM|PETLES^lesion^L|T11|4.91||||||F", "OBX|2|ST|PETNEW^new^L||Y||||||F",
        f"OBX|3|ST|PETNEW^new^L||{second}||||||F",
    )  # fmt: skip
    (observation,) = observations(found)
    if second == "N":
        assert parts(found) == [("OBX[2]", "conflicting_duplicate"), ("OBX[3]", "conflicting_duplicate")]
        assert "new_lesion" not in observation.attributes
    else:
        assert parts(found) == [("OBX[3]", "attribute_unreadable")]
        assert observation.attributes["new_lesion"] == "Y"


def test_a_preliminary_statement_waits(taken_in: Any) -> None:
    (found,) = observations(
        taken_in("OBX|1|NM|BMFLOW^flow^L||0.43|%|||||F", "OBX|2|ST|BMCLON^clonal^L||Y||||||P",
                 "OBX|3|ST|BMLC^chain^L||LAMBDA||||||F")
    )  # fmt: skip
    assert found.attributes == {"light_chain": "lambda"}
    assert "attribute_not_final" in found.quality


# --- specimen, method, laboratory (answers 22, 18) ---


def test_specimen_method_and_laboratory_as_stated(taken_in: Any) -> None:
    (found,) = observations(
        taken_in(VEGF + "||||OTHER^Other lab||KIT7^Kit|||||||", "SPM|1|||PLAS^Plasma^HL70487")
    )  # fmt: skip
    assert (found.specimen, found.specimen_source, found.specimen_raw) == ("PLASMA_EDTA", "stated", "PLAS")
    assert (found.method, found.lab) == ("KIT7", "OTHER")


def test_obr_15_where_there_is_no_spm(taken_in: Any) -> None:
    (found,) = observations(taken_in(VEGF, change={"OBR-15": "SER&Serum&HL70070"}))
    assert (found.specimen, found.specimen_source) == ("SERUM", "stated")


def test_a_single_specimen_is_assumed_and_the_profile_names_the_laboratory(taken_in: Any) -> None:
    (found,) = observations(taken_in("OBX|1|NM|2465-3^IgG^LN||11.29|g/L|8.6-17.4|N|||F"))
    assert (found.specimen, found.specimen_source, found.lab) == ("SERUM", "assumed", "NORTH")


def test_a_code_on_the_wrong_specimen_is_held_unmapped(taken_in: Any) -> None:
    (found,) = observations(taken_in("OBX|1|NM|777-3^PLT^LN||212|10*9/L|150-400|N|||F", "SPM|1|||CSF"))
    assert (found.analyte, found.canonical) == (None, None)
    assert "code_specimen_conflict" in found.quality


def test_of_several_specimens_none_is_taken(taken_in: Any) -> None:
    (found,) = observations(taken_in(VEGF, "SPM|1|||SER", "SPM|2|||PLAS"))
    assert (found.specimen, found.quality) == ("UNKNOWN", ("several_specimens",))


# --- structure ---


def test_a_result_before_the_first_order_is_quarantined_alone(e0: Any, north: Profile, received_at: datetime) -> None:
    lines = e0(VEGF).decode().split("\r")
    lines.insert(2, "OBX|1|ST|X^Y^L||early||||||F")
    found = translate("\r".join(lines).encode(), north, received_at)
    assert (found.outcome, parts(found)) == ("published", [("OBX[1]", "obx_before_obr")])
    assert [one.segment for one in observations(found)] == ["OBX[2]"]


def test_observations_after_spm_describe_the_specimen(taken_in: Any) -> None:
    found = taken_in(VEGF, "SPM|1|||SER", "OBX|2|NM|X^volume^L||5|mL|||||F")
    assert len(observations(found)) == 1
    assert found.quality == ("specimen_observation",)


def test_results_behind_spm_are_neither_used_nor_lost(taken_in: Any) -> None:
    found = taken_in("SPM|1|||SER", VEGF)
    assert (found.outcome, parts(found)) == ("quarantined", [("OBX[1]", "specimen_before_results")])


def test_one_report_for_each_order(taken_in: Any) -> None:
    found = taken_in(VEGF, "OBR|2|P101|F201|B^B^L|||20260315|||||||||||||||20260315|||F", f"OBX|1|NM|{HB}||118|g/L")
    assert [(report.order.filler, len(report.observations)) for report in found.reports] == [("F200", 1), ("F201", 1)]
    assert len({report.event_id for report in found.reports}) == 2


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        (["PID|1||000999^^^NORTH^MR", VEGF], "several_patients"),
        ([], "no_results"),
        ([f"OBX|{at}|NM|{HB}|{at}|118|g/L" for at in range(5001)], "too_many_results"),
        (["OBX|1|NM|||1|g/L||||||F"], "code_missing"),
    ],
)
def test_content_that_cannot_be_used(taken_in: Any, segments: list[str], reason: str) -> None:
    found = taken_in(*segments)
    assert (found.outcome, found.reason, found.reports) == ("quarantined", reason, ())


def test_an_order_under_way_without_results_is_context(taken_in: Any) -> None:
    found = taken_in(change={"OBR-25": "I"})
    assert (found.outcome, found.reason) == ("ignored", "order_context")


# --- times of several results, purity, re-driving ---


def test_reports_carry_age_and_no_birth_date(taken_in: Any) -> None:
    (report,) = taken_in(VEGF).reports
    assert "19970203" not in report.model_dump_json()
    assert "Planted" not in report.model_dump_json()


def test_the_same_inputs_give_the_same_events(e0: Any, north: Profile, received_at: datetime) -> None:
    first, again = (translate(e0(VEGF), north, received_at) for _ in range(2))
    later = translate(e0(VEGF), north, received_at + timedelta(days=1))
    assert first == again
    assert [report.event_id for report in later.reports] == [report.event_id for report in first.reports]


def test_a_better_code_map_replaces_a_version_and_does_not_add_one(
    e0: Any, north: Profile, received_at: datetime
) -> None:
    raw = e0("OBX|1|NM|LAMB^Lambda^L||110|mg/L|8.3-27|H|||F")
    better = north.model_copy(update={"codes": north.codes | {"LAMB|L": "SFLC_L"}, "revision": 2})
    before, after = translate(raw, north, received_at), translate(raw, better, received_at)
    (unmapped,), (mapped,) = observations(before), observations(after)
    assert (unmapped.analyte, mapped.analyte) == (None, "SFLC_L")
    assert (unmapped.result, unmapped.version) == (mapped.result, mapped.version)
    assert after.reports[0].translation > before.reports[0].translation
    assert after.reports[0].event_id != before.reports[0].event_id


@pytest.mark.parametrize("change", [{"OBR-2": "P9"}, {"OBR-4": "B^B^L"}, {"MSH-10": "E9"}, {"PID-5": "Other^Name"}])
def test_what_is_no_part_of_a_result_leaves_its_identity(taken_in: Any, change: dict[str, str]) -> None:
    (first,), (other,) = observations(taken_in(VEGF)), observations(taken_in(VEGF, change=change))
    assert (first.result, first.version) == (other.result, other.version)


@pytest.mark.parametrize(
    "obx",
    [
        VEGF.replace("42.35", "42.350"),
        VEGF.replace("0-160", "0-161"),
        VEGF.replace("pg/mL", "ng/L"),
        VEGF.replace("|N|", "|H|"),
        VEGF[:-1] + "C",
    ],
)
def test_whatever_was_received_differently_is_another_version(taken_in: Any, obx: str) -> None:
    (first,), (other,) = observations(taken_in(VEGF)), observations(taken_in(obx))
    assert first.result == other.result
    assert first.version != other.version


def test_a_report_over_the_limit_is_split_by_observation(taken_in: Any) -> None:
    texts = [f"OBX|{at}|TX|X{at}^Y^L||{'word ' * 60_000}||||||F" for at in range(8)]
    found = taken_in(*texts, f"OBX|9|TX|BIG^Y^L||{'x' * 950_000}||||||F")
    assert [(report.part, report.parts) for report in found.reports] == [
        (at + 1, len(found.reports)) for at in range(len(found.reports))
    ]
    assert len(found.reports) > 1
    assert all(len(LAB_REPORTS.encode(report)) <= MAX_REPORT_BYTES for report in found.reports)
    assert [one.code for one in observations(found)] == [f"X{at}" for at in range(8)]
    assert parts(found) == [("OBX[9]", "result_too_large")]


# --- closed lists ---


def test_a_quality_code_that_is_not_in_the_list_is_refused() -> None:
    assert checked(["bad_escape", "bad_escape", "charset_guess"]) == ("bad_escape", "charset_guess")
    with pytest.raises(LookupError):
        checked(["made_up"])


def test_every_entry_of_the_closed_lists_has_a_sentence() -> None:
    assert all(text.endswith(".") for text in (reason.text for reason in REASONS.values()))
    assert all(QUALITY.values())


def test_permissive_takes_any_authority_as_sent(e0: Any, received_at: datetime) -> None:
    raw = e0(VEGF, change={"PID-3": "7^^^ELSEWHERE&1.2.3&ISO^XX", "MSH-3": "ANY", "MSH-11": "N"})
    (report,) = translate(raw, permissive(), received_at).reports
    assert report.patient.model_dump() == {"authority": "ELSEWHERE", "type": "XX", "id": "7"}
    assert (report.sender, report.processing) == ("permissive", "live")
