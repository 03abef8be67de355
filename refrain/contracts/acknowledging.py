"""Why a person acknowledges an alert: the closed list that the console, the gRPC API and CDS Hooks cards share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One answer to an alert. An ``override`` says that the alert was not worth its interruption (FAT-5)."""

    code: str
    words: str
    override: bool


REASONS: tuple[Reason, ...] = (
    Reason("will_act", "I will act on it", override=False),
    Reason("already_acted", "Already acted on", override=False),
    Reason("passed_on", "Passed on to the person responsible", override=False),
    Reason("expected", "Expected in this patient's course", override=True),
    Reason("not_relevant", "Not clinically relevant", override=True),
    Reason("known_already", "Known already, nothing new", override=True),
    Reason("result_doubted", "The result is doubted; a repeat is ordered", override=True),
    Reason("data_problem_solved", "The data problem is solved", override=False),
    Reason("other", "Other (say what)", override=True),
)
"""In the order they are offered. ``other`` needs a comment."""

REASON_BY_CODE = {reason.code: reason for reason in REASONS}
