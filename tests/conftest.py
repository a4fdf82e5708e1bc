"""Fixtures that several folders of tests share: real servers, each in a plugin module of its own."""

pytest_plugins = ["tests.kafka_broker", "tests.prometheus_fixture"]
