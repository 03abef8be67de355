"""Intake: the only door. Reads feeds, publishes what can be used, quarantines the rest."""
