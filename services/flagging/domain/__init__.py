"""The pure core of flagging: no clock, no I/O."""
