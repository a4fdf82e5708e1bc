"""Fixtures that several folders of tests share: real servers, each in a plugin module of its own."""

pytest_plugins = ["tests.prometheus_fixture"]
