"""What the codes of a course say to a person: closed tables, always shown beside the code, never in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from refrain.clinical.analytes import CATALOGUE
from refrain.contracts.events import Axis

AXES: Mapping[str, str] = {
    "VEGF": "VEGF", "HEMATOLOGIC": "Hematologic", "PET": "PET", "CLINICAL": "Clinical",
}  # fmt: skip
"""In the order they are shown: VEGF first, because it follows the patient best (clinical.md VEGF-7)."""

CALLS: Mapping[str, str] = {
    "CRH": "complete hematologic response",
    "VGPRH": "very good partial hematologic response",
    "PRH": "partial hematologic response",
    "NRH": "no hematologic response",
    "PDH": "hematologic progression",
    "NEH": "nothing proven on the hematologic axis",
    "CRV": "complete VEGF response",
    "PRV": "partial VEGF response",
    "NRV": "no VEGF response",
    "PDV": "VEGF progression",
    "CR-PET": "complete PET response",
    "PR-PET": "partial PET response",
    "NR-PET": "no PET response",
    "PD-PET": "progression on PET",
    "improved": "some features better, none worse",
    "stable": "no feature better or worse",
    "worsened": "some features worse, none better",
    "mixed": "some features better, others worse",
}

SUBJECTS: Mapping[str, str] = {
    "HEMATOLOGIC": "hematologic axis", "PET": "PET axis", "CLINICAL": "clinical axis", "RECHECK": "what is due",
}  # fmt: skip
"""What an alert is about where it is no analyte."""

ASSESSABILITY: Mapping[str, str] = {
    "ASSESSED": "graded",
    "NOT_ASSESSABLE": "cannot be graded with this baseline",
    "INCOMPLETE": "something is missing that could decide it",
    "INDETERMINATE": "there are data, and they do not settle it",
    "NE": "nothing collected on this axis",
}

CONFIRMATION: Mapping[str, str] = {
    "confirmed": "confirmed",
    "unconfirmed": "not confirmed",
    "not_required": "needs no confirmation",
}

LEVELS: Mapping[str, str] = {
    "MET": "met",
    "NOT_MET": "not met",
    "NOT_ASSESSABLE": "cannot be graded",
    "INCOMPLETE": "something is missing",
    "INDETERMINATE": "not settled by the data",
}

NOT_CALLED: dict[str, str] = {
    "NO_BASELINE_IN_SERIES": "no baseline in this series",
    "BASELINE_NORMAL": "the baseline was normal",
    "BASELINE_NOT_QUANTIFIED": "the baseline was not measured as a number",
    "BASELINE_BELOW_MINIMUM": "the baseline is too small to be graded",
    "NO_AVID_LESION_AT_BASELINE": "no avid lesion at baseline",
    "NO_CLONE": "no clone is stated",
    "TOTAL_IG_NOT_M_PROTEIN": "there is only total immunoglobulin, which is not the M-protein",
    "SERIES_CHANGED": "laboratory, specimen or method changed",
    "SERUM_IFE_MISSING": "serum immunofixation missing",
    "URINE_IFE_MISSING": "urine immunofixation missing",
    "MARROW_MISSING": "marrow missing",
    "M_PROTEIN_MISSING": "M-protein missing",
    "FLC_RATIO_MISSING": "free light chain ratio missing",
    "LIVER_SUV_MISSING": "liver uptake of the scan missing",
    "LESION_MISSING": "a baseline lesion has no value in the scan",
    "NEW_LESION_UNSTATED": "the scan does not say whether there is a new lesion",
    "CLONALITY_UNSTATED": "the marrow does not say whether it is clonal",
    "NO_ULN": "no upper limit came with the result",
    "LIGHT_CHAIN_UNSTATED": "the light chain of the band is not stated",
    "INTERFERENCE_DARATUMUMAB": "the band may be daratumumab",
    "INTERFERENCE_BEVACIZUMAB": "bevacizumab disturbs VEGF",
    "REVIEW_PENDING": "a repaired value waits for a person's review",
    "CENSORED": "the value is only known as below or above a limit",
    "RANGE_NEEDS_SEX": "the interval depends on sex, which is not known",
    "RANGE_NEEDS_AGE": "the interval depends on age, which is not known",
    "CONFLICTING_EVIDENCE": "the evidence contradicts itself",
    "EQUIVOCAL": "the result is equivocal",
    "NO_DATA": "nothing collected",
    "RULE_SET_UNKNOWN": "the rule set of this line is not known",
    "NO_RANGE": "no reference interval that can be used",
    "FACT_UNREADABLE": "a fact of this patient could not be read",
}
"""Why something is not called, or not flagged (clinical.md 10; RULE_SET_UNKNOWN and others as response adds them)."""

HELD: dict[str, str] = {
    "REVIEW_PENDING": "a repaired value waits for a person's review",
    "REVIEW_REJECTED": "a person rejected the repair",
    "DQ_DELTA": "more than tenfold from the result before, and unit or limits changed",
    "NOT_FINAL": "not final yet",
    "WITHDRAWN": "withdrawn by the laboratory",
    "SUPERSEDED": "replaced by a later version",
    "NO_VALUE": "no value that can be read",
    "NO_RESULT": "no result was reported",
    "UNIT_UNKNOWN": "the unit is not known",
    "IMPLAUSIBLE": "outside what is plausible",
    "CODE_UNMAPPED": "the code leads to no analyte",
    "SPECIMEN_UNKNOWN": "the specimen is not known",
    "SPECIMEN_MISMATCH": "code and specimen contradict each other",
    "COLLECTED_AT_IMPRECISE": "the collection time is not known well enough",
    "COMMENT_QUESTIONS_RESULT": "the laboratory's comment doubts the result",
    "NOT_WORST_OF_DAY": "another result of the same day counts",
    "NOT_USABLE": "may not be used",
    "INTERFERENCE_BEVACIZUMAB": "bevacizumab disturbs VEGF",
    "INTERFERENCE_DARATUMUMAB": "the band may be daratumumab",
}
"""Why a result feeds no baseline, nadir, response or ladder (clinical.md 3.3)."""

REASONS: Mapping[str, str] = HELD | NOT_CALLED
"""Every code that says why something is not called, not flagged or not used."""

CAVEATS: Mapping[str, str] = {
    "matrix_assumed": "specimen or method was not stated and is assumed to be that of the series",
    "BASELINE_BELOW_2X_ULN": "the baseline was below twice the upper limit",
    "LATE_CONFIRMATION": "the two samples lie far apart",
    "DQ_DELTA": "more than tenfold from the result before",
    "CENSORED_SPIKE": "one of the spikes is only known as below a limit",
    "quantitative_ig_as_m": "total immunoglobulin stands for the M-protein",
    "same_day_as_dose": "the baseline is of the day of the first dose, without times",
    "provisional": "preliminary result",
    "repaired": "the value is a repaired reading",
    "DEX_DAY": "taken on a day of dexamethasone",
    "TEXTBOOK_INTERVAL": "judged by a textbook interval",
    "multi_axis": "another axis is active at the same time",
    "in_infection_window": "in the window of a recorded infection",
    "stalled": "the series changed while it was on watch",
    "confirmation_deferred:INFECTION": "the confirmation waits until the infection is over",
}

LADDERS: Mapping[str, str] = {
    "VEGF": "VEGF", "HEMATOLOGIC": "hematologic", "PET": "radiographic", "CLINICAL": "clinical",
}  # fmt: skip
"""Axis to the name of its ladder."""

LADDER_STATES: Mapping[str, str] = {
    "NONE": "nothing on watch",
    "WATCH": "on watch: one sample rose, a repeat decides",
    "CONFIRMED": "confirmed",
    "STALLED": "on watch, but the laboratory, specimen or method changed",
    "ARCHIVED": "closed with its line",
}

COMPONENTS: Mapping[str, str] = {
    "IFE_S": "serum immunofixation", "IFE_U": "urine immunofixation", "MARROW": "marrow",
}  # fmt: skip

COMPONENT_STATES: Mapping[str, str] = {
    "NEG": "negative",
    "POS": "positive",
    "POS_DRUG_SUSPECTED": "positive, perhaps the drug",
    "POS_INDISTINGUISHABLE": "positive, drug and clone cannot be told apart",
    "POS_UNTYPED": "positive, a chain is not stated",
    "POS_OTHER": "positive with other chains than the clone",
    "IND": "equivocal",
    "MISSING": "missing",
}

INTERPRETATIONS: Mapping[str, str] = {
    "N": "normal", "L": "low", "H": "high", "LU": "significantly low", "HU": "significantly high",
    "LL": "critically low", "HH": "critically high", "A": "abnormal", "AA": "critically abnormal",
    "<": "below the measuring range", ">": "above the measuring range",
    "U": "significantly up", "D": "significantly down", "B": "better", "W": "worse",
    "POS": "positive", "NEG": "negative", "IND": "equivocal",
    "EXP": "expected in this context", "UNE": "not expected in this context",
}  # fmt: skip
"""HL7 table 0078 (clinical.md 5.1)."""

NO_NORMALITY = "no call on normal or abnormal"
"""Beside a result without a normality code: never a blank that reads as normal (clinical.md G-3)."""

SPECIMENS: Mapping[str, str] = {
    "SERUM": "serum", "PLASMA_EDTA": "EDTA plasma", "URINE": "urine", "URINE_24H": "24-hour urine",
    "CSF": "cerebrospinal fluid", "BLOOD": "blood", "MARROW": "marrow", "IMAGE": "imaging",
    "UNKNOWN": "specimen not stated",
}  # fmt: skip

STATUSES: Mapping[str, str] = {
    "O": "order detail only", "N": "not asked for", "I": "pending", "P": "preliminary", "R": "not verified",
    "S": "partial", "U": "final without resending", "F": "final", "V": "final, verified", "B": "final, text added",
    "A": "amended", "C": "corrected", "D": "deleted by the laboratory",
    "W": "posted wrongly and taken back by the laboratory", "X": "cannot be obtained", "": "no status sent",
}  # fmt: skip
"""HL7 table 0085 (clinical.md 5.2)."""

RANGE_SOURCES: Mapping[str, str] = {
    "reported": "printed with the result",
    "reported_repaired": "printed with the result, repaired",
    "site": "from the site's own catalogue",
    "none": "no interval that can be used",
}

VERIFICATIONS: Mapping[str, str] = {
    "verified-in-text": "the published text was read",
    "secondary": "known from a secondary text only",
    "unverified-needs-clinician": "not verified: a clinician must sign it before it drives care",
    "": "no verification mark",
}
"""clinical.md 1.1."""

REVIEWS: Mapping[str, str] = {
    "pending": "waits for a person's review", "not_required": "needs no review",
    "accepted": "accepted by a person", "rejected": "rejected by a person",
}  # fmt: skip

REPAIRS: Mapping[str, str] = {
    "DQ-01": "value and both limits are a thousand times too small: the unit lost a prefix",
    "DQ-06": "the value came without a unit; the unit of its interval was taken",
    "DQ-07": "a limit lost its multiplication sign; rebuilt from an earlier limit of the series",
}

RECHECKS: Mapping[str, str] = {
    "GAP-1": "abnormal at baseline and to be repeated",
    "GAP-2": "first negative serum immunofixation without a urine one",
}

_CALL_IN_TEXT = re.compile("|".join(rf"(?<![\w(-]){re.escape(code)}(?![\w)-])" for code in CALLS if code.isupper()))
_CODE_IN_TEXT = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


def in_words(table: Mapping[str, str], code: str) -> str:
    """The words of a code; of one that the table does not hold the code itself, said to be unknown."""
    return table.get(code) or f"code {code}, for which this page has no words"


def with_code(table: Mapping[str, str], code: str) -> str:
    """``words (CODE)``: what stands on a page."""
    return f"{table[code]} ({code})" if code in table else in_words(table, code)


def all_with_codes(table: Mapping[str, str], codes: Iterable[str]) -> str:
    """Several codes as one sentence part, in their order; empty for none."""
    return "; ".join(with_code(table, code) for code in codes)


def spelled_out(sentence: str) -> str:
    """A service's sentence with the reason codes inside it put in words, each code kept behind its words."""
    return _CODE_IN_TEXT.sub(lambda found: with_code(REASONS, found[0]) if found[0] in REASONS else found[0], sentence)


