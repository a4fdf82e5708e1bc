"""Prometheus rules as data: what is recorded for the fleet, what alarms, and what an alarm says. Pure."""

from daemon.rules.rule_file import json_text, rule_groups, yaml_text
from daemon.rules.terms import Terms

__all__ = ["Terms", "json_text", "rule_groups", "yaml_text"]
