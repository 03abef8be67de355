"""The closed lists: every reason for refusing and every quality code, each with its sentence.

Translation refuses a code that is not here, so that metrics stay bounded and a sender's answer, a work list
and the documentation speak of the same things. No sentence ever holds a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from refrain.clinical.quality import QUALITY as READING

Kind = Literal["content", "header", "ignored", "not_for_us"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was not published. ``code`` is HL7 table 0357; ``advice`` is for who works on the list."""

    kind: Kind
    code: str
    text: str
    advice: str


CONDITION_TEXT = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "207": "Application internal error",
}
"""HL7 table 0357."""

_ASK_SENDER = "Show the sender the raw message and ask for a corrected one; redriving alone changes nothing."
_SMALLER = "Ask the sender for the same results in smaller messages, and look them up meanwhile."
_NOTHING = "Nothing needs to be done. If it is on the list from before, resolve it as not needed."

REASONS: dict[str, Reason] = {
    # the header: nothing in the message is looked at (AR)
    "not_hl7": Reason("header", "100", "The message does not begin with MSH.", _ASK_SENDER),
    "bad_delimiters": Reason("header", "102", "MSH-1 and MSH-2 do not name different delimiters.", _ASK_SENDER),
    "charset_unsupported": Reason(
        "header",
        "103",
        "The character set of MSH-18 is not known here.",
        "Ask the sender for UTF-8 and for the message again; the name stands in MSH-18 of the raw message.",
    ),
    "message_type_missing": Reason("header", "200", "MSH-9 has no message type.", _ASK_SENDER),
    "version": Reason("header", "203", "MSH-12 is not a version 2 of HL7.", _ASK_SENDER),
    "processing_id": Reason(
        "header",
        "202",
        "MSH-11 is not accepted from this sender.",
        "If messages with this MSH-11 are live or test messages, say so under processing_ids of the sender's profile, "
        "restart intake and redrive.",
    ),
    "unknown_sender": Reason(
        "header",
        "204",
        "No profile belongs to this sender.",
        "Write a profile whose match fits MSH-3 and MSH-4 of the raw message, restart intake and redrive. If the "
        "sender has no business here, resolve it as not needed.",
    ),
    "frame_incomplete": Reason(
        "header",
        "100",
        "The file breaks off inside the message.",
        "Half a message is never read, since its end may be half a number. Ask for the whole file again.",
    ),
    "too_large": Reason("header", "207", "The message is larger than the limit.", _SMALLER),
    "too_many_segments": Reason("header", "207", "The message has more segments than the limit.", _SMALLER),
    "batch_not_yet_supported": Reason(
        "header",
        "200",
        "Batches are not taken yet; send their messages.",
        "Only an envelope stands here where the batch came in a file: its messages went their own way. Over MLLP, ask "
        "the sender for single messages.",
    ),
    "fhir_not_yet_supported": Reason("header", "200", "FHIR is not taken yet; send HL7 version 2.", _ASK_SENDER),
    "internal_error": Reason(
        "header",
        "207",
        "The message could not be translated; it is kept.",
        "This is a defect of Refrain: report it with the hash of the message, and redrive after the next release.",
    ),
    # the content: HL7, but not usable (AE), as a whole or one result of it
    "not_yet_supported": Reason(
        "content",
        "200",
        "This message type is kept, and not worked on yet.",
        "Identity changes such as merges are not followed yet: look up by hand whether the patient's results stand "
        "under two numbers. Redrive after the release that takes them.",
    ),
    "no_patient": Reason("content", "100", "There is no PID segment before the results.", _ASK_SENDER),
    "several_patients": Reason("content", "100", "One message has results of several patients.", _ASK_SENDER),
    "no_patient_id": Reason(
        "content",
        "101",
        "No identifier of a type that the profile names.",
        "Compare PID-3 of the raw message with patient.types and patient.authority of the profile. If the profile is "
        "at fault, change it, restart intake and redrive; if the number is missing, ask the sender.",
    ),
    "identifier_damaged": Reason(
        "content",
        "102",
        "A character of an identifier or unit was guessed.",
        "Set the sender's charset in its profile, restart intake and redrive; better, ask the sender to fill MSH-18.",
    ),
    "no_results": Reason(
        "content", "101", "The message has neither results nor an order that was cancelled.", _ASK_SENDER
    ),
    "obx_before_obr": Reason("content", "100", "The result stands before the first order.", _ASK_SENDER),
    "code_missing": Reason("content", "101", "The result has no code.", _ASK_SENDER),
    "collection_time_missing": Reason(
        "content",
        "101",
        "No usable time of collection.",
        "If the time stands in another field, name it under collected_at of the profile, restart intake and redrive. "
        "Else ask the sender: without its time a result has no place in the course.",
    ),
    "future_time": Reason(
        "content",
        "102",
        "The time of collection lies more than a day ahead.",
        "If all times of this sender are off, correct the zone of its profile, restart intake and redrive. Else ask "
        "the sender to correct the time.",
    ),
    "conflicting_duplicate": Reason(
        "content",
        "205",
        "Different numbers under one identity.",
        "Ask the laboratory which of the two numbers holds, and for a message with that one.",
    ),
    "attribute_without_result": Reason(
        "content",
        "100",
        "A statement about a scan or marrow has no result to stand by.",
        "If the result came under a code that is not mapped, map it and redrive. Else look the statement up by hand.",
    ),
    "attribute_unreadable": Reason(
        "content",
        "102",
        "A statement about a scan or marrow could not be read.",
        "Read it in the raw message and tell the people treating the patient; ask the sender for Y or N, or a number.",
    ),
    "specimen_before_results": Reason(
        "content",
        "100",
        "The observation follows SPM in an order without results.",
        "If it is a result, ask the sender to put SPM after it.",
    ),
    "result_too_large": Reason("content", "207", "The result alone is larger than one record may be.", _SMALLER),
    "too_many_results": Reason("content", "207", "The message has more results than the limit.", _SMALLER),
    # not kept, by design (AA)
    "order_context": Reason("ignored", "0", "An order or its progress; it is context only.", _NOTHING),
    "demographics_not_kept": Reason("ignored", "0", "Demographics; nothing of them is kept yet.", _NOTHING),
    "ignored_by_profile": Reason("ignored", "0", "The profile says to ignore this message type.", _NOTHING),
    # AR 200
    "not_for_us": Reason("not_for_us", "200", "This message type is not for Refrain.", _NOTHING),
}

