"""The demo: a broker, traffic with a known truth, and the real daemon, on one machine."""
