"""Pure statistics of drift: pairs to moments, moments to estimates. No clock, no log, no I/O, no randomness."""

from estimators.arrays import summarize
from estimators.summary import Summary

__all__ = ["Summary", "summarize"]
