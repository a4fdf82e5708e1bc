"""A canary in the place of each secret: no error, repr, dump, or traceback may hold it."""

import traceback

import pytest

from config.errors import ConfigError
from config.kinds import read_secret

CANARY = "canary-7d1f"
SASL = "security_protocol: SASL_SSL, sasl: {{mechanism: PLAIN, username: u, {0}}}"


def config(kafka):
    return f"kafka: {{bootstrap_servers: [a:1], group_id: g, {kafka}}}\nstreams: [{{topic: t}}]\n"


def texts_of(error):
    return "".join([str(error), repr(error), *traceback.format_exception(error)])


def shown(settings):
    sasl = settings.kafka.sasl
    return "".join(
        map(
            str,
            (
                repr(settings),
                settings,
                settings.dump(),
                settings.model_dump(),
                settings.model_dump_json(),
                repr(sasl.password),
                f"{sasl.password}",
                sasl.oauth,
            ),
        )
    )


def test_a_secret_is_read_on_purpose_only(load_text):
    settings = load_text(config(SASL.format(f"password: {CANARY}")))
    assert settings.kafka.sasl.password.get_secret_value() == CANARY
    assert CANARY not in shown(settings)
    assert settings.dump()["kafka"]["sasl"]["password"] == "<secret>"


@pytest.mark.parametrize("way", ["environment", "flag", "secrets directory", "file", "environment's file"])
def test_every_way_gives_the_secret_and_shows_it_nowhere(load_text, tmp_path, directory_of_secrets, way):
    (tmp_path / "password").write_text(f"{CANARY}\n")
    yaml = {"file": "password_file: password"}.get(way, "")
    arguments = {
        "environment": {"env": {"KLAXON_KAFKA__SASL__PASSWORD": CANARY}},
        "environment's file": {"env": {"KLAXON_KAFKA__SASL__PASSWORD_FILE": str(tmp_path / "password")}},
        "flag": {"overrides": {"kafka.sasl.password": CANARY}},
        "secrets directory": {"secrets_dir": directory_of_secrets(**{"kafka.sasl.password": f"{CANARY}\r\n"})},
    }.get(way, {})
    settings = load_text(config(SASL.format(yaml)), **arguments)
    assert settings.kafka.sasl.password.get_secret_value() == CANARY
    assert CANARY not in shown(settings)


def test_the_stronger_source_hides_both_forms_of_a_secret_in_the_weaker_one(load_text, tmp_path, directory_of_secrets):
    (tmp_path / "weak").write_text("weak")
    (tmp_path / "strong").write_text("strong")
    with_file, with_value = config(SASL.format("password_file: weak")), config(SASL.format("password: weak"))
    strong_file = {"KLAXON_KAFKA__SASL__PASSWORD_FILE": str(tmp_path / "strong")}
    directory = directory_of_secrets(**{"kafka.sasl.password": "mounted"})
    for text in (with_file, with_value):
        for expected, arguments in (
            ("strong", {"env": {"KLAXON_KAFKA__SASL__PASSWORD": "strong"}}),
            ("strong", {"env": strong_file}),
            ("strong", {"env": strong_file, "secrets_dir": directory}),
            ("mounted", {"secrets_dir": directory}),
            ("weak", {}),
        ):
            assert load_text(text, **arguments).kafka.sasl.password.get_secret_value() == expected


@pytest.mark.parametrize(
    "kafka",
    [
        f"sasl: {{password: {CANARY}}}",
        f"sasl: {{mechanism: {CANARY}}}",
        f"sasl: {{username: [{CANARY}], password: [{CANARY}]}}",
        f"sasl: {CANARY}",
        f"sasl: [{CANARY}]",
        f"sasl: {{pasword: {CANARY}}}",
        f"sasl: {{oauth: {CANARY}}}",
        f"sasl: {{oauth: {{client_secret: {CANARY}, token_endpoint_url: 'https://{CANARY}@x'}}}}",
        f"sasl: {{oauth: {{client_secret: {{a: {CANARY}}}}}}}",
        f"ssl: {{key_password: {CANARY}}}",
        f"ssl: {{key_passwort: {CANARY}}}",
        f"ssl: {{key_password: {CANARY}, key_password_file: /nowhere}}",
        f"bootstrap_servers: ['SASL://u:{CANARY}@a:1']",
        SASL.format(f"password: {CANARY}") + ", heartbeat_interval: 9s",
        SASL.format(f"password: {CANARY}, password_file: /dev/null"),
        # Faults of the YAML itself, with the secret in the wrong line.
        f"sasl: {{password: *{CANARY}}}",
        f"sasl: {{password: !{CANARY} x}}",
        f"sasl: {{password: '{CANARY}}}",
        f"sasl: {{password: {CANARY}: {CANARY}}}",
        f"sasl: {{password: &{CANARY} a, username: &{CANARY} b, mechanism: *{CANARY}x}}",
        f"sasl: {{password: %{CANARY}}}",
        f"sasl: {{password: [{CANARY}}}",
        f"sasl: {{password: !!int {CANARY}}}",
        f"sasl: {{password: !!timestamp {CANARY}}}",
        f'sasl: {{password: "\\q{CANARY}"}}',
        f"sasl: {{password: \x02{CANARY}}}",
        f"sasl: {{? [{CANARY}] : x}}",
        f"sasl: {{<<: {CANARY}}}",
    ],
)
def test_no_error_shows_a_secret(load_text, kafka):
    text = config(kafka).replace(
        "bootstrap_servers: [a:1], ", "" if kafka.startswith("bootstrap") else "bootstrap_servers: [a:1], "
    )
    with pytest.raises(ConfigError) as refused:
        load_text(text)
    assert CANARY not in texts_of(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KLAXON_KAFKA", f'{{"sasl": {{"password": "{CANARY}"}}'),
        ("KLAXON_KAFKA__SASL", CANARY),
        ("KLAXON_KAFKA__SASL__PASWORD", CANARY),
        ("KLAXON_KAFKA__SASL__MECHANISM", CANARY),
        ("KLAXON_KAFKA__SASL__PASSWORD", CANARY),
    ],
)
def test_no_error_of_the_environment_shows_a_secret(load_text, name, value):
    with pytest.raises(ConfigError) as refused:
        load_text(env={name: value})
    assert CANARY not in texts_of(refused.value)


def test_the_canary_would_be_seen(load_text, smallest):
    with pytest.raises(ConfigError) as refused:
        load_text(smallest + f"log: {{level: {CANARY}}}")
    assert CANARY in texts_of(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "no UTF-8"), (b"x" * 65_537, "64 KiB")],
)
def test_a_secret_file_that_holds_no_secret_is_refused_without_showing_it(tmp_path, content, message):
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        read_secret(tmp_path / "password")
    assert "xxx" not in str(refused.value)


def test_a_secret_keeps_every_character_but_the_last_line_break(tmp_path):
    (tmp_path / "password").write_bytes(" pa\nss \tö\r\n".encode())
    assert read_secret(tmp_path / "password") == " pa\nss \tö"
