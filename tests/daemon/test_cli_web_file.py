"""`klaxond check` about the web configuration, in sentences."""

import pytest

from tests.web.secure_server import Authority, hash_of

SETTINGS = "kafka: {bootstrap_servers: ['127.0.0.1:9092'], group_id: g}\nstreams: [{topic: t}]\n"
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"
MUTUAL = f"{TLS}, client_ca_file: ca.pem, client_auth_type"
USERS = f"basic_auth_users: {{u: '{hash_of()}'}}"


@pytest.fixture
def check(klaxond, tmp_path):
    """Run check with a web configuration, by its flag or by the settings."""
    Authority(tmp_path).issue("server")

    def run(web, *, by_flag=True):
        (tmp_path / "web.yml").write_text(web)
        config = tmp_path / "klaxond.yaml"
        config.write_text(SETTINGS + ("" if by_flag else "web: {config_file: web.yml}\n"))
        return klaxond(
            "check", "--config.file", config, *(["--web.config.file", tmp_path / "web.yml"] if by_flag else [])
        )

    return run


@pytest.mark.parametrize("by_flag", [True, False])
@pytest.mark.parametrize(
    ("web", "scheme", "told"),
    [
        ("", "http", "web: plain HTTP; no password"),
        (f"{TLS}}}", "https", "web: TLS from TLS12 on, clients need no certificate; no password"),
        (
            f"{MUTUAL}: VerifyClientCertIfGiven, min_version: TLS13}}",
            "https",
            "TLS13 on, clients may have a certificate by ",
        ),
        (
            f"{MUTUAL}: RequireAndVerifyClientCert, client_allowed_sans: [a, b]}}\n{USERS}",
            "https",
            "clients need a certificate for a or b by ",
        ),
    ],
)
def test_who_may_come_is_told_and_the_address_has_its_scheme(check, by_flag, web, scheme, told):
    status, out, err = check(web, by_flag=by_flag)
    assert (status, err) == (0, "")
    assert told in out
    assert f"published at {scheme}://127.0.0.1:9752/metrics" in out
    assert ("password for u (not for /livez and /readyz)" in out) is ("basic_auth" in web)


def test_every_fault_is_told_with_file_and_key(check):
    status, out, err = check(f"{TLS}, min_version: TLS11}}\nbasic_auth_users: {{a: plain, b: {hash_of()}}}\n")
    assert (status, out) == (2, "")
    assert "web.yml: tls_server_config.min_version: TLS11 is out of use" in err
    assert "web.yml: basic_auth_users.a: this is no bcrypt hash" in err
    assert "basic_auth_users.b" not in err
    assert "plain" not in err


def test_a_file_that_is_not_there_is_told_with_the_flag_that_named_it(klaxond, tmp_path):
    config = tmp_path / "klaxond.yaml"
    config.write_text(SETTINGS)
    status, _, err = klaxond("check", "--config.file", config, "--web.config.file", tmp_path / "none.yml")
    assert status == 2
    assert "cannot be read: No such file or directory (from flag --web.config.file)" in err
