"""The dashboards as a program: a page each, of shared queries, variables and panels."""
