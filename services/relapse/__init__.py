"""Relapse: watches the course and raises, amends and retracts alerts."""
