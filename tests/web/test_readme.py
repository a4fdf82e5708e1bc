"""The README's web configuration, as a reader would write it."""

import re
from pathlib import Path

import pytest
import yaml

from tests.web.secure_server import basic, client, hash_of

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.search(r"^```yaml\n(tls_server_config:.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)[1]


@pytest.mark.prometheus
def test_the_readmes_file_is_served_and_prometheus_takes_it(serve, authority, tmp_path, promtool):
    authority.issue("server")
    server = serve(BLOCK.replace("$2y$10$...", hash_of()))
    assert promtool("check", "web-config", server.file) == (0, "")
    assert server.ask(context=client(authority))[0] == 401
    assert server.ask(context=client(authority), headers=basic("prometheus"))[0] == 200


def test_its_placeholder_is_no_password(serve, authority):
    from daemon.errors import UsageError

    authority.issue("server")
    assert yaml.safe_load(BLOCK)["basic_auth_users"] == {"prometheus": "$2y$10$..."}
    with pytest.raises(UsageError, match="no bcrypt hash"):
        serve(BLOCK)
