"""What kind of alert it is, in plain words that say nothing about a patient: one entry per kind of clinical.md 17.1.

Shared by what notify sends and what the console shows, so that people read the same words everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """``short`` fits a subject line; ``sentence`` stands at the head of a message."""

    short: str
    sentence: str


KINDS: dict[str, Kind] = {
    "CRITICAL_RESULT": Kind("critical result", "A laboratory result is critical."),
    "CRITICAL_POSSIBLE": Kind(
        "possibly critical result",
        "A laboratory result may be critical: it was reported only as above or below a limit.",
    ),
    "VEGF_PROGRESSION_CONFIRMED": Kind(
        "VEGF progression confirmed", "A rise of VEGF was confirmed by a second sample."
    ),
    "HEMATOLOGIC_RELAPSE_CONFIRMED": Kind(
        "haematologic relapse confirmed", "A haematologic relapse was confirmed by a second sample."
    ),
    "RADIOGRAPHIC_RELAPSE": Kind("relapse on imaging", "Imaging meets the criteria of a relapse."),
    "CLINICAL_RELAPSE": Kind("clinical relapse", "Recorded clinical findings meet the criteria of a relapse."),
    "VEGF_RISE_WATCH": Kind("VEGF rise, repeat needed", "VEGF has risen once: a repeat sample decides what it means."),
    "HEMATOLOGIC_RISE_WATCH": Kind(
        "M-protein or band, repeat needed",
        "A haematologic marker has risen or returned once: a repeat sample decides what it means.",
    ),
    "RESPONSE_LOSS": Kind("response lost", "Two assessments in a row are below the response that was confirmed."),
    "IGG_LOW_SAFETY": Kind("low IgG", "IgG is so low that the risk of infection should be considered."),
    "TREATABLE_FINDING": Kind("treatable finding", "A result shows something that can be treated by itself."),
    "NEW_CLONE_QUERY": Kind("new band", "Immunofixation shows a band of another type than the known clone."),
    "RESPONSE_UPGRADE": Kind("better response", "A better response was reached."),
    "RESPONSE_WITHDRAWN": Kind("response taken back", "A response that was told before no longer holds."),
    "RESULT_CORRECTED": Kind("result corrected", "The laboratory corrected a result that a call rests on."),
    "WATCH_RESOLVED": Kind("watch resolved", "The repeat sample did not agree: what was watched is over."),
    "ABNORMAL_SUMMARY": Kind("abnormal baseline results", "The baseline results are complete; some are abnormal."),
    "MONITORING_GAP": Kind("monitoring due", "A test that was due has not been repeated."),
    "ALERT_RETRACTED": Kind("alert withdrawn", "An alert that was told before is taken back."),
    "IFE_DRUG_QUERY": Kind(
        "band, maybe of the drug", "Immunofixation shows a band that may be the therapeutic antibody itself."
    ),
    "DQ_UNIT": Kind("unit unclear", "The unit of a result is missing, unknown or does not fit the value."),
    "DQ_RANGE": Kind("reference range unclear", "The reference range of a result could not be read or does not fit."),
    "DQ_SPECIMEN": Kind("specimen unclear", "The specimen of a result is not stated, and must be."),
    "DQ_SERIES_SWITCH": Kind("series changed", "Laboratory, method or specimen of a followed analyte changed."),
    "DQ_DELTA": Kind("implausible change", "A result differs from the one before by more than is plausible."),
    "DQ_LOINC": Kind("code unclear", "The code of a result is not known or does not fit its specimen."),
    "DQ_STATUS": Kind("result status unclear", "The status of a result is unknown or contradicts what came before."),
    "DQ_IDENTITY": Kind("identity unclear", "It is unclear whose result it is, or an identifier is damaged."),
    "DQ_RATIO": Kind("ratio does not fit", "A reported ratio does not agree with the values it is made of."),
    "DQ_FLAG_CONFLICT": Kind("flag disagrees", "The laboratory's flag disagrees with the value and its range."),
}
"""Closed. A kind that is not here is told all the same, as :data:`UNKNOWN`."""

UNKNOWN = Kind("alert", "There is an alert of a kind that this version of Refrain has no words for: please open it.")


def kind_of(code: str) -> Kind:
    return KINDS.get(code, UNKNOWN)
