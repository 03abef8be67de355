"""OBX-11 and OBR-25."""

from __future__ import annotations

import pytest

from refrain.clinical.statuses import FHIR_STATUS, classify, definitive, from_order


@pytest.mark.parametrize(
    ("code", "status_class", "rank"),
    [
        ("O", "none", 0), ("N", "none", 0), ("I", "pending", 1), ("P", "preliminary", 2), ("S", "preliminary", 2),
        ("R", "preliminary", 2), ("", "unknown", 2), ("Z", "unknown", 2), ("f", "unknown", 2), ("F", "final", 3),
        ("V", "final", 3), ("B", "final", 3), ("A", "final", 3), ("U", "final", 3), ("C", "corrected", 4),
        ("X", "unobtainable", 5), ("D", "withdrawn", 6), ("W", "withdrawn", 6),
    ],
)  # fmt: skip
def test_classes_and_ranks(code: str, status_class: str, rank: int) -> None:
    assert classify(code) == (status_class, rank)
    assert definitive(classify(code)[0]) == (rank >= 3)


def test_what_carries_over_from_the_order() -> None:
    assert [from_order(code) for code in "FPCXIR"] == list("FPCXIR")
    assert [from_order(code) for code in ("A", "S", "O", "Y", "Z", "")] == [""] * 6


def test_fhir_has_nothing_for_order_details() -> None:
    assert "O" not in FHIR_STATUS
    assert "N" not in FHIR_STATUS
    assert FHIR_STATUS["B"] == "amended"
