"""The demo: the case report's patient through the whole stack, beside what the paper's clinicians called."""