QUALITY: dict[str, str] = {
    **READING,
    # of the message
    "charset_mismatch": "The message is not in the character set that it names.",
    "charset_guess": "The character set is a guess.",
    "continued_line": "A line that is no segment was joined to the field before it.",
    "control_id_missing": "MSH-10 is empty.",
    "specimen_observation": "Observations about the specimen are not results.",
    # of one result, beside what reading a value, unit, range or band may say
    "bad_escape": "An escape sequence was not understood and is left as it came.",
    "repeated_in_message": "The same result stood in the message more than once.",
    "companion_words": "Words stand beside the number.",
    # of time
    "ambiguous_local_time": "This local hour happened twice; both readings are covered.",
    "nonexistent_local_time": "This local hour never happened; both readings are covered.",
    "observation_time_is_report_time": "OBX-14 is the time of the report; OBR-7 is used.",
    "collection_time_missing": "Taken back without a time of collection; its order and code say which result.",
    "time_unusable": "A time field is filled and is no time.",
    # of identity, code, status, specimen
    "code_unmapped": "The code is not in the catalogue or the code map.",
    "loinc_check_digit": "A code called LOINC has a wrong check digit.",
    "code_specimen_conflict": "Code and specimen do not belong together; the code is held unmapped.",
    "several_specimens": "The order names several specimens.",
    "status_from_order": "OBX-11 is empty; the status is that of the order.",
    "status_missing": "Neither OBX-11 nor OBR-25 gives a status.",
    "status_unknown": "The status is not in HL7 table 0085.",
    "attribute_not_final": "A statement about the scan or marrow is not final and is left out.",
    "order_comments_left_out": "The order's comments are too long to stand by each result.",
    "comment_questions_result": "A comment questions the result; it is held until a person looks.",
}


class Rejected(ValueError):
    """A message, or one result of it, cannot be used: a reason of the closed list and a place, never a value."""

    def __init__(self, reason: str, place: str = "") -> None:
        if reason not in REASONS:
            raise LookupError(f"reason {reason!r} is not in the closed list")
        super().__init__(f"{reason} at {place or 'the message'}")
        self.reason = reason
        self.place = place


def checked(codes: Iterable[str]) -> tuple[str, ...]:
    """Quality codes in order and once each; LookupError for one that is not in the closed list."""
    once = tuple(dict.fromkeys(codes))
    for code in once:
        if code not in QUALITY:
            raise LookupError(f"quality code {code!r} is not in the closed list")
    return once
