"""Response: classifies a patient's course under treatment, axis by axis."""
