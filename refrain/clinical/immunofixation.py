"""Immunofixation answers: one band with its heavy and light chain, through closed tables (answers 23).

A chain that is not named stays None. Text outside the tables is kept by the observation and read as nothing:
better an unknown than a negative that nobody wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from refrain.clinical import value_words
from refrain.clinical.notation import DASHES, word

Heavy = Literal["IgG", "IgA", "IgM", "IgD", "IgE"]
Light = Literal["kappa", "lambda"]
Result = Literal["POS", "NEG", "IND"]

_HEAVY: Mapping[str, Heavy] = {"igg": "IgG", "iga": "IgA", "igm": "IgM", "igd": "IgD", "ige": "IgE"}
_LIGHT: Mapping[str, Light] = {
    "kappa": "kappa", "lambda": "lambda", "kap": "kappa", "lam": "lambda", "κ": "kappa", "λ": "lambda",
    "free kappa": "kappa", "free lambda": "lambda", "kappa light chain": "kappa", "lambda light chain": "lambda",
    "kappa light chains": "kappa", "lambda light chains": "lambda", "bence jones kappa": "kappa",
    "bence jones lambda": "lambda",
}  # fmt: skip
_DECORATION = ("monoclonal ", "m-protein ", " monoclonal", " type", " band", " positive", " pos", " detected")


@dataclass(frozen=True, slots=True)
class Band:
    """One immunofixation answer. ``result`` None: nothing in it was understood."""

    result: Result | None
    heavy: Heavy | None = None
    light: Light | None = None
    quality: tuple[str, ...] = ()


def read_band(repetitions: Sequence[Sequence[str]]) -> Band:
    """Read OBX-5 of an immunofixation: coded (``POS^^L~IGG^^L~LAMBDA^^L``) or text (``IgG lambda``).

    ``repetitions`` are the unescaped components of each. A named chain means a band. Two different heavy or
    light chains are several bands: that chain stays open. Negative together with a band is indeterminate.
    """
    results: set[Result] = set()
    heavies: set[Heavy] = set()
    lights: set[Light] = set()
    unread = False
    for repetition in repetitions:
        if not any(component.strip() for component in _said(repetition)):
            continue
        result, heavy, light = _answer(repetition)
        unread = unread or (result is None and heavy is None and light is None)
        results.update([result] if result else [])
        heavies.update([heavy] if heavy else [])
        lights.update([light] if light else [])
    quality = ["immunofixation_text"] if unread else []
    if len(heavies) > 1 or len(lights) > 1:
        quality.append("several_bands")
    if heavies or lights:
        results.add("POS")
    if len(results) > 1:
        return Band("IND", quality=(*quality, "conflicting_answers"))
    if not results:
        return Band(None, quality=tuple(quality))
    heavy_chain = next(iter(heavies)) if len(heavies) == 1 else None
    light_chain = next(iter(lights)) if len(lights) == 1 else None
    return Band(results.pop(), heavy_chain, light_chain, tuple(quality))


def _answer(repetition: Sequence[str]) -> tuple[Result | None, Heavy | None, Light | None]:
    """The first of code, text, alternate code and alternate text that a table knows."""
    for component in _said(repetition):
        if component.strip():
            result = value_words.nominal(value_words.ordinal(component))
            heavy, light = _chains(component)
            if result or heavy or light:
                return result, heavy, light
    return None, None, None


def _said(repetition: Sequence[str]) -> Sequence[str]:
    """Code, text, alternate code, alternate text; the names of coding systems say nothing."""
    return [component for place, component in enumerate(repetition) if place in (0, 1, 3, 4)]


def _chains(text: str) -> tuple[Heavy | None, Light | None]:
    known = word(text)
    for decoration in _DECORATION:
        known = known.removeprefix(decoration) if decoration.endswith(" ") else known.removesuffix(decoration)
    if known in _HEAVY:
        return _HEAVY[known], None
    if known in _LIGHT:
        return None, _LIGHT[known]
    for joint in (" ", "/", *DASHES, ""):
        head, rest = known[:3], known[3:]
        if head in _HEAVY and rest.startswith(joint) and (light := _LIGHT.get(rest.removeprefix(joint).strip())):
            return _HEAVY[head], light
    return None, None
