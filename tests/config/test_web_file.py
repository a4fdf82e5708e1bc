"""The web configuration file beside what Prometheus' own tool says of it, and its faults in words."""

import pytest
import trustme

from config.errors import ConfigError
from config.web_file import load_web_file
from daemon.errors import UsageError
from daemon.web.access.tls import OPENSSL_SUITES, context_of
from daemon.web.access.values import Tls

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
PAIR = "cert_file: c.pem, key_file: k.pem"
MUTUAL = f"{PAIR}, client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"
SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


def tls(keys):
    return f"tls_server_config: {{{keys}}}"


def headers(keys):
    return f"http_server_config: {{headers: {{{keys}}}}}"


def users(keys):
    return f"basic_auth_users: {{{keys}}}"


#: Both take it.
TAKEN = [
    "",
    "tls_server_config:",
    "tls_server_config: {}",
    "http_server_config:",
    "basic_auth_users:",
    "basic_auth_users: {}",
    tls(PAIR),
    tls(f"{PAIR}, client_auth_type: NoClientCert"),
    tls(f"{PAIR}, client_ca_file: ca.pem, client_auth_type: VerifyClientCertIfGiven"),
    tls(MUTUAL),
    tls(f"{PAIR}, min_version: TLS12, max_version: TLS13"),
    tls(f"{PAIR}, min_version: TLS13"),
    tls(f"{PAIR}, max_version: TLS12"),
    tls(f"{PAIR}, cipher_suites: []"),
    tls(f"{PAIR}, cipher_suites: [{', '.join(OPENSSL_SUITES)}, TLS_AES_128_GCM_SHA256]"),
    tls(f"{PAIR}, min_version: TLS13, cipher_suites: [TLS_CHACHA20_POLY1305_SHA256]"),
    tls(f"{PAIR}, prefer_server_cipher_suites: false"),
    tls(f"{PAIR}, curve_preferences: []"),
    "http_server_config: {http2: false}",
    "http_server_config: {http2: yes}",
    headers("X-Frame-Options: deny, X-Content-Type-Options: nosniff, X-XSS-Protection: '1; mode=block'"),
    headers("Strict-Transport-Security: max-age=1, Content-Security-Policy: default-src 'self'"),
    headers("Content-Security-Policy: ''"),
    users(f"a: '{HASH}', ünï: '{HASH}'"),
    f"{tls(MUTUAL)}\n{headers('X-Frame-Options: sameorigin')}\n{users(f'a: {HASH!r}')}",
]

#: Prometheus takes it, we do not, and say why.
REFUSED_HERE = [
    (tls(f"{PAIR}, client_auth_type: RequestClientCert"), "lets any certificate in"),
    (tls(f"{PAIR}, client_auth_type: RequireAnyClientCert"), "lets any certificate in"),
    (tls(f"{PAIR}, client_auth_type: RequireClientCert"), "lets any certificate in"),
    (tls(f"{PAIR}, client_auth_type: VerifyClientCertIfGiven"), "VerifyClientCertIfGiven needs it"),
    (tls(f"{PAIR}, client_auth_type: RequireAndVerifyClientCert"), "RequireAndVerifyClientCert needs it"),
    (tls(MUTUAL.replace("ca.pem", "k.pem")), "holds no certificate"),
    (tls("min_version: TLS12"), "cert_file: is missing"),  # there TLS is off then, without a word
    (tls(f"{PAIR}, min_version: TLS10"), "out of use"),
    (tls(f"{PAIR}, max_version: TLS11"), "out of use"),
    (tls(f"{PAIR}, min_version: TLS13, max_version: TLS12"), "nobody could connect"),
    (tls(f"{PAIR}, cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]"), "no forward secrecy"),
    (tls(f"{PAIR}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]"), "CBC"),
    (tls(f"{PAIR}, cipher_suites: [TLS_AES_128_GCM_SHA256]"), "no suite of TLS 1.2"),
    (tls(f"{PAIR}, curve_preferences: [CurveP256]"), "cannot be chosen here"),
    (users(f"'': '{HASH}'"), "nobody could log in"),
    (users(f"'a:b': '{HASH}'"), "nobody could log in"),
    (users(f"a: '{HASH.replace('$10$', '$31$')}'"), "cost is 31"),
    (users(f"a: '{HASH.replace('$2y$', '$2z$')}'"), "no bcrypt hash"),
    (users(f"a: '{HASH}x'"), "no bcrypt hash"),
    (headers('Content-Security-Policy: "a\\nb"'), "line break"),
]

