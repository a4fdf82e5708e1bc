"""The real daemon as the demo's child: its configuration, its status, and a new start after a kill -9."""

import json
import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from daemon.demo import real_log, writer
from daemon.demo.processes import Child
from daemon.demo.rows import Status

_HTTP_SECONDS: Final = 3.0
_STOP_SECONDS: Final = 10.0
#: Windows end so long before the present, so that all that was sent in them has arrived: what they hold is final.
_EXPECTED_DELAY: Final = "2s"


def configuration(
    bootstrap_servers: str,
    topics: Mapping[str, str],
    run: str,
    address: str,
    *,
    windows: Sequence[str],
    threshold_nats: float,
) -> dict[str, object]:
    """Return the daemon's configuration as a tree; `topics` by stream."""
    return {
        "kafka": {
            "bootstrap_servers": bootstrap_servers.split(","),
            "group_id": f"klaxon-demo-{run}",
            "session_timeout": "6s",  # the embedded broker's first join takes half of it
            "heartbeat_interval": "1s",
        },
        "streams": [
            {
                "topic": topics[real_log.STREAM],
                "name": real_log.STREAM,
                "preset": "open-bandit",
                "expected_delay": _EXPECTED_DELAY,
            },
            {
                "topic": topics[writer.STREAM],
                "name": writer.STREAM,
                "series_labels": ["model", "version"],
                "resolution": f"decimals:{writer.DECIMALS}",
                "expected_delay": _EXPECTED_DELAY,
                "thresholds": [{"severity": "warning", "direction": "reverse", "nats": threshold_nats}],
            },
        ],
        "windows": list(windows),
        "panes_per_window": 60,
        "max_skew": "10s",  # all clocks are this machine's; it decides how much a restart reads again
        "publish_interval": "1s",
        "export": {"estimators": ["adaptive", "fixed", "fitted", "naive"]},
        "web": {"listen_address": address},
    }


class Klaxond:
    """The daemon; after a kill it can be started again, with the same configuration and address."""

    def __init__(self, folder: Path, address: str, settings: Mapping[str, object]) -> None:
        self.address = address
        self._folder = folder
        self._starts = 0
        self._file = folder / "klaxond.yaml"
        # JSON is YAML.
        self._file.write_text(json.dumps(settings, indent=2))
        self.child = self._start()

    def again(self) -> None:
        """Start it once more."""
        self.child = self._start()

    def end(self) -> None:
        """End the one that runs."""
        self.child.end()

    def was_killed(self) -> bool:
        """Tell whether a signal ended it, rather than itself."""
        status = self.child.ended()
        return status is not None and status < 0

    def status(self) -> Status | None:
        """Ask for its status; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/status", timeout=_HTTP_SECONDS) as answer:
                status: Status = json.load(answer)
                return status
        except (OSError, ValueError):
            return None

    def _start(self) -> Child:
        self._starts += 1
        # -P: a folder named config or daemon where somebody stands must not shadow ours.
        command = [sys.executable, "-P", "-m", "daemon", "run", "--config.file", str(self._file)]
        # Settings of somebody's own daemon, such as a web configuration file with passwords, are not the demo's.
        environment = {name: text for name, text in os.environ.items() if not name.startswith("KLAXON_")}
        log_file = self._folder / f"klaxond-{self._starts}.log"
        return Child("klaxond", command, log_file, _STOP_SECONDS, environment=environment)
