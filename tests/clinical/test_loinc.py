"""LOINC check digits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.loinc import check_digit_ok


@pytest.mark.parametrize("code", ["2465-3", "34694-0", "2823-3", "104544-2", "777-3", "13440-3", "40844-3"])
def test_right_check_digits(code: str) -> None:
    assert check_digit_ok(code)


@pytest.mark.parametrize("code", ["33944-8", "33945-5", "32730-5", "13440-2"])
def test_codes_that_circulate_and_fail(code: str) -> None:
    assert not check_digit_ok(code)


@pytest.mark.parametrize(
    "code", ["", "-", "2465", "2465-", "-3", "2465-33", "tt-0005-01", " 2465-3", "2465-3\n", "٢465-3"]
)
def test_what_has_not_the_shape_of_a_code(code: str) -> None:
    assert not check_digit_ok(code)


@settings(max_examples=50)
@given(st.integers(1, 9_999_999))
def test_exactly_one_check_digit_is_right(number: int) -> None:
    assert sum(check_digit_ok(f"{number}-{digit}") for digit in range(10)) == 1


@settings(max_examples=50)
@given(st.text(max_size=12))
def test_any_text_may_be_asked(text: str) -> None:
    assert check_digit_ok(text) in (True, False)
