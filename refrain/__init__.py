"""Refrain watches patients through their laboratory results."""
