"""The generated reference and JSON schema are current, complete, and accept what the loader accepts."""

import re

import pytest
import yaml

from config.reference import DIRECTORY, markdown
from config.schema import schema, schema_text
from config.settings import Settings
from config.tree import keys_of

KEYS = list(keys_of(Settings))


def accepts(rule, value, definitions):
    """Judge a value by the part of JSON schema that ours uses; an unknown word is an error."""
    known = {
        *("$schema", "$defs", "title", "description", "default", "examples", "format", "writeOnly", "$ref", "anyOf"),
        *(
            "const",
            "enum",
            "type",
            "pattern",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "maxLength",
        ),
        *("minItems", "items", "properties", "additionalProperties", "required"),
    }
    assert set(rule) <= known, f"the judge does not know {set(rule) - known}"
    types = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    types["null"] = type(None)
    named = rule.get("type", list(types))
    named = named if isinstance(named, list) else [named]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    checks = [
        "$ref" not in rule or accepts(definitions[rule["$ref"].rpartition("/")[2]], value, definitions),
        "anyOf" not in rule or any(accepts(each, value, definitions) for each in rule["anyOf"]),
        "const" not in rule or value == rule["const"],
        "enum" not in rule or value in rule["enum"],
        any(isinstance(value, types[name]) and (name == "boolean" or not isinstance(value, bool)) for name in named),
        not isinstance(value, str) or "pattern" not in rule or re.search(rule["pattern"], value) is not None,
        not isinstance(value, str) or len(value) <= rule.get("maxLength", len(value)),
        not is_number or rule.get("minimum", value) <= value <= rule.get("maximum", value),
        not is_number or "exclusiveMinimum" not in rule or value > rule["exclusiveMinimum"],
        not is_number or "exclusiveMaximum" not in rule or value < rule["exclusiveMaximum"],
    ]
    if isinstance(value, list):
        checks.append(len(value) >= rule.get("minItems", 0))
        checks.extend(accepts(rule.get("items", {}), each, definitions) for each in value)
    if isinstance(value, dict):
        properties, others = rule.get("properties", {}), rule.get("additionalProperties", True)
        checks.append(set(rule.get("required", ())) <= set(value))
        for key, each in value.items():
            inside = properties.get(key, others)
            checks.append(inside if isinstance(inside, bool) else accepts(inside, each, definitions))
    return all(checks)


@pytest.fixture(scope="module")
def judge():
    """Tell whether the schema accepts a YAML text."""
    whole = schema()
    return lambda text: accepts(whole, yaml.safe_load(text), whole["$defs"])


def test_the_shipped_reference_is_current():
    current = (DIRECTORY / "settings.md").read_text(encoding="utf-8") == markdown()
    assert current, "run `python -m config.reference` (or `make golden`)"


def test_the_shipped_schema_is_current():
    current = (DIRECTORY / "settings.schema.json").read_text(encoding="utf-8") == schema_text()
    assert current, "run `python -m config.reference` (or `make golden`)"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_every_key_has_a_row_with_variable_type_default_and_meaning(key):
    section = ".".join(key.parts[:-1])
    heading = f"## `{section}`" if section else "## Top level"
    table = markdown().split(f"{heading}\n")[1].split("\n## ")[0]
    (row,) = [line for line in table.splitlines() if line.startswith(f"| `{key.parts[-1]}` |")]
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    assert (f"`{key.variable}`" in cells) is not key.in_list
    kind, default, meaning = cells[-4], cells[-2], cells[-1]
    assert kind
    assert default
    assert len(meaning) > 10
    assert meaning.endswith(".")


def test_a_default_is_given_with_its_reason():
    # A heuristic: a description that only says what the key is has one short sentence.
    plain = [
        key.path
        for key in KEYS
        if key.section is None
        and not key.field.is_required()
        and key.field.get_default(call_default_factory=True) not in (None, {})
        and len(re.findall(r"[.;:,]", key.field.description or "")) < 2
    ]
    assert plain == ["kafka.client_id"]


def test_every_mapping_of_the_schema_is_closed():
    whole = schema()
    for name, definition in [("top", whole), *whole["$defs"].items()]:
        assert definition["additionalProperties"] is False, name
        assert all("description" in each or "$ref" in each for each in definition["properties"].values()), name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "windows: [10s, 1m]\nmax_skew: 0s\nreplay_span: auto\nmax_record_bytes: 2MiB",
        "replay_span: 3h\nmax_record_bytes: 4096\nlog: {level: warn}",
        "export: {estimators: [naive], moments: true}\nweb: {listen_address: ':9752'}\nsnapshot: {kind: none}",
        "snapshot: {kind: changelog, interval: 1m, topic: states}\nreplay_rate: 10MiB",
        "snapshot: {kind: file, path: states}",
    ],
)
def test_the_schema_accepts_what_loads(judge, load_text, smallest, text):
    load_text(smallest + text)
    assert judge(smallest + text)


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {bootstrap_servers: 'a:1,b:2', group_id: g}\nstreams: [{topic: t}]",
        (
            "kafka: {bootstrap_servers: [a:1], group_id: g, security_protocol: SASL_SSL, "
            "sasl: {mechanism: PLAIN, username: u, password: p}}\nstreams: [{topic: t}]"
        ),
        (
            "kafka: {bootstrap_servers: [a:1], group_id: g}\nstreams: [{topic: t, name: n, preset: prime-rl, "
            "log_base: 2, where: {a: [1, x], 'header:b': y}, paths: {log_p: a.b, labels: {env_name: c}}, "
            "resolution: 'decimals:6', thresholds: [{preset: verl}, {nats: 1, severity: page}], expected_delay: 5m}]"
        ),
    ],
)
def test_the_schema_accepts_whole_configurations_that_load(judge, load_text, text):
    load_text(text)
    assert judge(text)


@pytest.mark.parametrize(
    "text",
    [
        "colour: red",
        "windows: []",
        "windows: [5]",
        "windows: [5 m]",
        "max_skew: 60",
        "max_record_bytes: 1 MiB",
        "replay_span: never",
        "log: {level: warning}",
        "export: {estimators: [best]}",
        "snapshot: {kind: disk}",
        "panes_per_window: 1",
        "min_messages: true",
        "web: {listen_address: nowhere}",
    ],
)
def test_the_schema_refuses_what_does_not_load(judge, problems, smallest, text):
    assert problems(smallest + text)
    assert not judge(smallest + text)


def test_the_schema_names_every_secret_so_that_editors_hide_it():
    definitions = schema()["$defs"]
    secret = [
        definitions["SaslSettings"]["properties"]["password"],
        definitions["SslSettings"]["properties"]["key_password"],
    ]
    for each in secret:
        assert each["anyOf"][0]["writeOnly"] is True