def calls_in_words(text: str) -> str:
    """A call as the history keeps it, ``CRV confirmed``, with its codes put in words; one rise is no progression."""
    for code in ("PDV", "PDH"):
        text = text.replace(f"{code} unconfirmed", _risen(code))
    return spelled_out(_CALL_IN_TEXT.sub(lambda found: with_code(CALLS, found[0]), text))


def analyte_name(code: str) -> str:
    """The catalogue's name, or that of an axis; the code itself for what is neither."""
    known = CATALOGUE.get(code)
    return known.name if known else SUBJECTS.get(code, code)


def call_of(axis: Axis) -> str:
    """The call of one axis in one sentence: never a candidate or an unconfirmed rise as if it were the call."""
    if axis.call in ("PDV", "PDH") and axis.confirmation == "unconfirmed":
        return _risen(axis.call)
    if axis.call is None or axis.call == "NEH":
        return _nothing_proven(axis)
    said = with_code(CALLS, axis.call) if axis.call in CALLS and axis.axis != "CLINICAL" else axis.call
    if axis.axis == "CLINICAL":
        return f"{axis.call[:1].upper()}{axis.call[1:]}: {in_words(CALLS, axis.call)}"
    return f"{said[:1].upper()}{said[1:]}, {in_words(CONFIRMATION, axis.confirmation)}"


def _risen(call: str) -> str:
    """One sample is no progression (clinical.md VEGF-1, 12.3)."""
    what = "VEGF has risen" if call == "PDV" else "M-protein has risen, or the original band may be back"
    return f"{what} ({call} unconfirmed): a second sample decides"


def _nothing_proven(axis: Axis) -> str:
    code = axis.call or axis.assessability
    if axis.candidate is None:
        return f"Nothing proven ({code}): {in_words(ASSESSABILITY, axis.assessability)}"
    possible = with_code(CALLS, axis.candidate)
    why = spelled_out(axis.why_not.get(axis.candidate, "")) or in_words(ASSESSABILITY, axis.assessability)
    return f"{possible[:1].upper()}{possible[1:]} is a candidate, not confirmed: {why}. Nothing is proven ({code})"
