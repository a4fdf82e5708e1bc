"""Every query of every dashboard, on a Prometheus that two real replicas and the rules have filled."""

import json
import math
import random
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from daemon.rules import Terms, yaml_text
from tests.deploy.dashboards import UIDS, dashboard, expressions, option_texts, put_in, variables
from tests.e2e.conftest import values
from tests.e2e.test_exactness import caught_up, produce, settings

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus]

MODELS = [(model, version) for model in ("ranker", "reader") for version in ("1", "2")]
#: Series of which both replicas hold parts, but for the last one, which is in one partition only.
SERIES = [f'model="{model}",version="{version}"' for model, version in MODELS]
SECONDS = Terms(
    short="1m", long="5m", short_seconds=60.0, hold="0s", patience="0s", rate="1m", min_messages=3, grafana="https://g"
)
#: As a ServiceMonitor of the Prometheus operator labels a target, and as a plain configuration does.
TARGETS = {
    "operator": {"namespace": "models", "pod": "klaxon-0", "container": "klaxond", "endpoint": "http", "service": "k"},
    "plain": {},
}
#: Queries that show nothing while all is well.
EMPTY = {
    ("Series held", "B"): "nothing is over the cap on series",
}


def records(draw, count, begin, end):
    """Messages of ten outcomes over two partitions, [(partition, timestamp_ms, value)] in order of event time.

    q is 0.9 and 0.1, p the other way round, so KL is 1.76 nats. Nearly all messages hold each outcome as often as q
    says, so that the ratio mean is close to 1 and the self-check is sure of it.
    """
    made = []
    for index in range(count):
        likely = draw.choices((9, 8, 10), (98, 1, 1))[0]
        q, p = ([first] * likely + [second] * (10 - likely) for first, second in ((0.9, 0.1), (0.1, 0.9)))
        model, version = MODELS[index % len(MODELS)]
        stamp = begin + (end - begin) * index / count
        value = {"model": model, "version": version, "ts": stamp, "q": q, "p": p}
        partition = 0 if (model, version) == MODELS[-1] else draw.randrange(2)
        made.append((partition, int(stamp * 1000), json.dumps(value).encode()))
    return made


def wrong_records():
    """A record that is none, one without its fields, and one of which one pair has no probability."""
    pair = {"model": "ranker", "version": "1", "ts": time.time(), "logp": [None, -1], "logq": [-1, -1]}
    return [(0, int(time.time() * 1000), value) for value in (b"{", b'{"model": "a"}', json.dumps(pair).encode())]


def owns_one_partition(samples):
    """Whether a replica owns its part of the topic and has read it."""
    return len(values(samples, "klaxon_partition_owned")) == 1 and caught_up(samples)


@pytest.fixture
def filled(kafka_broker, klaxond, prometheus, tmp_path):
    """Two Prometheus servers that scrape two replicas, while records come in."""
    topic, draw = f"dashboards-{time.time_ns()}", random.Random(5)
    kafka_broker.create_topic(topic, 2)
    produce(kafka_broker, topic, records(draw, 2000, time.time() - 280, time.time() - 1))
    snapshots = {"kind": "file", "path": str(tmp_path / "snapshots"), "interval": "1s"}
    configuration = settings(kafka_broker, topic, snapshot=snapshots)
    limits = [{"severity": "warning", "direction": way, "nats": 1e-6} for way in ("reverse", "forward")]
    configuration["streams"][0] |= {"thresholds": limits}
    configuration["export"] |= {"moments": True}
    replicas = [klaxond(configuration, name) for name in ("one", "two")]
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml_text(SECONDS))
    addresses = [replica.address for replica in replicas]
    servers = {name: prometheus(addresses, rules=rules, labels=labels) for name, labels in TARGETS.items()}
    for replica in replicas:
        replica.wait_until(owns_one_partition, "a partition for each")
    for server in servers.values():
        server.wait_for("klaxon_records_consumed_total", count=2)
    rejected = 'ALERTS{alertname="KlaxonRecordsRejected",alertstate="firing"}'
    for turn in range(40):  # what comes in while Prometheus looks, so that rates are there
        produce(kafka_broker, topic, records(draw, 50, time.time() - 1, time.time()) + wrong_records())
        time.sleep(1)
        if turn >= 2 and all(server.query(rejected) for server in servers.values()):
            break
    else:
        pytest.fail("no alarm about rejected records while they come")
    for server in servers.values():
        server.wait_for('ALERTS{alertname="KlaxonDrift",alertstate="firing"}', count=8)
        server.wait_for("klaxon_snapshot_bytes", count=2)
    return servers


