"""Answers: the read model of everything, its gRPC and FHIR reads, and the web console."""
