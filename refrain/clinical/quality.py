"""Quality codes that reading a result may give: a closed list, each with the sentence shown to a person."""

from __future__ import annotations

from collections.abc import Mapping

QUALITY: Mapping[str, str] = {
    # values
    "ambiguous_comma": "a comma between digits, and the sender's profile does not say what it means",
    "trailing_text": "text behind the number that is no known unit",
    "uncertain": "the number is marked as uncertain",
    "interval_value": "an interval was sent as the value",
    "several_answers": "several answers that differ",
    "implausible_value": "outside the plausible window of the analyte",
    # units
    "unit_unknown": "the unit is not known",
    "unit_missing": "no unit was sent, and none can be inferred",
    "unit_conflict": "the unit behind the number is not the unit sent beside it",
    "unit_not_listed": "the unit is known, but not one this analyte is reported in",
    "unit_inferred": "no unit was sent; the unit of the interval was taken",
    # ranges
    "range_unparsed": "the reference interval could not be read",
    "range_rejected": "a limit of the reference interval is absurd",
    # codes and immunofixation
    "loinc_deprecated": "a deprecated LOINC code was accepted",
    "immunofixation_text": "part of the immunofixation answer is not in the closed table",
    "several_bands": "several bands: a chain that is not the same in all is left open",
    "conflicting_answers": "negative and a band in one answer",
    # versions
    "VERSION_TIE": "two versions were issued at the same moment; the order of their status and id decided",
    "reinstated": "a result that was taken back was issued again",
    "status_value_differs": "verified or appended, yet the value differs: treated as a correction",
    "correction_without_original": "a correction or withdrawal without an earlier version",
    "fits_no_one_result": "a correction or withdrawal that does not say which of its order's results it means",
    "unsent_value_missing": "final without a value, and no earlier value to promote",
}
"""Code to sentence. Codes that begin with ``unit_`` feed DQ_UNIT, with ``range_`` DQ_RANGE (feeds.md 12)."""
