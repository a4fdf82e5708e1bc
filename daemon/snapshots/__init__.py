"""Snapshots: panes and the next offset as one unit, kept outside the process, and got back after it has died."""
