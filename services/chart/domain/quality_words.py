"""Quality codes of a result in words: what receiving, reading and judging it came upon."""

from __future__ import annotations

from collections.abc import Mapping

from refrain.clinical.quality import QUALITY as READING
from services.chart.domain.course_words import with_code

RECEIVING: Mapping[str, str] = {
    "charset_mismatch": "the message is not in the character set that it names",
    "charset_guess": "the character set is a guess",
    "continued_line": "a line that is no segment was joined to the field before it",
    "control_id_missing": "the message has no control id",
    "specimen_observation": "observations about the specimen are no results",
    "bad_escape": "an escape sequence was not understood and is left as it came",
    "repeated_in_message": "the same result stood in the message more than once",
    "companion_words": "words stand beside the number",
    "ambiguous_local_time": "this local hour happened twice; both readings are covered",
    "nonexistent_local_time": "this local hour never happened; both readings are covered",
    "observation_time_is_report_time": "the result's own time is that of the report; the order's is used",
    "collection_time_missing": "taken back without a time of collection",
    "time_unusable": "a time field is filled and is no time",
    "code_unmapped": "the code leads to no analyte",
    "loinc_check_digit": "a code called LOINC has a wrong check digit",
    "code_specimen_conflict": "code and specimen do not belong together",
    "several_specimens": "the order names several specimens",
    "status_from_order": "no status came with the result; that of its order is used",
    "status_missing": "neither result nor order has a status",
    "status_unknown": "the status is not one of HL7",
    "attribute_not_final": "a statement about the scan or marrow is not final and is left out",
    "order_comments_left_out": "the order's comments are too long to stand by each result",
    "comment_questions_result": "the laboratory's comment questions the result",
    "identifier_damaged": "an identifier of the patient or order is damaged",
}
"""Codes of intake (feeds.md), beside those of reading a value."""
JUDGING: Mapping[str, str] = {
    "deprecated_flag": "the laboratory sent a flag that is no longer used",
    "unknown_flag": "the laboratory sent a flag that is not one of HL7",
}
WORDS: Mapping[str, str] = {**RECEIVING, **READING, **JUDGING}


def quality(code: str) -> str:
    """A quality code in words, with the code."""
    return with_code(WORDS, code)
