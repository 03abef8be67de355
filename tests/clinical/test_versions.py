"""Which version of a result counts, whatever the order of arrival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, Self
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.quality import QUALITY
from refrain.clinical.statuses import StatusClass, classify
from refrain.clinical.values import Value, read_value
from refrain.clinical.versions import current, order_key, standing
from refrain.contracts.events import Observation

START = datetime(2025, 1, 6, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Result:
    """A version as the order looks at it."""

    version: UUID
    status: str
    status_class: StatusClass
    issued_at: datetime
    value: Value
    notes: tuple[str, ...] = ()

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        return replace(self, **(update or {}))


def a(status: str, value: str = "", hours: int = 0, notes: Sequence[str] = ()) -> Result:
    version = uuid5(UUID(int=7), f"{status} {value} {hours}")
    issued = START + timedelta(hours=hours)
    return Result(version, status, classify(status)[0], issued, read_value("NM", [value])[0], tuple(notes))


def outcome(*chain: Result) -> tuple[str, str, tuple[str, ...]]:
    """Status, value and notes; asserted to be the same for every order and with repeats."""
    seen = set()
    for order in permutations(chain) if len(chain) < 6 else [chain]:
        known = standing([*order, order[0]])
        assert known is not None
        assert known.version == current(order)
        seen.add((known.version.status, known.version.value.text, known.notes))
    [only] = seen
    return only


def test_nothing_and_order_details_are_no_version() -> None:
    assert standing([]) is None
    assert current([a("O", "text"), a("N")]) is None


@pytest.mark.parametrize(
    ("chain", "status", "value", "notes"),
    [
        pytest.param([a("F", "42"), a("C", "423", 24)], "C", "423", (), id="a correction counts"),
        pytest.param([a("F", "42"), a("P", "48", 1)], "F", "42", (), id="a late preliminary is history"),
        pytest.param([a("P", "48"), a("F", "42", 1)], "F", "42", (), id="a final replaces a preliminary"),
        pytest.param([a("F", "42", 2), a("C", "41", 1)], "F", "42", (), id="the later issue time, not the rank"),
        pytest.param([a("F", "42"), a("W", "42", 1)], "W", "42", (), id="wrong patient"),
        pytest.param([a("F", "42"), a("X", "", 1)], "X", "", (), id="X takes the value back"),
        pytest.param([a("X")], "X", "", (), id="cannot be obtained"),
        pytest.param([a("I"), a("X", "", 1)], "X", "", (), id="awaited is closed"),
        pytest.param([a("F", "42"), a("D", "42", 1), a("F", "43", 2)], "F", "43", ("reinstated",), id="reopened"),
        pytest.param([a("D", "42", 1), a("P", "43", 2)], "D", "42", ("correction_without_original",), id="D, then P"),
        pytest.param(
            [a("F", "42"), a("D", "42")], "D", "42", ("VERSION_TIE",),
            id="withdrawal wins at the same moment",
        ),
        pytest.param(
            [a("F", "42"), a("C", "43")], "C", "43", ("VERSION_TIE",),
            id="correction wins at the same moment",
        ),
        pytest.param([a("P", "42", 3), a("I", "", 3)], "P", "42", ("VERSION_TIE",), id="preliminary before pending"),
        pytest.param([a("C", "42")], "C", "42", ("correction_without_original",), id="a correction of nothing"),
        pytest.param([a("C", "42"), a("C", "43", 1)], "C", "43", (), id="corrected twice"),
        pytest.param([a("I")], "I", "", (), id="awaited"),
        pytest.param([a("", "5.9")], "", "5.9", (), id="an unknown status"),
        pytest.param(
            [a("P", "42"), a("P", "44", 1), a("U", "", 2)], "U", "44", (),
            id="U promotes the last preliminary",
        ),
        pytest.param(
            [a("P", "42"), a("U", "", 2), a("P", "44", 3)], "U", "42", (),
            id="what came after U is not promoted",
        ),
        pytest.param([a("U", "", 2)], "U", "", ("unsent_value_missing",), id="U waits for its value"),
        pytest.param([a("U", "42", 2)], "U", "42", (), id="U with a value"),
        pytest.param([a("F", "42"), a("P", "44", 1), a("U", "", 2)], "U", "42", (), id="U does not undo a final"),
        pytest.param(
            [a("F", "42"), a("D", "", 1), a("P", "44", 2), a("U", "", 3)], "U", "44", ("reinstated",),
            id="U after D and P",
        ),
        pytest.param(
            [a("P", "42"), a("D", "", 1), a("U", "", 2)], "U", "", ("reinstated", "unsent_value_missing"),
            id="what was withdrawn is not promoted",
        ),
        pytest.param([a("F", "42"), a("V", "42", 1)], "V", "42", (), id="verified"),
        pytest.param([a("F", "42"), a("V", "42.0", 1)], "V", "42.0", (), id="verified with another zero"),
        pytest.param([a("F", "42"), a("B", "", 1)], "B", "42", (), id="appended without the value"),
        pytest.param(
            [a("F", "42"), a("V", "43", 1)], "V", "43", ("status_value_differs",),
            id="verified, but different",
        ),
        pytest.param(
            [a("F", "42"), a("B", "<42", 1)], "B", "<42", ("status_value_differs",),
            id="appended, but censored",
        ),
        pytest.param([a("F", "42"), a("A", "43", 1)], "A", "43", (), id="amended demographics"),
    ],
)  # fmt: skip
def test_which_version_counts(chain: Sequence[Result], status: str, value: str, notes: tuple[str, ...]) -> None:
    assert outcome(*chain) == (status, value, notes)
    assert set(notes) <= set(QUALITY)


def test_a_promoted_value_is_final_and_keeps_both_comments() -> None:
    known = current([a("P", "42", notes=["seen"]), a("U", "", 1, notes=["released"])])
    assert known is not None
    assert (known.status_class, known.value.text, known.notes) == ("final", "42", ("seen", "released"))
    assert known.issued_at == START + timedelta(hours=1)


def test_a_differing_verification_counts_as_a_correction() -> None:
    known = current([a("F", "42"), a("V", "43", 1)])
    assert known is not None
    assert known.status_class == "corrected"


def test_withdrawn() -> None:
    for status, withdrawn in (("F", False), ("C", False), ("X", True), ("D", True), ("W", True)):
        known = standing([a("F", "42"), a(status, "42", 1)])
        assert known is not None
        assert known.withdrawn is withdrawn


def test_by_status_rank_goes_before_time() -> None:
    chain = [a("F", "42", 5), a("C", "43", 1)]
    assert current(chain) == chain[0]
    assert current(chain, "status") == chain[1]


VERSIONS = st.builds(
    a, st.sampled_from([*"OIPSRFVBAUCXDW", "", "Z"]), st.sampled_from(["", "42", "43", "<5"]), st.integers(0, 4)
)


@settings(max_examples=100)
@given(st.lists(VERSIONS, max_size=6), st.randoms(use_true_random=False), st.sampled_from(["issued_at", "status"]))
def test_arrival_does_not_matter(chain: list[Result], random: Any, by: Any) -> None:
    shuffled = [*chain, *chain[:2]]
    random.shuffle(shuffled)
    assert standing(shuffled, by) == standing(chain, by)
    known = standing(chain, by)
    assert (
        known is None
        or known.version.version
        == max(
            (version for version in chain if version.status_class != "none"), key=lambda version: order_key(version, by)
        ).version
    )


def test_published_observations_have_what_the_order_looks_at() -> None:
    def observe(status: str, value: str, hours: int) -> Observation:
        seen = a(status, value, hours)
        return Observation.model_validate(
            {"result": UUID(int=1), "version": seen.version, "code": "34694-0", "system": "LN", "analyte": "VEGF",
             "status": status, "status_class": seen.status_class, "issued_at": seen.issued_at, "issued_from": "OBR-22",
             "value": seen.value, "range": {"kind": "absent"}, "collected_at": START,
             "collected_until": START + timedelta(seconds=1), "time_precision": "second", "collected_from": "OBR-7",
             "specimen": "SERUM", "specimen_source": "stated", "lab": "LAB", "quality": (f"{status} read",)}
        )  # fmt: skip

    known = current([observe("U", "", 2), observe("P", "42.35", 0)])
    assert known is not None
    assert (known.status, known.status_class, known.value.text) == ("U", "final", "42.35")
    assert known.quality == ("P read", "U read")