def test_every_query_of_every_dashboard_gives_finite_numbers(filled):
    for name, server in filled.items():
        namespace = TARGETS[name].get("namespace", "")
        assert _offered(server, namespace) == SERIES == sorted(_series_of_alarms(server))
        for uid, series in (*((uid, SERIES[0]) for uid in UIDS), ("klaxon-series", SERIES[-1])):
            assert _without_numbers(server, dashboard(uid), choice(namespace, series)) == {}
        _assert_the_overview_counts_what_is_there(server, choice(namespace, SERIES[0]))
        for series in (SERIES[0], SERIES[-1]):
            _assert_the_band_is_the_interval(server, choice(namespace, series))


def choice(namespace, series):
    """What a reader chooses, all where that is possible."""
    one = {"namespace": namespace, "job": "klaxon", "stream": "pairs", "series": series, "window": "5m"}
    return {"klaxon-series": one} | {
        uid: one
        | {
            name: variable["allValue"]
            for name, variable in variables(dashboard(uid)).items()
            if variable.get("includeAll")
        }
        for uid in UIDS
        if uid != "klaxon-series"
    }


def _offered(server, namespace):
    """The series that the dashboard of one series offers."""
    variable = variables(dashboard("klaxon-series"))["series"]
    query = re.fullmatch(r"query_result\((.*)\)", variable["query"])[1]
    (pattern,) = re.fullmatch(r"/(.*)/", variable["regex"]).groups()
    samples = server.query(put_in(query, choice(namespace, "")["klaxon-series"]))
    return sorted(re.search(pattern, text)[1] for text in option_texts(samples))


def _series_of_alarms(server):
    """The series to which the alarms about drift lead."""
    (rule,) = (rule for rule in server.rules() if rule["name"] == "KlaxonDrift")
    pages = [urlsplit(alert["annotations"]["dashboard_url"]) for alert in rule["alerts"]]
    return {text for page in pages for text in parse_qs(page.query)["var-series"]}


def _without_numbers(server, made, chosen):
    """Queries that give nothing, or something that is no number, or something though they should not."""
    wrong = {}
    for title, name, expression in expressions(made):
        asked = put_in(expression, chosen[made["uid"]])
        found = [sample.value for sample in server.query(asked)]
        if bool(found) == ((title, name) in EMPTY) or not all(map(math.isfinite, found)):
            wrong[made["title"], title, name] = (asked, found)
    return wrong


def _shown(server, uid, title, name, chosen, at):
    """What one query of a panel gives at a time."""
    (asked,) = (text for panel, query, text in expressions(dashboard(uid)) if (panel, query) == (title, name))
    return server.query(put_in(asked, chosen[uid]), at)


def _assert_the_overview_counts_what_is_there(server, chosen):
    expected = {"Series that drift": 4, "Not comparable": 0, "Infinite": 0, "Streams not fully read": 0}
    expected |= {"Series": 4, "Replicas": 2}
    for title, count in expected.items():
        (sample,) = _shown(server, "klaxon-overview", title, "A", chosen, time.time() - 1)
        assert sample.value == count, title
    (owned,) = _shown(server, "klaxon-daemon", "Partitions owned", "A", chosen, time.time() - 1)
    assert owned.value == 1
    (drift,) = _shown(server, "klaxon-series", "What held when", "A", chosen, time.time() - 1)
    assert drift.value == 2  # an alarm


def _assert_the_band_is_the_interval(server, chosen):
    """Of one replica its own, of two exp(+-1.96 se / value) times the value; between them the value."""
    at = time.time() - 1
    lower, upper, value = (
        _shown(server, "klaxon-series", "KL(q||p) over $window", name, chosen, at)[0].value for name in "ABC"
    )
    selected = put_in('{direction="reverse", window="5m", ${series:raw}}', chosen["klaxon-series"])
    own = server.query(f"klaxon_kl_lower_nats{selected}", at)
    if len(own) == 1:
        assert lower == own[0].value
        assert upper == server.query(f"klaxon_kl_upper_nats{selected}", at)[0].value
    else:
        (error,) = server.query(f"series:klaxon_kl_standard_error_nats:merged{selected}", at)
        ratio = math.exp(1.96 * error.value / value)
        assert math.isclose(lower * ratio, value, rel_tol=1e-9)
        assert math.isclose(upper / ratio, value, rel_tol=1e-9)
    assert (len(own) == 1) == (chosen["klaxon-series"]["series"] == SERIES[-1])
    assert lower < value < upper
