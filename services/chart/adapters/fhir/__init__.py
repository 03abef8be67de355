"""The FHIR R4 read API of chart, below ``/fhir``: what Refrain concluded, for an EHR to read."""
