"""What is wrong with a configuration, for people: every problem with its exact path and what to write instead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: the exact path of the key (or the file's place), and what is wrong and what to write."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return the one line that people read."""
        return f"{self.path}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes
    ----------
    problems : tuple of Problem
        All faults found, at least one. No text in them holds a secret's value.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def path_text(location: Sequence[str | int]) -> str:
    """Write a location as people write it: `streams[0].paths.log_p`; a key that is no plain name is quoted."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "a").isalnum():
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that somebody who wrote `word` most probably meant, if any is near."""
    by_shape = {_shape(candidate): candidate for candidate in known}
    close = get_close_matches(_shape(word), by_shape, n=1, cutoff=0.6)
    return by_shape[close[0]] if close else None


def _shape(word: str) -> str:
    """Camel case, dashes and capitals are habits of other programs, not typing errors."""
    return word.replace("-", "").replace("_", "").lower()


def one_of(words: Sequence[str]) -> str:
    """List the allowed words in a sentence."""
    quoted = [f"`{word}`" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
