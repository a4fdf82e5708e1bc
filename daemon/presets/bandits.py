"""Logged decisions of recommenders and contextual bandits: one decision a record."""

from typing import Final

from daemon.codec import Format
from daemon.presets.preset import Counterpart, Preset

OPEN_BANDIT: Final = Preset(
    name="open-bandit",
    description="logged bandit feedback: q is propensity_score, p is uniform_probability, one series per campaign",
    format=Format(
        paths={"p": "uniform_probability", "q": "propensity_score", "time": "timestamp"},
        label_names=("campaign",),
    ),
    # Propensities have 6 decimals, which adds the variance (1e-6 / q)^2 / 12 to their logarithms: 8.7e-9 on average
    # over the log that is shipped, and 3 decimals of a log-probability stand for 8.3e-8.
    resolution="decimals:3",
    producer="The Open Bandit Dataset and its pipeline (arXiv:2008.07146), as CSV with a column for the other policy.",
    example="timestamp,item_id,position,propensity_score,campaign,uniform_probability",
    sampler="The logging policy drew the item, and propensity_score is its probability of it, so q is the sampler.",
    advice=(
        "For a policy of your own write its probability of the logged item into a column, and name it in `paths.p`.",
    ),
    counterparts=(
        Counterpart("pscore", "q", "the same number under its name in the Python package."),
        Counterpart(
            "the IPW estimate of a policy's value",
            None,
            "it averages reward times p / q; our ratio mean is the same sum with reward 1, and has to be 1.",
        ),
    ),
)

VW_DSJSON: Final = Preset(
    name="vw-dsjson",
    description="Vowpal Wabbit decisions: q is _label_probability, p is uniform over the actions a unless a path "
    "tells it; sub-sampled logs are weighted by pdrop",
    format=Format(
        paths={
            "q": "_label_probability",
            "uniform_over": "a",
            "time": "Timestamp",
            "drop_probability": "pdrop",
        }
    ),
    resolution="float32",
    producer="Vowpal Wabbit's decision service format (`--dsjson`), as its client library and Personalizer write it.",
    example='{"_label_cost":-1,"_label_probability":0.8,"_label_Action":2,"_labelIndex":1,'
    '"Timestamp":"2026-03-02T09:00:00.4380000Z","Version":"1","EventId":"38cbf24f70b24c76",'
    '"a":[2,1,3],"c":{"User":{"id":"u7"},"_multi":[{"a":"x"},{"a":"y"},{"a":"z"}]},"p":[0.8,0.1,0.1],'
    '"VWState":{"m":"N/A"},"pdrop":0.5}',
    sampler="The logging policy drew the action, and _label_probability is its probability of it, so q is the sampler.",
    advice=(
        (
            "Without a path for the other policy, p is the uniform policy: KL(q||p) is then how far the policy is from "
            "exploring evenly, in nats: log(actions) less its entropy."
        ),
        (
            "To compare two policies, score the logged action with the second one, write its probability into a "
            "field, and name that in `paths.p`. The field `p` of the format is no such thing: it is q's own "
            "distribution over `a`."
        ),
        (
            "pdrop is the probability with which an event was left out of the log; without it a log that drops the "
            "events of some actions more often than others is biased."
        ),
        (
            "Records of several slots (CCB, slates) hold their probabilities in `_outcomes[]._p[0]` and more than one "
            "decision each; one-sided records hold one pair, so give paths for both sides there."
        ),
    ),
    counterparts=(
        Counterpart(
            "average loss, `ips` and `snips`", None, "they are about costs; no distance of policies is printed."
        ),
        Counterpart("pdrop", "weight", "the weight of the pair is 1 / (1 - pdrop)."),
    ),
)
