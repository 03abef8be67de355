"""The table of unit texts: what laboratories write, by the UCUM unit it means. Hand-written, case-sensitive.

Keys are as :func:`refrain.clinical.notation.plain` leaves them, with ``u`` for the micro sign. What is not here
is unknown. Left out on purpose: a bare ``L``, which behind a number is as often the flag "low", and ``G/L``, giga
per litre to some and grams per litre to others.
"""

from __future__ import annotations

from collections.abc import Mapping

from refrain.clinical.notation import plain

_WRITTEN: Mapping[str, tuple[str, ...]] = {
    # mass per volume
    "g/L": ("g/l", "gm/L", "gm/l"),
    "g/dL": ("g/dl", "gm/dL", "gm/dl", "G/DL", "GM/DL"),
    "mg/L": ("mg/l", "MG/L"),
    "mg/dL": ("mg/dl", "MG/DL"),
    "mg/mL": ("mg/ml",),
    "ug/L": ("ug/l", "mcg/L", "mcg/l"),
    "ug/dL": ("ug/dl", "mcg/dL", "mcg/dl", "UG/DL", "MCG/DL"),
    "ug/mL": ("ug/ml", "mcg/mL", "mcg/ml"),
    "ng/L": ("ng/l",),
    "ng/dL": ("ng/dl", "NG/DL"),
    "ng/mL": ("ng/ml", "NG/ML"),
    "pg/mL": ("pg/ml", "PG/ML"),
    # amount of substance
    "mol/L": ("mol/l",),
    "mmol/L": ("mmol/l", "MMOL/L"),
    "umol/L": ("umol/l", "mcmol/L", "UMOL/L"),
    "nmol/L": ("nmol/l", "NMOL/L"),
    "pmol/L": ("pmol/l", "PMOL/L"),
    "mmol/mol": ("mmol/mol Hb",),
    "meq/L": ("mEq/L", "mEq/l", "meq/l", "MEQ/L"),
    "mosm/kg": ("mOsm/kg", "mosmol/kg", "mOsmol/kg"),
    # activity
    "U/L": ("u/L", "U/l"),
    "kU/L": ("kU/l",),
    "[IU]/L": ("IU/L", "IU/l"),
    "[IU]/mL": ("IU/mL", "IU/ml"),
    "k[IU]/L": ("kIU/L", "kIU/l"),
    "m[IU]/L": ("mIU/L", "mIU/l"),
    "m[IU]/mL": ("mIU/mL", "mIU/ml"),
    "u[IU]/mL": ("uIU/mL", "uIU/ml", "mcIU/mL"),
    # cells
    "10*12/L": ("10^12/L", "x10^12/L", "x10*12/L", "10E12/L", "x10E12/L", "10e12/L", "10^12/l"),
    "10*9/L": ("10^9/L", "x10^9/L", "x10*9/L", "10E9/L", "x10E9/L", "10e9/L", "10^9/l", "x10^9/l"),
    "10*6/L": ("10^6/L", "x10^6/L", "x10*6/L", "10E6/L", "x10E6/L", "10e6/L", "10^6/l", "x10^6/l"),
    "10*6/uL": ("10^6/uL", "x10^6/uL", "x10*6/uL", "10E6/uL", "x10E6/uL", "M/uL", "10^6/mm3", "x10^6/mm3"),
    "10*3/uL": (
        "10^3/uL", "x10^3/uL", "x10*3/uL", "10E3/uL", "x10E3/uL", "10^3/ul", "x10^3/ul", "K/uL", "K/ul", "k/uL",
        "K/mm3", "K/mm^3", "10^3/mm3", "x10^3/mm3",
    ),
    "/uL": ("/ul", "cells/uL", "cells/ul", "/mm3", "/mm^3", "cells/mm3", "/cumm", "{cells}/uL"),
    "10*6/kg": ("10^6/kg", "x10^6/kg"),
    "10*8/kg": ("10^8/kg", "x10^8/kg"),
    # over a collection
    "mg/(24.h)": ("mg/24h", "mg/24hr", "mg/24hrs", "mg/24hours", "mg/24.h", "mg/d", "mg/day"),
    "g/(24.h)": ("g/24h", "g/24hr", "g/24hrs", "g/24hours", "gm/24h", "g/24.h", "g/d", "g/day"),
    "mL/(24.h)": ("mL/24h", "ml/24h"),
    "mL/min/{1.73_m2}": (
        "mL/min/1.73m2", "mL/min/1.73m^2", "ml/min/1.73m2", "ml/min/1.73m^2", "mL/min/1.73", "mL/min/{1.73m2}",
        "mL/min/1.73_m2",
    ),
    "mL/min": ("ml/min",),
    # of no dimension
    "%": ("percent",),
    "{ratio}": ("ratio", "Ratio", "RATIO", "{Ratio}"),
    "{SUV}": ("SUV", "SUVmax"),
    "{INR}": ("INR",),
    # others that reports carry beside the catalogue
    "fL": ("fl", "FL"),
    "pg": ("PG",),
    "s": ("sec", "secs", "seconds", "SEC"),
    "min": (),
    "h": ("hr", "hrs", "hours"),
    "mm/h": ("mm/hr", "MM/HR"),
    "mm[Hg]": ("mmHg", "mm Hg", "MMHG"),
    "kPa": (),
    "kg": ("Kg", "KG"),
    "cm": ("CM",),
    "mL": ("ml", "ML"),
    "g": ("gm",),
    "mg": (),
    "ug": ("mcg",),
}  # fmt: skip

ALIASES: Mapping[str, str] = {
    text: unit for unit, texts in _WRITTEN.items() for text in (unit, *texts, *("".join(t.split()) for t in texts))
}
"""Received text to UCUM; every UCUM unit of the table also means itself."""


def ucum(text: str, aliases: Mapping[str, str] | None = None) -> str | None:
    """The UCUM unit that a received text means, case-sensitive; None when unknown or empty.

    ``aliases`` are the sender's own and are asked first: received text to UCUM.
    """
    tidy = plain(text)
    if aliases:
        for key in (text, text.strip(), tidy):
            if key in aliases:
                return aliases[key]
    micro = tidy.replace("µ", "u").replace("μ", "u")
    return ALIASES.get(micro) or ALIASES.get("".join(micro.split()))
