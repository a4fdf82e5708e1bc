"""Snapshots against the log: windows recomputed from the records by a second, simple code path, and compared.

Nothing here adds up by the daemon's own code: `terms` and `recount` have their own rules, formulas, hash and panes, so
that one fault can't hide in both (an import contract keeps it so). Only records are decoded by the same decoder.
"""
