"""What a preset is: a format with its precision, and what a reader has to know of its producer."""

from dataclasses import dataclass

from daemon.codec import Format


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A number that the producer publishes itself, beside ours.

    Attributes
    ----------
    theirs : its name there
    ours : the metric of ours that it equals, such as `reverse fixed`; None where it is none of ours
    why : for people
    """

    theirs: str
    ours: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Preset:
    """Defaults for a stream; what is configured beside it holds instead.

    Attributes
    ----------
    name, description : str
    format : Format
        Paths, series labels and sampler.
    resolution : str
        Precision of the logged values, as `resolution` is configured.
    producer : who writes such records, and which switches make it do so
    example : one line of such a log, shortened
    sampler : why the sampler is the one that it is, in a sentence
    advice : sentences about what to log and what to beware of
    counterparts : numbers that the producer publishes itself
    """

    name: str
    description: str
    format: Format
    resolution: str
    producer: str
    example: str
    sampler: str
    advice: tuple[str, ...] = ()
    counterparts: tuple[Counterpart, ...] = ()
