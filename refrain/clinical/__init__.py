"""What is medically true: analytes, units, grammars, codes. Plain Python: no I/O, no clock, no pydantic."""
