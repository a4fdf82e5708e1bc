"""Whether the group still counts us as a member, asked where we may have been thrown out without knowing it."""

from typing import Final

from kafka import KafkaConsumer

from daemon import kafka_guards
from daemon.clock import Clock

_MEMBERSHIP_MS: Final = 2_000


class Membership:
    """Used by the loop's thread. Half a session without a sign of life is long enough to ask."""

    def __init__(self, consumer: KafkaConsumer, clock: Clock, session_timeout_s: float) -> None:
        self._consumer = consumer
        self._clock = clock
        self._session_timeout_s = session_timeout_s
        self._trusted_s = session_timeout_s / 2
        self._confirmed = clock.monotonic()  # when we last knew
        self._generation = -1  # of the group, as last seen
        self._beat = self._confirmed  # when the last heartbeat was sent that was answered
        self._told = self._confirmed  # when the group last let us join, or was asked what it answered

    def silent_s(self, *, records: bool = False) -> float:
        """Seconds since we last knew; where `records` were polled, since the group's last answer."""
        now = self._clock.monotonic()
        silent = now - self._confirmed
        return max(silent, now - self.answered()) if records else silent

    def confirm(self, silent_s: float) -> bool | None:
        """Tell whether we are a member: yes, no, or None where the group was asked and did not answer."""
        if silent_s <= self._trusted_s or not self._consumer.assignment():
            return True
        asked = self._clock.monotonic()
        member = kafka_guards.confirm_membership(self._consumer, _MEMBERSHIP_MS)
        if member:
            self._told = asked
        return member

    def renew(self) -> None:
        """Note that we know now."""
        self._confirmed = self._clock.monotonic()

    def note_heartbeat(self, sent: float) -> None:
        """Note that a heartbeat was answered, which was sent at these monotonic seconds; on the IO thread."""
        self._beat = sent

    def answered(self) -> float:
        """Monotonic seconds of which the group's last answer tells: to a join, a heartbeat or a question.

        A late answer tells of the time at which it was asked: the group may have gone on without us since.
        """
        generation = self._consumer.group_metadata().generation_id
        if generation != self._generation:
            self._generation = generation
            if generation >= 0:  # below: thrown out, or not in yet
                self._told = self._clock.monotonic()
        return max(self._told, self._beat)

    def session_alive(self) -> bool:
        """Whether that was within a session, so that nobody else can have been given our partitions."""
        return self._clock.monotonic() - self.answered() <= self._session_timeout_s
