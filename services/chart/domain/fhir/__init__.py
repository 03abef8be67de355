"""What the read model knows, as FHIR R4 resources: plain dictionaries whose numbers are Decimals. Pure."""
