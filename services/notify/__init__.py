"""Tells people: who is told of an alert, who answered, and what happens when nobody does."""
