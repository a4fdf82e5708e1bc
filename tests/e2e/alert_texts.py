"""Whether what an alert says is true and can be read: links that lead somewhere, and figures that are the play's."""

import re
from urllib.parse import parse_qs, urlsplit

from daemon.demo.scenarios import THRESHOLD_NATS
from daemon.demo.writer import CALM_NATS, KEPT_MASS, SHIFTED_NATS
from tests.deploy.dashboards import UIDS
from tests.e2e.alert_plays import LOW_NATS
from tests.e2e.conftest import ROOT

#: What a template leaves where it fails, and numbers that are none.
_BROKEN = re.compile(r"%!|<no value>|<error|<nil>|\bNaN\b|\bInf\b")
#: What is said first of what was played: a quarter of the records, and a quarter of the pairs of a third of the others.
_FIGURES = {
    "KlaxonPairsNotComparable": (r"The mean of other/sampler over 15s is (\S+) and should be 1", KEPT_MASS - 0.01, 1.0),
    "KlaxonRecordsRejected": (r"(\S+)% of the records of the last 15s .* the reason is 'syntax'\.", 1.0, 30.0),
    "KlaxonPairsRejected": (r"(\S+)% of the pairs of the last 15s .* the reason is 'sentinel'\.", 1.0, 12.0),
    "KlaxonNoData": (r"No series of it has a usable message in the last (\d+)s", 5.0, 5.0),
}
_DRIFT = re.compile(
    r"KL\(q\|\|p\) over 15s is (\S+) nats \(95 % interval (\S+) to (\S+)\), (\S+) times the threshold of ([\d.]+);"
)


def faults_of(told):
    """Everything that is wrong with what one alert says, as sentences; `told` is a Told of the webhook."""
    said, alert = told.annotations, told.labels["alertname"]
    wrong = [key for key, text in said.items() if _BROKEN.search(text)]
    if not (ROOT / said["runbook_url"]).is_file():
        wrong.append("runbook_url")
    page = urlsplit(said["dashboard_url"])
    stream = parse_qs(page.query).get("var-stream")
    if page.path.rpartition("/")[2] not in UIDS or stream != [told.labels["stream"]]:
        wrong.append("dashboard_url")
    if not (_drift_is_true if alert == "KlaxonDrift" else _figure_is_true)(alert, said["description"]):
        wrong.append("description")
    return [f"{told.name}: {key} is wrong: {said[key]}" for key in wrong]


def _figure_is_true(alert, text):
    pattern, low, high = _FIGURES[alert]
    found = re.match(pattern, text)
    return found is not None and low <= float(found[1]) <= high


def _drift_is_true(_, text):
    """Above the threshold, between what was calm and what was shifted to, within its interval, times as it says."""
    found = _DRIFT.match(text)
    if found is None:
        return False
    value, lower, upper, times, threshold = map(float, found.groups())
    return (
        threshold in (THRESHOLD_NATS, LOW_NATS)
        and max(threshold, 0.9 * CALM_NATS) < value < 1.1 * SHIFTED_NATS
        and lower <= value <= upper
        and abs(times - value / threshold) <= 0.05 * times
    )
