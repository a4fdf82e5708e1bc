"""Pure statistics of drift: pairs to moments, moments to estimates. No clock, no log, no I/O, no randomness."""
