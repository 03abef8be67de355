"""The response rule sets, one page each. Adding one is its page and a line here."""

from __future__ import annotations

from services.response.domain.rulesets.model import RuleSet
from services.response.domain.rulesets.poems import POEMS
from services.response.domain.rulesets.poems_pumch import POEMS_PUMCH

RULESETS: dict[str, RuleSet] = {
    "poems": POEMS,
    "poems-pumch": POEMS_PUMCH,
}