#: Neither takes it.
REFUSED_BY_BOTH = [
    (tls(f"{PAIR}, client_auth_type: Something"), "write `NoClientCert`"),
    (tls(f"{PAIR}, client_ca_file: ca.pem"), "nobody is asked for a certificate"),
    (tls(f"{PAIR}, client_ca_file: ca.pem, client_auth_type: NoClientCert"), "nobody is asked for a certificate"),
    (tls("cert_file: c.pem"), "key_file: is missing"),
    (tls("key_file: k.pem"), "cert_file: is missing"),
    (tls("cert_file: nothing.pem, key_file: k.pem"), "nothing.pem cannot be read"),
    (tls("cert_file: k.pem, key_file: c.pem"), "no certificate and key"),
    (tls("cert_file: c.pem, key_file: other.pem"), "not the key"),
    (tls(f"{PAIR}, min_version: SSLv3"), "write `TLS12` or `TLS13`"),
    (tls(f"{PAIR}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"), "no forward secrecy"),
    (tls(f"{PAIR}, cipher_suites: {SUITE}"), "write a list"),
    (tls(f"{PAIR}, curve_preferences: [P256]"), "cannot be chosen here"),
    (tls(f"{PAIR}, cert_fil: x"), "did you mean `cert_file`?"),
    (tls(f"{PAIR}, key: x"), "write key_file"),  # newer versions take a key here
    (headers("x-frame-options: deny"), "spelt so"),
    (headers("X-Frame-Options: DENY"), "in small letters"),
    (headers("X-Frame-Options: ''"), "in small letters"),
    (headers("X-Powered-By: x"), "cannot be set"),
    ("http_server_config: {http2: maybe}", "write true or false"),
    ("http_server_config: {http3: true}", "did you mean `http2`?"),
    (users("a: secret"), "no bcrypt hash"),
    (users("a: ''"), "no bcrypt hash"),
    (users("a: 12"), "write a text"),
    (users(f"a: '{HASH.replace('$10$', '$03$')}'"), "cost is 03"),
    ("basic_auth_users: [a]", "write a mapping"),
    (f"basic_auth_users:\n  a: '{HASH}'\n  a: '{HASH}'", "there twice"),
    ("rate_limit: {interval: 1s, burst: 2}", "no rate limit here"),  # newer versions have it
    ("tls: {}", "unknown key"),
    ("[a]", "write a mapping"),
    ("abc", "write a mapping"),
    ("a: [", "this is no YAML"),
]

#: Prometheus of 2023, which Debian has, does not know it; the present one takes it.
NEWER = [
    tls(f"{MUTUAL}, client_allowed_sans: [prometheus]"),
    "rate_limit: {interval: 0}",
]
NEWER_REFUSED = [
    (tls(f"{PAIR}, client_allowed_sans: [a]"), "may come without a certificate"),
    (tls(f"{MUTUAL}, client_allowed_sans: []"), "at least one"),
    (tls(f"{PAIR}, client_ca: x"), "write client_ca_file"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with certificates."""
    path = tmp_path_factory.mktemp("web")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(path / "ca.pem")
    for certificate, key in (("c.pem", "k.pem"), ("another.pem", "other.pem")):
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(path / certificate)
        issued.private_key_pem.write_to_path(path / key)
    return path


@pytest.fixture
def web_file(folder):
    """Write the file."""

    def write(text):
        path = folder / "web.yml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def judge(path):
    """Return what klaxond says against a file: nothing if it takes it."""
    try:
        found = load_web_file(path)
        if (written := found.tls_server_config) is not None:
            context_of(Tls(written.cert_file, written.key_file, written.client_ca_file))
    except ConfigError as error:
        return str(error)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.prometheus
@pytest.mark.parametrize("text", TAKEN)
def test_what_both_take(web_file, promtool, text):
    assert promtool("check", "web-config", web_file(text))[0] == 0
    assert judge(web_file(text)) == ""


@pytest.mark.prometheus
@pytest.mark.parametrize(("text", "told"), REFUSED_HERE)
def test_what_prometheus_takes_and_cannot_be_honoured_is_refused_with_a_sentence(web_file, promtool, text, told):
    assert promtool("check", "web-config", web_file(text))[0] == 0
    assert told in judge(web_file(text))


@pytest.mark.prometheus
@pytest.mark.parametrize(("text", "told"), REFUSED_BY_BOTH)
def test_what_prometheus_refuses_is_refused(web_file, promtool, text, told):
    assert promtool("check", "web-config", web_file(text))[0] != 0
    assert told in judge(web_file(text))


@pytest.mark.parametrize("text", NEWER)
def test_what_only_newer_versions_of_prometheus_know_is_taken(web_file, text):
    assert judge(web_file(text)) == ""


@pytest.mark.parametrize(("text", "told"), NEWER_REFUSED)
def test_what_newer_versions_know_and_cannot_be_honoured_is_refused_with_a_sentence(web_file, text, told):
    assert told in judge(web_file(text))


@pytest.mark.parametrize(("text", "told"), [*REFUSED_HERE, *REFUSED_BY_BOTH, *NEWER_REFUSED])
def test_every_refusal_names_a_file_and_shows_no_password(web_file, folder, text, told):
    assert told
    said = judge(web_file(text))
    assert all(line.startswith(str(folder)) for line in said.splitlines())
    assert HASH[7:] not in said


@pytest.mark.parametrize(
    "text",
    [
        users("a: canary"),
        users("a: [canary]"),
        users("a: {canary: canary}"),
        users("a: 7777777"),
        "basic_auth_users: canary",
        tls(f"{PAIR}, key: canary"),
        users("a: 'canary"),
        users("a: !canary x"),
    ],
)
def test_no_fault_shows_what_may_be_a_password(web_file, text):
    said = judge(web_file(text))
    assert said
    assert "canary" not in said
    assert "7777777" not in said


def test_no_text_of_the_settings_shows_a_hash(web_file):
    found = load_web_file(web_file(users(f"a: '{HASH}'")))
    assert found.basic_auth_users["a"].get_secret_value() == HASH
    assert HASH not in f"{found!r}{found}{found.model_dump()}{found.model_dump_json()}"


def test_files_are_found_beside_the_file_from_wherever_it_is_read(web_file, monkeypatch, tmp_path, folder):
    monkeypatch.chdir(tmp_path)
    found = load_web_file(web_file(tls(MUTUAL)))
    assert found.tls_server_config.cert_file == folder / "c.pem"
    absolute = load_web_file(web_file(tls(f"cert_file: {folder / 'c.pem'}, key_file: k.pem")))
    assert absolute.tls_server_config.cert_file == folder / "c.pem"
