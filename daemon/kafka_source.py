"""The Source that reads a real log: a member of a Kafka consumer group.

One thread, the loop's, calls it. The rebalance listener runs on the client's IO thread, but only while the loop's
thread waits inside `poll` or `close`, so both may use the same attributes.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import MemberState

from daemon import kafka_fetches, kafka_guards
from daemon.clock import Clock
from daemon.kafka_failures import in_words, is_refusal
from daemon.kafka_faults import Faults
from daemon.kafka_fetches import Answers
from daemon.kafka_group import Commits, Listener, leave, topic_partition
from daemon.kafka_guards import PoisonedBatchError
from daemon.kafka_logs import protect_logs
from daemon.kafka_membership import Membership
from daemon.kafka_options import KafkaOptions, batch_of, member_arguments
from daemon.kafka_outage import Outage
from daemon.kafka_probe import any_reachable, diagnose
from daemon.kafka_questions import Questions
from daemon.kafka_requirements import require_client
from daemon.kafka_security import client_arguments
from daemon.source import COMMIT_SECONDS, Partition, Polled, Rebalance, SourceHealth, SourceUnavailableError

log = structlog.get_logger(__name__)

_PAUSE_SECONDS: Final = 0.1  # after a poll that failed at once
# Of the time to close: for the commit, as much again for the group's answer, half as much for a rebalance that runs.
_LEAVING_SHARE: Final = 0.35

_Records = dict[TopicPartition, list[Any]]


class KafkaSource:
    """See the Source protocol. The constructor returns at once, brokers or none, and polling tries for ever.

    Raises UsageError for security settings that cannot work, OperatingError where the client is not the tested one.
    """

    def __init__(self, options: KafkaOptions, enqueue: Callable[[Rebalance], None], clock: Clock) -> None:
        require_client()
        kafka_guards.install()
        protect_logs(options.security.secrets())
        self._options = options
        self._clock = clock
        self._connection = client_arguments(options.security)
        self._tokens = self._connection.get("sasl_oauth_token_provider")
        self._outage = Outage(clock, lambda: diagnose(options.bootstrap_servers, options.security))
        self._consumer = KafkaConsumer(**member_arguments(options, self._connection))
        self._membership = Membership(self._consumer, clock, options.session_timeout_s)
        kafka_guards.attach(
            self._consumer, self._outage.progress, self._note_connection, self._membership.note_heartbeat
        )
        self._questions = Questions(self._consumer, options)
        self._faults = Faults(self._consumer, options, self._connection)
        self._commits = Commits()
        self._listener = Listener(self._consumer, enqueue, self._commits)
        self._told_ends: dict[TopicPartition, int] = {}
        self._answers = Answers(self._consumer, clock)
        kafka_fetches.guard_pauses(self._consumer)
        self._last_beat = 0.0
        self._failure = ""  # of the poll that runs
        self._refusal: Exception | None = None  # brokers are there, but not for us
        self._consumer.subscribe(list(options.topics), listener=self._listener)

    def poll(self, timeout_s: float) -> Polled:
        """Wait up to `timeout_s` for records of the resumed partitions; an outage is an empty answer."""
        started = self._clock.monotonic()
        self._failure = ""
        records = self._if_still_ours(self._poll_client(timeout_s))
        joined = self._consumer.group_metadata().state == MemberState.STABLE
        self._faults.compare_topics(joined=joined)
        gaps, recreated = self._faults.take()
        void = {topic_partition(void.partition) for void in recreated}
        for partition in void:
            self._commits.learn(partition, None)
            self._told_ends.pop(partition, None)
        batches = tuple(
            batch_of(partition, rows, want_headers=self._options.want_headers, want_keys=self._options.want_keys)
            for partition, rows in records.items()
            if rows and partition not in void and self._delivers(partition)
        )
        for batch in batches:
            self._answers.start(topic_partition(batch.partition))
        self._note_idle_progress(joined=joined)
        self._outage.after_poll(self._clock.monotonic() - started, joined=joined, failure=self._failure)
        return Polled(batches, gaps, recreated)

    def committed(self, partitions: Sequence[Partition]) -> Mapping[Partition, int | None]:
        """Return the group's stored offsets; None where it has none."""
        stored = {partition: self._questions.committed(topic_partition(partition)) for partition in partitions}
        for partition, offset in stored.items():
            self._commits.learn(topic_partition(partition), offset)
        return stored

    def resume_at(self, partition: Partition, offset: int, leader_epoch: int = -1) -> bool:
        """Seek to `offset` and let `poll` deliver. False if the partition is no longer ours."""
        tp = topic_partition(partition)
        if tp not in self._consumer.assignment():
            return False
        self._faults.forget(tp)
        kafka_fetches.seek(self._consumer, tp, offset, leader_epoch)
        self._answers.start(tp)
        self._consumer.resume(tp)
        return True

    def hold(self, partition: Partition) -> None:
        """Deliver nothing of an owned partition until `release`."""
        if (tp := topic_partition(partition)) in self._consumer.assignment():
            self._consumer.pause(tp)

    def release(self, partition: Partition) -> None:
        """Deliver again what was held."""
        if (tp := topic_partition(partition)) in self._consumer.assignment():
            self._consumer.resume(tp)

    def topic_id(self, topic: str) -> str:
        """Id of the topic that `poll` reads, as last compared; empty where the brokers do not tell."""
        return self._faults.topic_id(topic)

    def leader_epoch(self, partition: Partition) -> int:
        """Leader epoch of the last record before the position; -1 where it is not known."""
        return kafka_fetches.leader_epoch(self._consumer, topic_partition(partition))

    def answered(self, partition: Partition) -> float | None:
        """Monotonic seconds at which brokers last answered for a resumed partition; None if it is not ours."""
        tp = topic_partition(partition)
        return self._answers.at(tp) if tp in self._consumer.assignment() else None

    def position(self, partition: Partition) -> int | None:
        """Offset that is delivered next; moves past control records too."""
        return kafka_guards.position(self._consumer, topic_partition(partition))

    def forget_committed(self, partition: Partition) -> None:
        """Take the group's stored offset for void: it is beyond the log's end, so a commit may go below it."""
        self._commits.learn(topic_partition(partition), None)

    def high_watermark(self, partition: Partition) -> int | None:
        """End of the log as last told, by a fetch response or before the first one by `end_offset`."""
        tp = topic_partition(partition)
        if tp not in self._consumer.assignment():
            return None
        fetched: int | None = self._consumer.highwater(tp)
        # A partition that is idle since before it was assigned to us again is left out of fetch responses.
        return self._told_ends.get(tp) if fetched is None else fetched

    def beginning_offset(self, partition: Partition) -> int:
        """First offset that still exists."""
        return self._questions.beginning(topic_partition(partition))

    def end_offset(self, partition: Partition) -> int:
        """Offset after the last record, asked of the broker now (the last stable offset under read_committed)."""
        tp = topic_partition(partition)
        self._told_ends[tp] = self._questions.end(tp)
        return self._told_ends[tp]

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        """First offset whose record's timestamp is at or after the given one; None beyond the end."""
        return self._questions.offset_for_time(topic_partition(partition), timestamp_ms)

    def largest_timestamp_ms(self, partition: Partition) -> int | None:
        """Largest record timestamp of the partition; None if it is empty or the broker cannot tell."""
        return self._questions.largest_timestamp_ms(topic_partition(partition))

    def partition_count(self, topic: str) -> int | None:
        """Partitions of the topic as the cluster's metadata has it now."""
        return kafka_guards.partition_count(self._consumer, topic)

    def stage_commit(self, offsets: Mapping[Partition, int]) -> None:
        """Name the offsets that a revocation may commit."""
        self._commits.stage(offsets)

    def commit(self, offsets: Mapping[Partition, int], timeout_s: float = COMMIT_SECONDS) -> bool:
        """Store offsets for the group, never backwards. False if the group refused or did not answer in time."""
        due = self._commits.due(self._consumer.assignment(), offsets)
        if not due:
            return True
        try:
            self._consumer.commit(due, timeout_ms=round(timeout_s * 1000))
        except KafkaError as error:
            self._commits.tell_failure(error, len(due))
            return False
        self._commits.store(due)
        return True

    def still_ours(self) -> bool:
        """Whether the group is known to count us as a member."""
        member = self._membership.confirm(self._membership.silent_s())
        if member:
            self._membership.renew()
        return bool(member)

    def session_alive(self) -> bool:
        """Whether the group has answered within a session."""
        return self._membership.session_alive()

    def health(self) -> SourceHealth:
        """Tell what is known of the brokers now; cheap, and safe from any thread."""
        return self._outage.health()

    def heartbeat_age_s(self) -> float | None:
        """Seconds since our last sign of life to the group, None while none is due; for the watchdog, any thread."""
        return kafka_guards.heartbeat_age_s(self._consumer)

    def any_broker_reachable(self) -> bool:
        """Try to connect to the brokers, up to seconds each; for the watchdog, any thread.

        Brokers that refuse us (credentials, rights, a foreign group) do not count: a new start would not help.
        """
        return self._refusal is None and any_reachable(self._options.bootstrap_servers, self._options.security)

    def close(self, timeout_s: float) -> None:
        """Leave the group within `timeout_s`, committing what was staged."""
        self._listener.commit_seconds = _LEAVING_SHARE * timeout_s
        # On a thread, because the client waits without a limit for an IO thread that may be resolving a name.
        leaving = threading.Thread(
            target=leave, args=(self._consumer, self._clock, _LEAVING_SHARE * timeout_s), daemon=True
        )
        leaving.start()
        leaving.join(timeout_s)
        if leaving.is_alive():
            log.warning("the group was not left in time; it will notice by itself", seconds=timeout_s)
        if self._tokens is not None:
            self._tokens.close()

    def _poll_client(self, timeout_s: float) -> _Records:
        try:
            records: _Records = self._consumer.poll(timeout_ms=round(timeout_s * 1000))
        except (PoisonedBatchError, KafkaError) as error:
            if self._listener.failure is not None:
                raise self._listener.failure from error
            self._note_failure(error)
            return {}
        if self._refusal is not None and not records:
            self._failure = in_words(self._refusal, self._options)
        return records

    def _note_connection(self, error: Exception | None) -> None:
        """Keep why a broker did not let us in, until one does; on the IO thread.

        Other errors in between change nothing: a broker that refuses may also just hang up.
        """
        if error is None or is_refusal(error):
            self._refusal = error

    def _note_failure(self, error: PoisonedBatchError | KafkaError) -> None:
        try:
            remedied = self._faults.remedy(error)
        except SourceUnavailableError as unavailable:
            self._failure = str(unavailable)
        else:
            if not remedied:
                self._refusal = error if is_refusal(error) else self._refusal
                self._failure = in_words(error, self._options)
                time.sleep(_PAUSE_SECONDS)

    def _if_still_ours(self, records: _Records) -> _Records:
        """Return the records, unless the group may have given our partitions away since we last heard of it.

        A process that was stopped, or cut off, is handed records of partitions that it has lost for about a second.
        """
        silent = self._membership.silent_s(records=bool(records))
        member = self._membership.confirm(silent)
        if member:
            self._membership.renew()
            return records
        self._rewind(records)
        if member is False:
            log.warning("the group went on without us, its partitions are dropped", silent_seconds=silent)
            # Lets the client find out now, and tell the listener, instead of after the next batch.
            self._rewind(self._poll_client(_PAUSE_SECONDS))
            self._membership.renew()
        return {}

    def _rewind(self, records: _Records) -> None:
        for partition, rows in records.items():
            if rows and partition in self._consumer.assignment():
                self._consumer.seek(partition, rows[0].offset)

    def _delivers(self, partition: TopicPartition) -> bool:
        return partition in self._consumer.assignment() and partition not in self._consumer.paused()

    def _note_idle_progress(self, *, joined: bool) -> None:
        """Count the group's answers as progress, while there is nothing to fetch."""
        if kafka_guards.joining(self._consumer):
            if kafka_guards.connected(self._consumer):
                self._outage.progress()
        elif joined and not self._consumer.assignment() - self._consumer.paused():
            beat = self._membership.answered()
            if beat > self._last_beat:
                self._last_beat = beat
                self._outage.progress()
