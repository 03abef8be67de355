"""Immunofixation answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.immunofixation import Band, read_band
from refrain.clinical.quality import QUALITY


def coded(*codes: str) -> list[list[str]]:
    return [[code, "", "L"] for code in codes]


@pytest.mark.parametrize(
    ("codes", "band"),
    [
        (["POS", "IGG", "LAMBDA"], Band("POS", "IgG", "lambda")),
        (["LAMBDA", "POS", "IGG"], Band("POS", "IgG", "lambda")),
        (["POS", "IGG"], Band("POS", "IgG")),
        (["IGG", "KAPPA"], Band("POS", "IgG", "kappa")),
        (["POS"], Band("POS")),
        (["NEG"], Band("NEG")),
        (["IND"], Band("IND")),
        (["POS", "IGM", "KAPPA"], Band("POS", "IgM", "kappa")),
        (["POS", "LAMBDA"], Band("POS", None, "lambda")),
        (["POS", "IGG", "KAPPA", "LAMBDA"], Band("POS", "IgG", None, ("several_bands",))),
        (["POS", "IGG", "IGA", "KAPPA"], Band("POS", None, "kappa", ("several_bands",))),
        (["NEG", "IGG"], Band("IND", quality=("conflicting_answers",))),
        (["POS", "NEG"], Band("IND", quality=("conflicting_answers",))),
        (["POS", "IGX"], Band("POS", quality=("immunofixation_text",))),
        (["IGX"], Band(None, quality=("immunofixation_text",))),
        ([], Band(None)),
        ([""], Band(None)),
    ],
)
def test_coded_answers(codes: list[str], band: Band) -> None:
    assert read_band(coded(*codes)) == band


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("IgG lambda", Band("POS", "IgG", "lambda")), ("IgG-λ", Band("POS", "IgG", "lambda")),
        ("IgG/kappa", Band("POS", "IgG", "kappa")), ("IgGκ", Band("POS", "IgG", "kappa")), ("IgG", Band("POS", "IgG")),
        ("IgA kappa band", Band("POS", "IgA", "kappa")), ("free lambda", Band("POS", None, "lambda")),
        ("monoclonal IgM kappa", Band("POS", "IgM", "kappa")),
        ("IgG-type", Band(None, quality=("immunofixation_text",))),
        ("Negative", Band("NEG")), ("no abnormal bands", Band("NEG")), ("Positive", Band("POS")),
        ("no IgG lambda band", Band(None, quality=("immunofixation_text",))),
        ("IgG lambda and IgA kappa", Band(None, quality=("immunofixation_text",))),
    ],
)  # fmt: skip
def test_text_answers(text: str, band: Band) -> None:
    assert read_band([[text]]) == band


def test_the_text_of_a_code_helps_where_the_code_does_not() -> None:
    assert read_band([["17", "IgG lambda", "L"]]) == Band("POS", "IgG", "lambda")


@settings(max_examples=50)
@given(
    st.lists(st.lists(st.text(max_size=8) | st.sampled_from(["POS", "NEG", "IGG", "KAPPA"]), max_size=5), max_size=4)
)
def test_nothing_raises_and_a_negative_names_no_chain(repetitions: list[list[str]]) -> None:
    band = read_band(repetitions)
    assert band.result == "POS" or (band.heavy is None and band.light is None)
    assert set(band.quality) <= set(QUALITY)
