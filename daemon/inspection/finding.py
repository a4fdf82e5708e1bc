"""What an inspection comes to: typed values that a table, sentences or a configuration can be made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from estimators.estimates import Sampler

#: How the mean ratio of a side fits E[r] = 1: it does; the side's support lacks a part of the other's; a sampler
#: cannot have it; the sample cannot tell.
Fit = Literal["fits", "below", "above", "unclear"]
#: By what a choice was made: the data, the names of the fields, or for want of both.
Decided = Literal["evidence", "name", "default"]
#: Why a field is no label as it is: too many values; values that are null, arrays or objects; values that no label's
#: value may be.
Obstacle = Literal["many", "kind", "characters"]


@dataclass(frozen=True, slots=True)
class SideEvidence:
    """One side taken for the sampler: mean of r = other / this side, which is 1 if it is.

    Attributes
    ----------
    path : str
        Field of the record, or what stands for it.
    ratio_mean, error, zscore : float
        Mean of r, its cluster-robust standard error (a message is a cluster), and (mean - 1) / error; NaN is not known.
    fit : Fit
    """

    path: str
    ratio_mean: float
    error: float
    zscore: float
    fit: Fit


@dataclass(frozen=True, slots=True)
class SamplerEvidence:
    """Which of the two sides the outcomes were drawn from (daemon/inspection/sampler.py has the reasoning).

    Attributes
    ----------
    sampled_from : "q" or "p"
        What the stream says, by `decided_by`.
    evident : "q", "p" or None
        The side that the data name; None where they cannot tell.
    named : "q", "p" or None
        The side that the fields' names name.
    log_odds : float
        Log-likelihood of the outcomes under q minus that under p, in nats, over the sample.
    zscore : float
        Of the mean of log q - log p: a divergence is never negative, so the sampler's side is the larger one.
    q, p : SideEvidence
        Each taken for the sampler.
    pairs_needed : int or None
        Pairs with which the data would tell, from the observed variance; None where they tell or nothing varies.
    identical : bool
        Whether both sides are equal in every pair.
    heavy_tailed : bool
        Whether a single message holds so much of the sampler's ratios that their mean says little.
    support_gap : float
        1 - mean of r of the chosen sampler.
    comparable : bool or None
        Self-check of the chosen sampler, as DESIGN.md section 4 has it.
    """

    sampled_from: Sampler
    decided_by: Decided
    evident: Sampler | None
    named: Sampler | None
    log_odds: float
    zscore: float
    q: SideEvidence
    p: SideEvidence
    pairs_needed: int | None = None
    identical: bool = False
    heavy_tailed: bool = False
    support_gap: float = float("nan")
    comparable: bool | None = None

    @property
    def chosen(self) -> SideEvidence:
        """Evidence about the side that the stream calls the sampler."""
        return self.q if self.sampled_from == "q" else self.p

    @property
    def other(self) -> SideEvidence:
        """Evidence about the side that it does not."""
        return self.p if self.sampled_from == "q" else self.q

    @property
    def neither_fits(self) -> bool:
        """Whether the mean ratio of either side is above 1, so that the outcomes were drawn from neither."""
        return self.q.fit == self.p.fit == "above"

    @property
    def contradicts_names(self) -> bool:
        """Whether the data name another sampler than the fields do."""
        return self.evident is not None and self.named is not None and self.evident != self.named


@dataclass(frozen=True, slots=True)
class LogBaseEvidence:
    """Base of the logged logarithms.

    Attributes
    ----------
    base : "e", 2 or 10; what the stream says
    decided_by : "evidence", or "default" where e was not refuted
    zscores : by base, (mean ratio - 1) / error of the chosen sampler under it; empty for probabilities
    also_fitting : other bases that the chosen sampler would fit too, at this many pairs
    pairs_needed : pairs with which a wrong base would show; None where that is so already, or does not apply
    """

    base: Literal["e", 2, 10] = "e"
    decided_by: Decided = "default"
    zscores: Mapping[str, float] = field(default_factory=dict)
    also_fitting: tuple[Literal["e", 2, 10], ...] = ()
    pairs_needed: int | None = None


@dataclass(frozen=True, slots=True)
class SideQuality:
    """Values of one side that cannot be used, as shares of its pairs: by kind."""

    path: str
    null: float = 0.0
    nan: float = 0.0
    sentinel: float = 0.0
    zero: float = 0.0  # probability 0
    positive: float = 0.0  # a log-probability above 0
    #: A whole number that stands there again and again, such as -100: perhaps a sentinel above the threshold.
    floor: float | None = None
    floor_share: float = 0.0


@dataclass(frozen=True, slots=True)
class MaskEvidence:
    """Which pairs no model chose.

    Attributes
    ----------
    path : str or None
        The mask that the stream reads.
    decided_by : "name" (a preset's, or a known name) or "evidence" (it masks just the placeholders)
    masked : float
        Share of the pairs that it leaves out.
    placeholders : float
        Share of the pairs that are left where both sides are exactly 0.0, so that p = q = 1.
    missing : bool
        Whether these look like placeholders that a mask ought to leave out, and not like certain outcomes.
    kl_with, kl_without : float
        Divergence, in nats a pair, from the sampler to the other: with those pairs, and without them (fixed).
    candidates : tuple of str
        Other arrays of 0 and 1, as long as the pairs' arrays.
    """

    path: str | None = None
    decided_by: Decided = "default"
    masked: float = 0.0
    placeholders: float = 0.0
    missing: bool = False
    kl_with: float = float("nan")
    kl_without: float = float("nan")
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelCandidate:
    """A field that could tell series apart.

    Attributes
    ----------
    values : distinct ones in the sample
    meant : whether its name, or the preset, says that it is a label
    obstacle : what speaks against it; None where nothing does
    refused : records of the sample that are rejected if it is a label
    """

    name: str
    path: str
    values: int
    meant: bool
    obstacle: Obstacle | None = None
    refused: int = 0

    @property
    def chosen(self) -> bool:
        """Whether the stream takes it."""
        return self.meant and self.obstacle is None

    @property
    def merged(self) -> bool:
        """Whether what it tells apart comes into one series, though its name says otherwise."""
        return self.meant and self.obstacle is not None and self.values > 1


@dataclass(frozen=True, slots=True)
class TimeEvidence:
    """When things happened and when they arrived.

    Attributes
    ----------
    path : str or None
        Field with the event time; None: the record's own timestamp, or nothing.
    messages_per_minute : float
        Over the span of the sample; NaN where no time is known.
    delay_median_seconds, delay_p99_seconds : float
        From event time to the record's timestamp; NaN where one of them is missing.
    expected_delay : str or None
        What to write as `expected_delay`; None where records come at once.
    zoneless : str or None
        Where no field is read: one with times that cannot be, since they do not say in which zone.
    """

    path: str | None = None
    messages_per_minute: float = float("nan")
    delay_median_seconds: float = float("nan")
    delay_p99_seconds: float = float("nan")
    expected_delay: str | None = None
    zoneless: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sample of records holds.

    Attributes
    ----------
    records : int
        Records of the sample.
    unreadable : int
        Those that are no document at all: garbage between the records, tombstones.
    bare_nan : bool
        Whether some of them hold NaN or Infinity without quotes, which is no JSON.
    encoding : str or None
        `json` or a msgpack format; None where most records are neither.
    stream : mapping
        Keys of `streams[]` that StreamSettings accepts, without `topic`; empty where nothing fits.
    preset : str or None
        Name of the preset that fits; None where paths are written out.
    p_path, q_path : str
        Where both sides are.
    decoded : int
        Records that give pairs with these settings.
    rejected : mapping of str to int
        The readable others, by reason.
    messages, pairs : int
        What the statistics rest on.
    logarithms : bool
        Whether the fields hold log-probabilities, not probabilities.
    alternatives : tuple of (str, str)
        Further couples of fields that could be two sides.
    fields : tuple of str
        What the records hold, each field with its kind in a word; for people who have to write paths themselves.
    problem : str
        A sentence where nothing fits; else empty.
    seconds_per_record : float
        How long decoding one record took here.
    """

    records: int = 0
    unreadable: int = 0
    bare_nan: bool = False
    encoding: str | None = None
    stream: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    p_path: str = ""
    q_path: str = ""
    decoded: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    messages: int = 0
    pairs: int = 0
    sampler: SamplerEvidence | None = None
    logarithms: bool = True
    log_base: LogBaseEvidence = field(default_factory=LogBaseEvidence)
    mask: MaskEvidence = field(default_factory=MaskEvidence)
    quality_q: SideQuality = field(default_factory=lambda: SideQuality(""))
    quality_p: SideQuality = field(default_factory=lambda: SideQuality(""))
    labels: tuple[LabelCandidate, ...] = ()
    time: TimeEvidence = field(default_factory=TimeEvidence)
    resolution: str = "float32"
    alternatives: tuple[tuple[str, str], ...] = ()
    fields: tuple[str, ...] = ()
    problem: str = ""
    seconds_per_record: float = float("nan")

    @property
    def fits(self) -> bool:
        """Whether the log can be read: `stream` is complete but for its topic."""
        return bool(self.stream)

    @property
    def share(self) -> float:
        """Share of the readable records that give pairs; NaN where there are none."""
        readable = self.records - self.unreadable
        return self.decoded / readable if readable else float("nan")
