"""Derived ids: one content, one id."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from refrain.contracts.events import CareEvent, Infection, PatientId
from refrain.contracts.ids import canonical_json, derive, patient_key, split_patient_key

PATIENT = PatientId(authority="NORTH", type="MR", id="000731")
AT = datetime(2026, 3, 14, 8, tzinfo=UTC)


def an_infection(**changes: object) -> CareEvent:
    fields = {
        "patient": PATIENT, "occurred_at": AT, "recorded_at": AT, "key": "infection",
        "body": Infection(name="influenza", onset=AT.date()),
    }  # fmt: skip
    return CareEvent.model_validate(fields | changes).identified()


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_a_patient_key_comes_back_as_it_went(authority: str, kind: str, number: str) -> None:
    key = patient_key(authority, kind, number)
    assert split_patient_key(key) == (authority, kind, number)
    assert key.isascii()


def test_leading_zeros_and_separators_keep_patients_apart() -> None:
    assert patient_key("A|B", "MR", "1") != patient_key("A", "B|MR", "1")
    assert patient_key("A", "MR", "01") != patient_key("A", "MR", "1")


def test_one_instant_has_one_canonical_form() -> None:
    there = AT.astimezone(timezone(timedelta(hours=1)))
    assert canonical_json([AT]) == canonical_json([there])


def test_decimals_are_kept_as_received() -> None:
    assert derive("x", Decimal("1.10")) != derive("x", Decimal("1.1"))


def test_how_an_event_travelled_is_not_part_of_its_id() -> None:
    first = an_infection()
    again = an_infection(recorded_at=AT + timedelta(days=1), trace="other", caused_by=(uuid4(),))
    assert first.event_id == again.event_id


def test_other_content_is_another_id() -> None:
    assert an_infection().event_id != an_infection(withdrawn=True).event_id
