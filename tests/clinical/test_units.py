"""Units: the table, the traps, and ucumvert as a second opinion on what is a matter of prefixes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ucumvert import PintUcumRegistry

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.interval import Interval
from refrain.clinical.unit_names import ALIASES
from refrain.clinical.units import Conversion, interval_to_canonical, to_canonical, ucum


@pytest.mark.parametrize(
    ("received", "unit"),
    [
        ("K/uL", "10*3/uL"), ("K/µL", "10*3/uL"), ("K/μL", "10*3/uL"), ("x10^9/L", "10*9/L"), ("×10⁹/L", "10*9/L"),
        ("10^9/L", "10*9/L"), ("×10^6/L", "10*6/L"), ("x10E3/uL", "10*3/uL"), ("pg/ml", "pg/mL"), (" pg/mL ", "pg/mL"),
        ("mcg/dL", "ug/dL"), ("gm/dl", "g/dL"), ("IU/L", "[IU]/L"), ("mIU/L", "m[IU]/L"), ("µIU/mL", "u[IU]/mL"),
        ("g/24 h", "g/(24.h)"), ("mg/24h", "mg/(24.h)"), ("/uL", "/uL"), ("/µL", "/uL"), ("cells/uL", "/uL"),
        ("ratio", "{ratio}"), ("%", "%"), ("SUV", "{SUV}"), ("sec", "s"), ("µmol/L", "umol/L"), ("mg / L", "mg/L"),
        ("mL/min/1.73m²", "mL/min/{1.73_m2}"), ("mL/min/1.73 m2", "mL/min/{1.73_m2}"), ("mg\u00a0/L", "mg/L"),
    ],
)  # fmt: skip
def test_what_laboratories_write(received: str, unit: str) -> None:
    assert ucum(received) == unit


@pytest.mark.parametrize(
    "received", ["", " ", "zU/mL", "UNKNOWN", "/10", "MLMIN", '""', "L", "G/L", "mgs", "MDC_DIM_MMHG", "^6/L"]
)
def test_what_is_unknown(received: str) -> None:
    assert ucum(received) is None


def test_the_table_is_case_sensitive_and_every_unit_of_it_means_itself() -> None:
    assert ucum("Pg/Ml") is None
    for unit in set(ALIASES.values()):
        assert ucum(unit) == unit


def test_the_senders_own_table_is_asked_first() -> None:
    assert ucum("THOU/uL") is None
    assert ucum("THOU/uL", {"THOU/uL": "10*3/uL"}) == "10*3/uL"
    assert ucum("g/L", {"g/L": "mg/L"}) == "mg/L"


def test_a_unit_that_the_entry_does_not_list_is_not_converted() -> None:
    assert to_canonical(Decimal(42), "mmol/L", CATALOGUE["VEGF"]) is None
    assert to_canonical(Decimal(42), None, CATALOGUE["VEGF"]) is None
    assert to_canonical(Decimal(1), "nominal", CATALOGUE["IFE_S"]) is None
    assert interval_to_canonical(Interval(Decimal(1), None, True, None), "mmol/L", CATALOGUE["VEGF"]) is None


def test_limits_keep_their_own_strictness() -> None:
    received = Interval(Decimal("0.33"), Decimal("1.94"), True, False)
    assert interval_to_canonical(received, "mg/dL", CATALOGUE["SFLC_K"]) == Interval(
        Decimal("3.3"), Decimal("19.4"), True, False
    )


def test_digits_are_neither_added_nor_lost() -> None:
    def shown(number: str, unit: str, code: str) -> str:
        quantity = to_canonical(Decimal(number), unit, CATALOGUE[code])
        assert quantity is not None
        return str(quantity.number)

    assert shown("42.350", "pg/mL", "VEGF") == "42.350"
    assert shown("3.29", "mg/dL", "SFLC_K") == "32.9"
    assert shown("15", "g/dL", "HGB") == "150"
    assert shown("0.5", "g/(24.h)", "MPROT_U24") == "500"
    assert shown("1.2E+3", "pg/mL", "VEGF") == "1.2E+3"
    assert shown("1." + "7" * 38, "mg/dL", "CREAT") == "157.155555555555555555555555555555555554868"


def test_the_quotient_of_a_molar_factor_has_28_digits() -> None:
    assert Conversion(Decimal(1), Decimal("21.2")).apply(Decimal(1)) == Decimal("0.04716981132075471698113207547")


REGISTRY = PintUcumRegistry()
MOLAR_OR_ARBITRARY = {
    ("PRL", "m[IU]/L"), ("B12", "pmol/L"), ("CREAT", "mg/dL"), ("TESTO", "nmol/L"), ("CORT", "nmol/L"),
    ("HBA1C", "mmol/mol"), ("GLU", "mmol/L"), ("CA", "mmol/L"),
}  # fmt: skip
"""What ucumvert cannot judge: molar masses, international units of a substance, and the HbA1c line."""
JUDGED = [
    (entry.code, unit, how, entry.unit)
    for entry in CATALOGUE.values()
    for unit, how in (*entry.also_reported_in.items(), *entry.repair_only_units.items())
    if (entry.code, unit) not in MOLAR_OR_ARBITRARY
]


@pytest.mark.parametrize(("code", "unit", "how", "canonical"), JUDGED, ids=lambda value: str(value))
def test_ucumvert_agrees_on_prefixes(code: str, unit: str, how: Conversion, canonical: str) -> None:
    assert how.verification == "VT", code
    factor = (REGISTRY.from_ucum(unit) / REGISTRY.from_ucum(canonical)).to("").magnitude
    assert float(factor) == pytest.approx(float(how.numerator / how.denominator), rel=1e-12)
    assert how.plus == 0


def test_ucumvert_refuses_what_is_left_out_and_reads_our_trap_as_kelvin() -> None:
    assert REGISTRY.from_ucum("K/uL").dimensionality != REGISTRY.from_ucum("10*3/uL").dimensionality
    for code, unit in MOLAR_OR_ARBITRARY - {("HBA1C", "mmol/mol")}:
        one, other = REGISTRY.from_ucum(unit), REGISTRY.from_ucum(CATALOGUE[code].unit)
        assert one.dimensionality != other.dimensionality
