"""A group of replicas whose dead letters go to a topic of the same log in memory, at once or when the test says so."""

import json
from collections import Counter

from daemon.dead_letters import Outbox, Outcome
from daemon.source import Partition
from tests.daemon.loop_world import PARTITIONS, Replica, World

DEAD = Partition("dead", 0)


class Post:
    """A carrier whose parcels wait while the topic is shut."""

    def __init__(self, log):
        self.log = log
        self.open = True
        self.underway = []
        self.ended = []

    def carry(self, parcel):
        self.underway.append(parcel)
        self.deliver()

    def outcomes(self, timeout_s):
        self.deliver()
        ended, self.ended = self.ended, []
        return ended

    def deliver(self):
        """Bring what is under way to the topic, if it takes it."""
        if self.open:
            self.log.append(DEAD, [parcel.value for parcel in self.underway])
            self.ended += [Outcome(parcel.ticket) for parcel in self.underway]
            self.underway = []


class DeadLetterWorld(World):
    """The world of the loop with records that cannot be used."""

    def __init__(self):
        self.open, self.spoilt = True, 0
        self.gone = []  # replicas that ended
        self.may_be_lost = set()  # letters of partitions that a replica had given away before it ended
        super().__init__(started=False)
        self.log.create_topic(DEAD.topic)
        self.commit(0)
        self.settle()

    def replica(self):
        replica = Replica(self)
        replica.post = Post(self.log)
        replica.post.open = self.open
        replica.loop._outbox = Outbox(self.clock, replica.post, topic=DEAD.topic)
        return replica

    def spoil(self, count):
        """Append records that cannot be read."""
        stamp = int(self.clock.now() * 1000)
        for number in range(count):
            self.log.append(Partition("pairs", number % PARTITIONS), [b"{"], [stamp])
        self.spoilt += count

    def shut(self, shut=True):
        """Let the dead-letter topic take nothing, or everything again."""
        self.open = not shut
        for replica in self.replicas:
            replica.post.open = self.open
            replica.post.deliver()

    def stop(self, which):
        """End one; it waits for its letters, and what is still under way then never arrives."""
        self._end(super().stop, which, arriving=lambda _: False)

    def kill(self, which):
        """End one without a word; every other letter that was under way arrives, its answer does not."""
        self._end(super().kill, which, arriving=lambda parcel: parcel.ticket % 2)

    def _end(self, end, which, arriving):
        gone = self.replicas[which % len(self.replicas)]
        owned = set(gone.loop._owned)
        end(which)
        if gone in self.replicas:
            return
        self.gone.append(gone)
        waiting = gone.loop._outbox._waiting
        for parcel in gone.post.underway:
            if arriving(parcel):
                self.log.append(DEAD, [parcel.value])
            if parcel.ticket in waiting and waiting[parcel.ticket].partition not in owned:
                self.may_be_lost.add((waiting[parcel.ticket].partition, waiting[parcel.ticket].offset))

    def letters(self):
        """How often each rejected record was told of."""
        found = [json.loads(record.value) for record in self.log.track(DEAD).records]
        return Counter((Partition(letter["topic"], letter["partition"]), letter["offset"]) for letter in found)

    def rejected(self):
        """Where the records are that cannot be read."""
        tracks = {part: self.log.track(part) for part in (Partition("pairs", number) for number in range(PARTITIONS))}
        return {(part, record.offset) for part, track in tracks.items() for record in track.records
            if record.value == b"{"}  # fmt: skip

    def counts(self):
        """Rejected, acknowledged, dropped: sums over all replicas that ever lived."""
        accounts = [replica.account for replica in (*self.replicas, *self.gone)]
        return tuple(
            sum(of(account) for account in accounts)
            for of in (
                lambda account: account.rejected["syntax"],
                lambda account: account.dead_letters.acknowledged,
                lambda account: account.dead_letters.dropped,
            )
        )
