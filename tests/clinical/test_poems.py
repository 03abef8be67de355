"""The numbers of progression: on the threshold, just past it, and where a censored value cannot decide."""

from decimal import Decimal

import pytest

from refrain.clinical.poems import m_protein_rise, vegf_rise
from refrain.clinical.threevalued import Span
from refrain.clinical.values import Comparator


def bounds(text: str) -> Span:
    digits = text.lstrip("<>=")
    sign: Comparator | None = text.removesuffix(digits) or None  # type: ignore[assignment]
    return Span.of(Decimal(digits), sign)


@pytest.mark.parametrize(
    ("value", "nadir", "above", "expected"),
    [
        pytest.param("300", "200", True, False, id="exactly 1.5 times is no rise"),
        pytest.param("300.01", "200", True, True, id="just over 1.5 times"),
        pytest.param("64.0", "42.35", False, False, id="over the nadir but inside its interval"),
        pytest.param("64.0", "42.35", None, None, id="nobody knows whether it is above its interval"),
        pytest.param("60", "42.35", None, False, id="no rise whatever the interval"),
        pytest.param(">300", "200", True, True, id="over 1.5 times at every point"),
        pytest.param(">=300", "200", True, None, id="may be exactly 1.5 times"),
        pytest.param("300", "<200", True, True, id="1.5 times an open bound is never reached"),
        pytest.param("300", "<=200", True, None, id="the nadir may be 200"),
        pytest.param("<300", "200", True, False, id="under 1.5 times at every point"),
        pytest.param("<500", "200", True, None, id="may be anything"),
        pytest.param("500", ">100", True, None, id="the nadir has no upper end"),
        pytest.param("1", "0", True, True, id="any positive value over a nadir of nothing"),
    ],
)
def test_vegf_rise(value: str, nadir: str, above: bool | None, expected: bool | None) -> None:
    assert vegf_rise(bounds(value), bounds(nadir), above) is expected


@pytest.mark.parametrize(
    ("value", "nadir", "expected"),
    [
        pytest.param("25", "20", True, id="exactly a quarter and 5 g/L"),
        pytest.param("24.99", "20", False, id="just under both"),
        pytest.param("24.9", "19.9", True, id="5 g/L decides under 20 g/L"),
        pytest.param("27", "22", False, id="5 g/L but under a quarter"),
        pytest.param("6.2", "1.2", True, id="exactly 5 g/L over a small nadir"),
        pytest.param("6.19", "1.2", False, id="just under 5 g/L"),
        pytest.param("5", "0", True, id="5 g/L over nothing"),
        pytest.param("4.99", "0", False, id="under 5 g/L over nothing"),
        pytest.param("6", "<1", True, id="5 g/L over every point of a censored nadir"),
        pytest.param("5.5", "<1", None, id="over some points only"),
    ],
)
def test_m_protein_rise(value: str, nadir: str, expected: bool | None) -> None:
    assert m_protein_rise(bounds(value), bounds(nadir)) is expected
