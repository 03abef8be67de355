"""The life of an alert with people, pure: no clock, no I/O."""
