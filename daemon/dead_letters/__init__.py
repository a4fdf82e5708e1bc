"""Dead letters: what is told, in a topic of its own, of every record that cannot be used."""

from daemon.dead_letters.letter import DeadLetter, LetterCounts, letters_of
from daemon.dead_letters.outbox import Carrier, Outbox, Outcome, Parcel

__all__ = ["Carrier", "DeadLetter", "LetterCounts", "Outbox", "Outcome", "Parcel", "letters_of"]
