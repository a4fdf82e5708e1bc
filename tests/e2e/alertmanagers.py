"""A real Alertmanager with the example that is shipped: only its waits and the webhook's address are changed."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.kafka_broker import skip_unless_ci
from tests.ports import free_port
from tests.web_servers import WebServer

SHIPPED = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yaml"
#: As Debian names it, and as everybody else does.
PROGRAMS = ("prometheus-alertmanager", "alertmanager")
WAITS = {"group_wait": "1s", "group_interval": "2s"}


def configuration(webhook):
    """The example as a tree, with the waits of a test and its webhook's address."""
    tree = yaml.safe_load(SHIPPED.read_text())
    _quicken(tree["route"])
    for receiver in tree["receivers"]:
        for hook in receiver["webhook_configs"]:
            hook["url"] = f"http://{webhook}/{receiver['name']}"
    return tree


def _quicken(route):
    route.update({name: wait for name, wait in WAITS.items() if name in route})
    for child in route.get("routes", ()):
        _quicken(child)


@contextmanager
def running(folder, webhook):
    """Run it, and give its address once it is ready; skips, or in CI fails, where there is none."""
    found = [path for name in PROGRAMS if (path := shutil.which(name))]
    if not found:
        skip_unless_ci(f"no {' or '.join(PROGRAMS)} in PATH (Debian: apt-get install prometheus-alertmanager)")
    address, config = f"127.0.0.1:{free_port()}", folder / "alertmanager.yaml"
    config.write_text(yaml.safe_dump(configuration(webhook)))
    command = [
        found[0], f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}", "--cluster.listen-address=", "--log.level=warn",
    ]  # fmt: skip
    server = WebServer("Alertmanager", command, address, folder)
    try:
        server.wait_until_ready()
        yield address
    finally:
        server.stop()
