"""The analyte catalogue, page by page (clinical.md section 4)."""
