"""What the alerts of relapse say: what is seen, how urgent it is, what to do. No identifier and no value.

A watch never uses the words relapse, recurrence or progression (clinical.md 12.3): it is one sample.
"""

from __future__ import annotations

from collections.abc import Iterable

from refrain.contracts.site import SiteSettings
from services.relapse.domain.priority import Urgency, in_words

VEGF_HAS_RISEN = "VEGF has risen: more than 1.5 times its lowest value of this line, and above its interval."
M_PROTEIN_HAS_RISEN = "The M-protein has risen: by at least a quarter and 5 g/L over its lowest value of this line."
BAND_MAY_BE_BACK = (
    "The original band may be back: immunofixation is positive with the clone's chains after confirmed negatives."
)
LOOK_FOR_VEGF = "look for infection, iron deficiency, COPD and sleep apnea, which raise VEGF too."
LOOK_FOR_BAND = "look for infection, and repeat immunofixation and electrophoresis together."
IN_INFECTION = "The sample lies in the window of a recorded infection: only a sample outside it can confirm."
STALLED = (
    "The laboratory, specimen or method has changed since: repeat in the old one, or ask for a bridging sample;"
    " results of the new series neither confirm nor refute this."
)
MULTI_AXIS = "Another axis of this line is active at the same time."

VEGF_CONFIRMED = "VEGF progression, confirmed by a second sample."
HEMATOLOGIC_CONFIRMED = "Hematologic relapse, confirmed by a second sample."
RADIOGRAPHIC = "Radiographic relapse: the scan meets the rule of progression."
CLINICAL = "Clinical relapse: a clinician recorded worsening or a new feature of POEMS."
REVIEW_LINE = "Review the patient and the treatment line, and record the decision."

WATCH_RESOLVED = "The repeat sample does not agree with the rise: the watch is over. Go on as planned."

RESPONSE_LOSS = (
    "Two assessments in a row are below the response that was confirmed, without a rise that meets the rule."
)
RESPONSE_LOSS_DO = "Repeat the sample and review treatment and intervals of monitoring."

IGG_LOW = "Total IgG is below the safety limit: risk of infection. It says nothing about the clone."
IGG_LOW_DO = "Ask for infections, consider immunoglobulin replacement, and repeat."
B12_LOW = "Vitamin B12 is below its interval: a treatable cause of neuropathy beside POEMS."
B12_LOW_DO = "Treat or explain it, and repeat."

NEW_CLONE = (
    "Immunofixation shows a band that is neither the patient's clone nor a drug band, or whose chain is unstated."
)
NEW_CLONE_DO = "Ask the laboratory for typing; oligoclonal bands after transplant are common. This is not progression."
DRUG_BAND = "An IgG-kappa band on daratumumab (or its kin) may be the drug."
DRUG_BAND_DO = "Ask for DIRA, or repeat after the washout."
UNTYPED_BAND = "An IgG band without its light chain on daratumumab (or its kin) may be the drug or the clone."
UNTYPED_BAND_DO = "Ask for the light chain first, then for DIRA if it is kappa."


def alert(what: str, urgency: Urgency, do: str, context: Iterable[str] = ()) -> str:
    """What, then its context, then how urgent, then what to do."""
    return " ".join([what, *context, in_words(urgency), do])


def repeat(site: SiteSettings, look_for: str) -> str:
    """The request of a watch: when to repeat, and what else to think of."""
    first, last = site.ladder_repeat_days
    return f"Repeat in {first} to {last} days in the same laboratory, specimen and method; {look_for}"


def upgrade(axis: str, level: str, *, confirmed: bool) -> str:
    how = "is confirmed by the next assessment" if confirmed else "needs no second assessment"
    return f"{axis} response: {level} is new and {how}. For the weekly digest. Nothing to do."


def candidate_withdrawn() -> str:
    return (
        "The candidate for complete hematologic response is withdrawn: the band of the clone is seen again after a"
        " single negative. For the weekly digest. Repeat immunofixation as planned."
    )


def corrected(axis: str, before: str, after: str) -> str:
    return (
        f"{axis}: the call was {before} and is {after}, because the laboratory corrected or withdrew a result."
        " For the weekly digest. Read the course again."
    )


def summary(analytes: Iterable[str]) -> str:
    return (
        f"Abnormal at the baseline of this line: {', '.join(analytes)}. For the weekly digest."
        " Later abnormal results go to the digest without an alert of their own."
    )


def recheck(open_subjects: Iterable[str], repeated: Iterable[str]) -> str:
    still, done = ", ".join(open_subjects), ", ".join(repeated)
    parts = [f"Due and not repeated: {still}."] if still else []
    parts += [f"Repeated since: {done}."] if done else []
    return " ".join([*parts, "For the weekly digest. Order what is missing."])


def watch_gap(axis: str, days: int) -> str:
    return f"{axis}: on watch, and no sample for {days} days. For the weekly digest. Repeat now."
