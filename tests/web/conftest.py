"""Servers that end with their test."""

import logging

import pytest
import structlog

from tests.web.secure_server import Authority, LogLines, SecureServer


@pytest.fixture
def authority(tmp_path):
    """An authority that writes into the folder of the web configuration file."""
    return Authority(tmp_path)


@pytest.fixture
def serve(tmp_path):
    """Start servers: serve(tree) -> SecureServer."""
    started = []

    def start(tree):
        started.append(SecureServer(tmp_path, tree))
        return started[-1]

    yield start
    for each in started:
        each.server.stop()


@pytest.fixture
def log_lines():
    """Everything that is logged meanwhile: (level, message, all that belongs to it)."""
    handler, root = LogLines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()
