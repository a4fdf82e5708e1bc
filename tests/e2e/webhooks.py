"""A webhook for Alertmanager: what was told is kept in its order, and read as acts that begin and end."""

import http.server
import json
import threading
from collections import defaultdict
from contextlib import contextmanager
from typing import NamedTuple


class Told(NamedTuple):
    """One alert of one notification."""

    status: str  # firing or resolved
    labels: dict[str, str]
    annotations: dict[str, str]
    receiver: str

    @property
    def name(self):
        """The alert with all its labels, as text that can be compared."""
        return named(**self.labels)


class Heard(NamedTuple):
    """What was told of one stream.

    Attributes
    ----------
    acts : one for each time between silence and silence: the alerts that began to fire in it, sorted; one that fired
        twice is there twice
    open : alerts that were not resolved
    """

    acts: tuple[tuple[str, ...], ...] = ()
    open: frozenset[str] = frozenset()


def named(**labels):
    """Write an alert as PromQL writes a sample, its labels sorted."""
    rest = ", ".join(f'{name}="{text}"' for name, text in sorted(labels.items()) if name != "alertname")
    return f"{labels['alertname']}{{{rest}}}"


def heard(told):
    """Read what was told, by stream; alerts of no stream are of stream "".

    Alertmanager tells a group's alerts again when one of them changes, so the same status twice is no event.
    """
    acts, firing = defaultdict(list), defaultdict(set)
    for each in told:
        stream = each.labels.get("stream", "")
        if each.status == "firing" and each.name not in firing[stream]:
            if not firing[stream]:
                acts[stream].append([])
            acts[stream][-1].append(each.name)
            firing[stream].add(each.name)
        elif each.status == "resolved":
            firing[stream].discard(each.name)
    return {
        stream: Heard(tuple(tuple(sorted(act)) for act in found), frozenset(firing[stream]))
        for stream, found in acts.items()
    }


class Webhook:
    """Keeps what comes; `told` grows while Alertmanager runs."""

    def __init__(self, address):
        self.address = address
        self.told = []

    def of(self, stream):
        """What was told of a stream so far."""
        return heard(list(self.told)).get(stream, Heard())

    def take(self, receiver, body):
        """Take in one notification."""
        self.told.extend(
            Told(alert["status"], alert["labels"], alert["annotations"], receiver)
            for alert in json.loads(body)["alerts"]
        )


@contextmanager
def listening():
    """Serve a webhook on a free port; the path is the receiver's name."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            webhook.take(self.path.strip("/"), self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    webhook = Webhook(f"127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield webhook
    finally:
        server.shutdown()
        server.server_close()
