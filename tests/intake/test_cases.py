"""The cases of feeds.md section 13, at the level of what a message becomes and how it is answered.

Case 6 (order of arrival), 11 (age-specific ranges), 13 (merges), 16 (batches), 19's hold and 23's "awaited" are
judged downstream or in later issues.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from refrain.contracts.events import Observation
from services.intake.domain.acks import ack_code
from services.intake.domain.agreement import agreement
from services.intake.domain.framing import MAX_MESSAGE_BYTES, Framer, wrap
from services.intake.domain.listing import as_listing
from services.intake.domain.profile import Profile
from services.intake.domain.translate import refuse_too_large, translate
from services.intake.domain.translation import Translation

A1 = "OBX|1|NM|34694-0^VEGF^LN||42.35|pg/mL|0-160|N|||F"
B1 = "OBX|1|NM|34694-0^VEGF^LN||423.5|pg/mL|0-160|H|||C"
B1_CHANGES = {"OBR-22": "20260315091400+0100", "OBR-25": "C"}
VEGF42 = "OBX|1|NM|34694-0^VEGF^LN||42|pg/mL|0-160|N|||F"
POTASSIUM = "2823-3^Potassium^LN"


def only(translation: Translation) -> Observation:
    """The one observation of a published message."""
    assert (translation.outcome, ack_code(translation)) == ("published", "AA")
    (report,) = translation.reports
    (observation,) = report.observations
    return observation


def test_1a_as_refrain_translate_prints_it(taken_in: Any, north: Profile) -> None:
    listing = as_listing(taken_in(A1), "e1.hl7#0")
    observation = listing["reports"][0]["observations"][0]
    assert len(observation.pop("result")) == len(observation.pop("version")) == 36
    assert listing == {
        "source": "e1.hl7#0", "ack": "AA", "outcome": "published", "reason": None, "care_events": [],
        "quarantined": [],
        "reports": [{
            "patient": {"authority": "NORTH", "type": "MR", "id": "000731"}, "patient_received": None,
            "sender": "north-lab", "profile": north.hash, "processing": "live", "sex": "M",
            "age_at_collection": {"days": [10631, 10632]},
            "order": {"placer": "P100", "filler": "F200", "code": "PAN", "status": "F"},
            "observations": [{
                "code": "34694-0", "system": "LN", "analyte": "VEGF", "name": "VEGF", "sub_id": "", "repeat": 1,
                "status": "F", "status_class": "final", "issued_at": "2026-03-14T09:14:00+01:00",
                "issued_from": "OBR-22",
                "value": {"kind": "quantity", "comparator": None, "number": "42.35", "unit_raw": "pg/mL",
                          "unit": "pg/mL", "text": "42.35"},
                "canonical": {"number": "42.35", "unit": "pg/mL"}, "repaired": None,
                "range": {"kind": "interval", "text": "0-160", "low": "0", "high": "160", "low_inclusive": True,
                          "high_inclusive": True},
                "reported_flags": ["N"], "collected_at": "2026-03-14T08:00:00+01:00", "time_precision": "second",
                "collected_from": "OBR-7", "specimen": "UNKNOWN", "method": "UNKNOWN", "notes": [], "quality": [],
                "segment": "OBX[1]",
            }],
        }],
    }  # fmt: skip


@pytest.mark.parametrize(("sex", "limits"), [("M", ("14", "18")), ("F", ("12", "16")), ("U", (None, None))])
def test_a_range_split_by_sex_is_listed_with_the_patients_own_limits(
    taken_in: Any, sex: str, limits: tuple[str | None, str | None]
) -> None:
    obx = "OBX|1|NM|718-7^Hb^LN||15|g/dL|M: 14-18 F: 12-16|N|||F"
    [listed] = as_listing(taken_in(obx, change={"PID-8": sex}))["reports"][0]["observations"]
    assert (listed["range"]["low"], listed["range"]["high"]) == limits
    assert set(listed["range"]["by_sex"]) == {"M", "F"}


def test_1_a_correction_is_a_version_of_the_same_result(taken_in: Any) -> None:
    first, corrected = only(taken_in(A1)), only(taken_in(B1, change=B1_CHANGES))
    assert corrected.result == first.result
    assert corrected.version != first.version
    assert (corrected.status_class, corrected.value.number) == ("corrected", Decimal("423.5"))
    assert corrected.issued_at > first.issued_at


@pytest.mark.parametrize("status", ["W", "D"])
def test_2_withdrawn(taken_in: Any, status: str) -> None:
    found = only(taken_in(f"OBX|1|NM|{POTASSIUM}||6.9|mmol/L|3.5-5.1|HH|||{status}"))
    assert (found.status, found.status_class, found.reported_flags) == (status, "withdrawn", ("HH",))


def test_3_other_and_empty_status(taken_in: Any) -> None:
    unobtainable = only(taken_in(f"OBX|1|NM|{POTASSIUM}|||mmol/L|3.5-5.1||||X"))
    assert (unobtainable.status_class, unobtainable.value.kind) == ("unobtainable", "missing")
    assert unobtainable.value.missing == "empty"
    from_order = only(taken_in(f"OBX|1|NM|{POTASSIUM}||5.9|mmol/L|3.5-5.1|H"))
    assert (from_order.status, from_order.status_class) == ("F", "final")
    assert "status_from_order" in from_order.quality
    unknown = only(taken_in(f"OBX|1|NM|{POTASSIUM}||5.9|mmol/L|3.5-5.1|H", change={"OBR-25": "A"}))
    assert (unknown.status, unknown.status_class) == ("", "unknown")
    assert "status_missing" in unknown.quality
    odd = only(taken_in(f"OBX|1|NM|{POTASSIUM}||5.9|mmol/L|3.5-5.1|H|||Q"))
    assert (odd.status_class, "status_unknown" in odd.quality) == ("unknown", True)


def test_4_a_late_preliminary_version_is_preliminary(taken_in: Any) -> None:
    late = only(taken_in("OBX|1|NM|34694-0^VEGF^LN||48|pg/mL|0-160|N|||P", change={"OBR-22": "20260314101400+0100"}))
    assert (late.result, late.status_class) == (only(taken_in(A1)).result, "preliminary")


def test_5a_the_same_body_has_the_same_transport_hash(taken_in: Any) -> None:
    first = taken_in(A1)
    again = taken_in(A1, change={"MSH-10": "E2", "MSH-7": "20260314101500+0100"})
    assert again.transport == first.transport
    duplicate = again.as_duplicate()
    assert (duplicate.outcome, duplicate.reports, ack_code(duplicate)) == ("duplicate", (), "AA")
    assert only(again).version == only(first).version


def test_5b_the_control_id_is_no_key(taken_in: Any) -> None:
    other = taken_in(A1, change={"PID-3": "000999^^^NORTH^MR"})
    assert other.transport != taken_in(A1).transport
    assert other.reports[0].patient.id == "000999"
    assert only(other).result != only(taken_in(A1)).result


def test_5c_identical_twins_collapse(taken_in: Any) -> None:
    twin = "NM|718-7^Hb^LN||118|g/L|130-170|L|||F"
    assert "repeated_in_message" in only(taken_in(f"OBX|1|{twin}", f"OBX|2|{twin}")).quality


def test_5d_different_numbers_contradict(taken_in: Any) -> None:
    conflict = taken_in("OBX|1|NM|718-7^Hb^LN||118|g/L|130-170|L|||F", "OBX|2|NM|718-7^Hb^LN||121|g/L|130-170|L|||F")
    assert (conflict.outcome, conflict.reason, ack_code(conflict)) == ("quarantined", "conflicting_duplicate", "AE")
    assert [part.place for part in conflict.quarantined] == ["OBX[1]", "OBX[2]"]


@pytest.mark.parametrize(
    ("obx", "canonical", "unit"),
    [
        ("777-3^Platelets^LN||212|K/uL|150-400|N|||F", "212", "10*9/L"),
        (r"777-3^Platelets^LN||212|x10\S\9/L|150-400|N|||F", "212", "10*9/L"),
        ("777-3^Platelets^LN||212|10^9/L|150-400|N|||F", "212", "10*9/L"),
        ("36916-5^Kappa^LN||3.29|mg/dL|0.33-1.94|H|||F", "32.9", "mg/L"),
    ],
)
def test_7_units(taken_in: Any, obx: str, canonical: str, unit: str) -> None:
    found = only(taken_in(f"OBX|1|NM|{obx}"))
    assert found.canonical is not None
    assert (str(found.canonical.number), found.canonical.unit) == (canonical, unit)
    assert found.quality == ()


def test_7c_the_range_stays_in_the_received_unit(taken_in: Any) -> None:
    found = only(taken_in("OBX|1|NM|36916-5^Kappa^LN||3.29|mg/dL|0.33-1.94|H|||F"))
    assert (str(found.range.low), str(found.range.high)) == ("0.33", "1.94")


def test_7d_an_unknown_unit_is_published_without_a_canonical_value(taken_in: Any) -> None:
    found = only(taken_in("OBX|1|NM|34694-0^VEGF^LN||42|zU/mL|0-160|N|||F"))
    assert (found.canonical, found.value.unit, found.quality) == (None, None, ("unit_unknown",))


def test_8_odd_values(taken_in: Any) -> None:
    censored = only(taken_in("OBX|1|SN|33358-3^M-protein^LN||<^0.5|g/L||N|||F"))
    assert (censored.value.kind, censored.value.comparator, str(censored.value.number)) == ("censored", "<", "0.5")
    comma = only(taken_in("OBX|1|NM|33358-3^M-protein^LN||1,234|g/L||N|||F"))
    assert (comma.value.kind, comma.value.number, comma.canonical) == ("text", None, None)
    assert "ambiguous_comma" in comma.quality


def test_9_a_range_that_is_not_read_never_becomes_an_interval(taken_in: Any) -> None:
    found = only(taken_in("OBX|1|NM|34694-0^VEGF^LN||42|pg/mL|See below|H|||F"))
    assert (found.range.kind, found.range.reason, found.range.text) == ("unparsed", "prose", "See below")
    assert found.reported_flags == ("H",)


def test_9_a_range_whose_components_are_split_is_read_as_sn(taken_in: Any) -> None:
    found = only(taken_in("OBX|1|NM|34694-0^VEGF^LN||42|pg/mL|<^160|N|||F"))
    assert (found.range.kind, found.range.high, found.range.high_inclusive) == ("interval", Decimal(160), False)


def test_10_the_laboratory_s_flag_is_kept_beside_the_value(taken_in: Any) -> None:
    found = only(taken_in(f"OBX|1|NM|{POTASSIUM}||4.0|mmol/L|3.5-5.1|HH|||F"))
    assert (found.reported_flags, str(found.value.number)) == (("HH",), "4.0")


@pytest.mark.parametrize(
    ("value", "limits", "flag", "expected"),
    [
        ("4.0", "3.5-5.1", "HH", "disagree"),
        ("4.0", "3.5-5.1", "N", "agree"),
        ("6.0", "3.5-5.1", "N", "disagree"),
        ("6.0", "3.5-5.1", "A", "agree"),
        ("6.0", "3.5-5.1", "L~H", "agree"),
        ("6.0", "3.5-5.1", "", None),
        ("6.0", "3.5-5.1", "QCF", None),
        ("6.0", "See below", "H", None),
        ("pending", "3.5-5.1", "H", None),
        ("<5", "2-6", "N", None),
    ],
)
def test_10_the_laboratory_s_flag_against_value_and_range(
    taken_in: Any, value: str, limits: str, flag: str, expected: str | None
) -> None:
    assert agreement(only(taken_in(f"OBX|1|NM|{POTASSIUM}||{value}|mmol/L|{limits}|{flag}|||F"))) == expected


def test_12a_no_patient_id(taken_in: Any) -> None:
    nobody = taken_in(VEGF42, change={"PID-3": ""})
    assert (nobody.outcome, nobody.reason, nobody.place) == ("quarantined", "no_patient_id", "PID[1]-3")
    assert ack_code(nobody) == "AE"


def test_12b_the_trusted_type_is_chosen_and_leading_zeros_stay(taken_in: Any) -> None:
    (report,) = taken_in(VEGF42, change={"PID-3": "9990001^^^NATION^NH~000731^^^NORTH^MR"}).reports
    assert report.patient.model_dump() == {"authority": "NORTH", "type": "MR", "id": "000731"}
    assert [other.model_dump() for other in report.other_ids] == [
        {"authority": "NATION", "type": "NH", "id": "9990001"}
    ]


@pytest.mark.parametrize("event", ["A40", "A34", "A45", "A47"])
def test_13_merges_are_kept_for_later(taken_in: Any, event: str) -> None:
    merge = taken_in("MRG|000420^^^NORTH^MR", change={"MSH-9": f"ADT^{event}^ADT_A39"})
    assert (merge.outcome, merge.reason, ack_code(merge)) == ("quarantined", "not_yet_supported", "AE")


def test_14a_a_report_time_is_no_time_of_collection(taken_in: Any) -> None:
    found = only(taken_in(VEGF42 + "|||20260314091400+0100"))
    assert (found.collected_from, found.collected_at.isoformat()) == ("OBR-7", "2026-03-14T08:00:00+01:00")
    assert found.quality == ("observation_time_is_report_time",)


def test_14b_an_hour_that_happens_twice_covers_both(taken_in: Any) -> None:
    found = only(taken_in(VEGF42 + "|||20251026023000"))
    assert (found.collected_at.isoformat(), found.collected_until.isoformat()) == (
        "2025-10-26T02:30:00+02:00",
        "2025-10-26T02:30:01+01:00",
    )
    assert found.quality == ("ambiguous_local_time",)


def test_14c_a_collection_ahead_of_time(taken_in: Any) -> None:
    ahead = taken_in(VEGF42 + "|||20270101")
    assert (ahead.outcome, ahead.reason, ack_code(ahead)) == ("quarantined", "future_time", "AE")


def test_14d_a_day_that_never_was_is_no_time(taken_in: Any) -> None:
    found = only(taken_in(VEGF42 + "|||20260229"))
    assert (found.collected_from, found.quality) == ("OBR-7", ("time_unusable",))


def test_14_no_time_at_all(taken_in: Any) -> None:
    nowhere = taken_in(VEGF42, change={"OBR-7": "00000000"})
    assert (nowhere.reason, nowhere.quarantined[0].place) == ("collection_time_missing", "OBX[1]")


@pytest.mark.parametrize("status", ["D", "W", "X"])
def test_14_what_is_taken_back_needs_no_time_where_an_order_names_it(taken_in: Any, status: str) -> None:
    obx = f"OBX|1|NM|34694-0^VEGF^LN||||||||{status}"
    (report,) = taken_in(obx, change={"OBR-7": ""}).reports
    (found,) = report.observations
    assert (found.time_precision, found.collected_from) == ("unknown", "not stated")
    assert found.collected_at == found.collected_until == found.issued_at == report.occurred_at
    assert (found.quality, report.age_at_collection) == (("collection_time_missing",), None)
    later = only(taken_in(obx, change={"OBR-7": "", "OBR-22": "20260316"}))
    assert (later.result, later.version != found.version) == (found.result, True)


def test_14_without_an_order_number_or_with_a_value_a_time_is_needed(taken_in: Any) -> None:
    anonymous = {"OBR-7": "", "OBR-2": "", "OBR-3": ""}
    assert taken_in("OBX|1|NM|34694-0^VEGF^LN||||||||X", change=anonymous).reason == "collection_time_missing"
    assert taken_in(B1, change={**B1_CHANGES, "OBR-7": ""}).reason == "collection_time_missing"


@pytest.mark.parametrize(
    ("named", "charset", "quality"),
    [("ASCII", "utf-8", "charset_mismatch"), ("", "latin-1", "charset_guess")],
)
def test_15_charsets(e0: Any, north: Profile, received_at: Any, named: str, charset: str, quality: str) -> None:
    raw = e0("OBX|1|NM|2160-0^Creatinine^LN||80|µmol/L|60-110|N|||F", change={"MSH-18": named}, charset=charset)
    found = only(translate(raw, north, received_at))
    assert (found.value.unit, found.value.unit_raw) == ("umol/L", "µmol/L")
    assert found.quality == (quality,)


def test_15_an_unknown_charset(taken_in: Any) -> None:
    refused = taken_in(VEGF42, change={"MSH-18": "8859/99"})
    assert (refused.outcome, refused.reason, ack_code(refused)) == ("quarantined", "charset_unsupported", "AR")


def test_15_a_guessed_character_in_an_identifier(e0: Any, north: Profile, received_at: Any) -> None:
    patient = translate(e0(VEGF42, change={"PID-3": "00é^^^NORTH^MR"}, charset="latin-1"), north, received_at)
    assert (patient.outcome, patient.reason, patient.place) == ("quarantined", "identifier_damaged", "PID[1]-3")
    order = translate(e0(VEGF42, change={"OBR-3": "F2é"}, charset="latin-1"), north, received_at)
    assert [(part.place, part.reason) for part in order.quarantined] == [("OBX[1]", "identifier_damaged")]
    unit = translate(e0("OBX|1|NM|34694-0^VEGF^LN||42|é/L|0-160|N|||F", charset="latin-1"), north, received_at)
    assert unit.reason == "identifier_damaged"
    assert translate(e0(VEGF42, change={"PID-3": "00é^^^NORTH^MR"}), north, received_at).outcome == "published"


def test_17_a_large_message_is_published_and_a_too_large_one_is_answered(
    e0: Any, north: Profile, received_at: Any
) -> None:
    large = translate(e0(A1, f"OBX|2|TX|18748-4^Report^LN||{'word ' * 15_000}||||||F"), north, received_at)
    assert (large.outcome, large.size > 72_000) == ("published", True)
    (frame,) = Framer().feed(wrap(e0(A1, "OBX|2|TX|X^Y^L||" + "x" * (9 * 1024 * 1024))))
    assert len(frame.payload) < MAX_MESSAGE_BYTES
    refused = refuse_too_large(frame, north, received_at)
    assert (refused.outcome, refused.reason, ack_code(refused)) == ("quarantined", "too_large", "AR")
    assert (refused.control_id, refused.size) == ("E1", frame.size)
    from_file = translate(e0("NTE|1||" + "x" * MAX_MESSAGE_BYTES), north, received_at)
    assert (from_file.outcome, from_file.reason) == ("quarantined", "too_large")


def test_17_a_base64_report_becomes_hash_and_size(taken_in: Any) -> None:
    payload = "UGxhbnRlZA==" * 100
    found = only(taken_in(f"OBX|1|ED|PDF^Report^L||LAB^AP^PDF^Base64^{payload}||||||F"))
    assert "sha256=" in found.value.text
    assert "bytes=" in found.value.text
    assert payload not in found.value.text


def test_18_escapes(taken_in: Any) -> None:
    assert only(taken_in(r"OBX|1|FT|X^Y^L||a\.br\b||||||F")).value.text == "a\nb"
    kept = only(taken_in(r"OBX|1|ST|X^Y^L||7\8||||||F"))
    assert (kept.value.text, "bad_escape" in kept.quality) == (r"7\8", True)


def test_19_a_comment_belongs_to_its_result_and_may_question_it(taken_in: Any) -> None:
    (report,) = taken_in(
        f"OBX|1|NM|{POTASSIUM}|1.1|4.0|mmol/L|3.5-5.1|N|||F",
        f"OBX|2|NM|{POTASSIUM}|1.2|4.2|mmol/L|3.5-5.1|N|||F",
        "NTE|1||haemolysed, please repeat",
    ).reports
    first, second = report.observations
    assert first.result != second.result
    assert (first.notes, second.notes) == ((), ("haemolysed, please repeat",))
    assert "comment_questions_result" in second.quality
    assert "comment_questions_result" not in first.quality


def test_19_a_comment_on_the_order_questions_all_of_it(taken_in: Any) -> None:
    assert "comment_questions_result" in only(taken_in("NTE|1||CLOTTED", A1)).quality


def test_20_local_codes(taken_in: Any) -> None:
    mapped = only(taken_in("OBX|1|NM|KAP^Kappa^L||32.9|mg/L|6.7-22.4|H|||F"))
    assert (mapped.code, mapped.system, mapped.analyte, mapped.quality) == ("KAP", "L", "SFLC_K", ())
    wrong = only(taken_in("OBX|1|NM|33944-8^Lambda^LN||110|mg/L|8.3-27|H|||F"))
    assert wrong.analyte is None
    assert wrong.quality == ("loinc_check_digit", "code_unmapped")
    either = only(taken_in("OBX|1|NM|XYZ^Kappa^L^36916-5^Kappa^LN||32.9|mg/L|6.7-22.4|H|||F"))
    assert (either.code, either.system, either.analyte) == ("36916-5", "LN", "SFLC_K")


def test_21_two_messages_in_one_packet_are_answered_in_order(e0: Any, north: Profile, received_at: Any) -> None:
    second = e0(VEGF42, change={"PID-3": "000999^^^NORTH^MR"})
    frames = Framer().feed(b"junk\x0b" + e0(A1) + b"\x1c\x0b" + second + b"\x1c\r")
    found = [translate(frame.payload, north, received_at) for frame in frames]
    assert [ack_code(translation) for translation in found] == ["AA", "AA"]
    assert [translation.reports[0].patient.id for translation in found] == ["000731", "000999"]


def test_22a_processing_ids(taken_in: Any, north: Profile) -> None:
    refused = taken_in(VEGF42, change={"MSH-11": "N"})
    assert (refused.reason, ack_code(refused)) == ("processing_id", "AR")
    mapped = north.model_copy(update={"processing_ids": {"N": "test"}})
    assert taken_in(VEGF42, change={"MSH-11": "N"}, profile=mapped).reports[0].processing == "test"
    assert taken_in(VEGF42, change={"MSH-11": "D"}).reports[0].processing == "training"


@pytest.mark.parametrize("segments", [("OBR|1|P|F|PAN^P^L" + "|" * 21 + "X",), ("ORC|CA|P|F", "OBR|1|P|F|PAN^P^L")])
def test_23_a_cancelled_order_is_a_report_without_results(
    e0: Any, north: Profile, received_at: Any, segments: tuple[str, ...]
) -> None:
    head = e0().decode().split("\r")[:2]
    cancelled = translate("\r".join([*head, *segments]).encode(), north, received_at)
    (report,) = cancelled.reports
    assert (cancelled.outcome, report.observations) == ("published", ())
    assert report.order.status in ("X", "CA")


def test_24_markers_at_the_edge(taken_in: Any) -> None:
    (report,) = taken_in(
        "OBX|1|NM|36916-5^Kappa^LN||<0.6|mg/L|6.7-22.4|L|||F", "OBX|2|NM|48378-4^Ratio^LN||not calculated|||N|||F"
    ).reports
    kappa, ratio = report.observations
    assert (kappa.value.kind, kappa.value.comparator, str(kappa.value.number)) == ("censored", "<", "0.6")
    assert (ratio.value.kind, ratio.value.missing, ratio.canonical) == ("missing", "not_calculable", None)
