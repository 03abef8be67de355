"""The value grammar: every row of feeds.md section 10."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refrain.clinical.quality import QUALITY
from refrain.clinical.value_words import MISSING_CODES, ORDINAL_SCALE, nominal
from refrain.clinical.values import NumberStyle, Value, read_repetitions, read_value


def read(value_type: str, *components: str, **more: object) -> tuple[Value, tuple[str, ...]]:
    return read_value(value_type, components, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("received", "written"), [("007.50", "7.50"), (".5", "0.5"), ("1.2E+3", "1.2E+3"), ("-3.0", "-3.0"), ("+4", "4")]
)
def test_a_number_keeps_its_trailing_zeros(received: str, written: str) -> None:
    value, quality = read("NM", received)
    assert (value.kind, str(value.number), value.comparator, quality) == ("quantity", written, None, ())
    assert value.text == received


@pytest.mark.parametrize(
    ("value_type", "components", "comparator", "bound"),
    [
        ("NM", ["<0.05"], "<", "0.05"),
        ("ST", ["GT 60"], ">", "60"),
        ("ST", ["lt 5"], "<", "5"),
        ("ST", ["LE5"], "<=", "5"),
        ("ST", ["GE 5"], ">=", "5"),
        ("SN", ["<", "5"], "<", "5"),
        ("SN", [">=", "5"], ">=", "5"),
        ("NM", ["<", "5"], "<", "5"),
        ("", ["≥ 2"], ">=", "2"),
        ("ST", ["≤2"], "<=", "2"),
        ("ST", ["< 0.6 mg/L"], "<", "0.6"),
    ],
)
def test_a_censored_value_has_a_bound_and_no_value(
    value_type: str, components: Sequence[str], comparator: str, bound: str
) -> None:
    value, quality = read_value(value_type, components)
    assert (value.kind, value.comparator, value.number, quality) == ("censored", comparator, Decimal(bound), ())


@pytest.mark.parametrize(
    ("components", "comparator", "denominator"),
    [
        (["", "1", ":", "80"], None, "80"),
        ([">=1:640"], ">=", "640"),
        (["1:80"], None, "80"),
        ([">", "1", ":", "640"], ">", "640"),
    ],
)
def test_titres_go_by_their_denominator(components: Sequence[str], comparator: str | None, denominator: str) -> None:
    value, _ = read_value("SN" if len(components) > 1 else "ST", components)
    assert (value.kind, value.comparator, value.number) == ("titre", comparator, Decimal(denominator))


def test_structured_numerics_that_are_no_number() -> None:
    assert read("SN", "", "3", "-", "8")[0].kind == "text"
    assert read("SN", "", "3", "-", "8")[1] == ("interval_value",)
    assert read("SN", "", "2", "+")[0].ordinal == "2+"
    assert read("SN", "", "5")[0].number == Decimal(5)
    assert read("SN", "<>", "5")[0].kind == "text"
    assert read("SN", "", "1,5") == (Value("text", "^1,5"), ("ambiguous_comma",))


@pytest.mark.parametrize(
    ("received", "ordinal", "result"),
    [
        ("NEG", "negative", "NEG"), ("Negative.", "negative", "NEG"), ("Not detected", "negative", "NEG"),
        ("trace", "trace", "IND"), ("+", "1+", "POS"), ("++", "2+", "POS"), ("3+", "3+", "POS"), ("++++", "4+", "POS"),
        ("Positive", "positive", "POS"), ("DETECTED", "positive", "POS"), ("equivocal", "indeterminate", "IND"),
    ],
)  # fmt: skip
def test_ordinal_answers(received: str, ordinal: str, result: str) -> None:
    for value_type in ("ST", "NM", "CWE", ""):
        value, quality = read(value_type, received)
        assert (value.kind, value.ordinal, value.number, quality) == ("ordinal", ordinal, None, ())
    assert nominal(ordinal) == result


def test_the_ordinal_scale_is_in_order() -> None:
    assert ORDINAL_SCALE[0] == "negative"
    assert all(
        low < high
        for low, high in pairwise([0 if s == "negative" else 0.5 if s == "trace" else int(s[0]) for s in ORDINAL_SCALE])
    )


@pytest.mark.parametrize(
    ("received", "why"),
    [
        ("", "empty"), ("  ", "empty"), ('""', "deleted"), ("TNP", "not_performed"), ("QNS", "insufficient"),
        ("haemolysed", "specimen_unsuitable"), ("Hemolyzed", "specimen_unsuitable"), ("see note", "see_comment"),
        ("pending", "pending"), ("NOVALUE", "not_given"), ("not calculated", "not_calculable"),
        ("too small to quantify", "below_quantification"),
    ],
)  # fmt: skip
def test_missing_values_say_why(received: str, why: str) -> None:
    for value_type in ("ST", "NM", "CWE", "TX"):
        value, _ = read(value_type, received)
        assert (value.kind, value.missing, value.number, value.text) == ("missing", why, None, received)
    assert why in MISSING_CODES


def test_a_sender_has_words_of_its_own() -> None:
    assert read("ST", "HOLD")[0].kind == "text"
    assert read("ST", "HOLD", missing_words={"HOLD": "pending"})[0].missing == "pending"
    assert read("CWE", "HOLD", "on hold", "L", missing_words={"HOLD": "pending"})[0].missing == "pending"


@pytest.mark.parametrize("components", [["2ABC"], ["2", "two", "L"], ["42", "", "L"], ["", "12.5", "L"]])
@pytest.mark.parametrize("value_type", ["CE", "CWE", "CNE"])
def test_a_coded_answer_is_never_a_number(value_type: str, components: Sequence[str]) -> None:
    value, _ = read_value(value_type, components)
    assert (value.kind, value.number, value.text) == ("text", None, "^".join(components))


def test_coded_answers_go_through_code_and_text() -> None:
    assert read("CWE", "NEG", "", "L")[0].ordinal == "negative"
    assert read("CWE", "260385009", "Negative", "SCT")[0].ordinal == "negative"
    assert read("CWE", "TNP", "Test not performed", "L")[0].missing == "not_performed"
    assert read("CWE", "NEG", "Positive", "L")[0].kind == "text"


def test_an_encapsulated_document_is_hash_and_size() -> None:
    value, _ = read("ED", "LAB", "application", "pdf", "Base64", "SGVsbG8=")
    assert value.kind == "text"
    assert value.text == (
        "ED sha256=185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969 bytes=5 type=application/pdf"
    )
    assert "damaged" in read("ED", "LAB", "application", "pdf", "Base64", "SGVsbG8")[0].text
    assert read("RP", "http://lab/1", "LAB", "text", "html")[0].text.startswith("RP sha256=")


@pytest.mark.parametrize(
    ("received", "codes"),
    [
        ("1,234", ("ambiguous_comma",)), ("12,5", ("ambiguous_comma",)), ("<1,5", ("ambiguous_comma",)),
        ("?9", ("uncertain",)), ("9?", ("uncertain",)), ("5-10", ("interval_value",)),
        ("12 mgs", ("trailing_text",)), ("3.1 L", ("trailing_text",)), ("42*", ("trailing_text",)),
        ("NaN", ()), ("Infinity", ()), ("slightly raised", ()), ("1.2.3", ()), ("٤٢", ()), ("1e999", ()),
        ("1" * 41, ()), ("1E21", ()), ("<", ()), ("<<5", ()), ("4 2", ("trailing_text",)),
    ],
)  # fmt: skip
def test_what_is_kept_as_text(received: str, codes: tuple[str, ...]) -> None:
    value, quality = read("ST", received)
    assert (value.kind, value.number, value.text, quality) == ("text", None, received, codes)


def test_forty_characters_and_an_exponent_of_twenty_are_the_limit() -> None:
    assert read("NM", "1" * 40)[0].number == Decimal("1" * 40)
    assert read("NM", "1E20")[0].number == Decimal("1E20")
    assert read("NM", "1E-20")[0].number == Decimal("1E-20")


@pytest.mark.parametrize(
    ("style", "received", "number"),
    [
        (NumberStyle(","), "12,5", "12.5"),
        (NumberStyle(",", "."), "1.234,5", "1234.5"),
        (NumberStyle(".", ","), "1,234", "1234"),
        (NumberStyle(".", ","), "1,234,567.80", "1234567.80"),
        (NumberStyle(".", ","), "1,23", None),
        (NumberStyle(","), "12.5", None),
        (NumberStyle(".", " "), "1 234", "1234"),
        (NumberStyle(".", "'"), "1'234", "1234"),
    ],
)
def test_a_profile_says_what_marks_mean(style: NumberStyle, received: str, number: str | None) -> None:
    value, quality = read("NM", received, style=style)
    assert value.number == (None if number is None else Decimal(number))
    assert (quality == ("ambiguous_comma",)) == (number is None)


def test_units_beside_and_behind_the_number() -> None:
    assert read("NM", "5×10⁶/L")[0].unit == "10*6/L"
    assert read("NM", "42", unit_raw="pg/ml")[0].unit == "pg/mL"
    assert read("NM", "42 pg/mL", unit_raw="pg/ml") == (
        Value("quantity", "42 pg/mL", None, Decimal(42), "pg/ml", "pg/mL"),
        (),
    )
    value, quality = read("NM", "42 ng/L", unit_raw="pg/mL")
    assert (value.number, value.unit, quality) == (Decimal(42), None, ("unit_conflict",))
    assert read("NM", "42", unit_raw="zU/mL")[0].unit is None
    assert read("NM", "42", unit_raw='""')[0].unit is None


def test_one_number_among_words_and_several_numbers() -> None:
    [(value, _)] = read_repetitions("NM", [["0.04"], ["neg"]])
    assert (value.number, value.companion) == (Decimal("0.04"), "neg")
    assert [value.number for value, _ in read_repetitions("NM", [["31"], ["29"]])] == [Decimal(31), Decimal(29)]
    [(value, _)] = read_repetitions("CWE", [["POS"], ["Positive"]])
    assert (value.ordinal, value.text) == ("positive", "POS~Positive")
    [(value, quality)] = read_repetitions("ST", [["POS"], ["NEG"]])
    assert (value.kind, value.text, quality) == ("text", "POS~NEG", ("several_answers",))
    [(value, _)] = read_repetitions("NM", [])
    assert value.missing == "empty"


TYPES = st.sampled_from(["NM", "SN", "ST", "TX", "FT", "CE", "CWE", "CNE", "ED", "RP", "", "DT", "zz"])
PIECES = st.text(alphabet='0123456789.,<>=≤≥+-−–:?~^ eExX×⁶µ%/LTGmgpu\u00a0"NEGPOS', max_size=14) | st.text(max_size=8)


@settings(max_examples=100)
@given(TYPES, st.lists(PIECES, max_size=6), PIECES)
@example("SN", ["", "", "", "", "", "x"], "")
@example("", [], "")
def test_nothing_raises_and_the_text_is_kept(value_type: str, components: list[str], unit: str) -> None:
    value, quality = read_value(value_type, components, unit_raw=unit)
    if value_type not in ("ED", "RP"):
        assert value.text == "^".join(components)
    assert set(quality) <= set(QUALITY)
    assert (value.number is not None) == (value.kind in ("quantity", "censored", "titre"))
    assert (value.missing is not None) == (value.kind == "missing")
    assert (value.ordinal is not None) == (value.kind == "ordinal")
    assert value.number is None or value.number.is_finite()
