"""A thread that sends the demo's messages at their pace."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from daemon.clock import Clock
from daemon.demo.ledger import Ledger
from daemon.demo.messages import MessageSource
from daemon.kafka_producer import Producer

_TURN_SECONDS: Final = 0.02
_MOST_BEHIND_SECONDS: Final = 1.0  # a pause of the machine is not made up for by a flood
_FLUSH_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Channel:
    """A source of messages and the topic that they go to."""

    topic: str
    source: MessageSource


class Traffic:
    """Sends every channel at its source's rate, each message stamped with the present and entered into the ledger."""

    def __init__(self, channels: Sequence[Channel], bootstrap_servers: str, clock: Clock, ledger: Ledger) -> None:
        self._channels = channels
        self._clock = clock
        self._ledger = ledger
        self._producer = Producer(bootstrap_servers, "klaxon-demo-producer")
        self._event_us = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-traffic", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send what is on its way, and leave."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_FLUSH_SECONDS)
        self._producer.flush(_FLUSH_SECONDS)
        self._producer.close()

    @property
    def refused(self) -> int:
        """Records that the broker did not take."""
        return self._producer.refused

    def alive(self) -> bool:
        """Whether records are still being sent."""
        return self._thread.is_alive()

    def _run(self) -> None:
        due = dict.fromkeys(self._channels, self._clock.monotonic())
        while not self._stop.wait(_TURN_SECONDS):
            now = self._clock.monotonic()
            for channel in self._channels:
                due[channel] = max(due[channel], now - _MOST_BEHIND_SECONDS)
                while due[channel] <= now:
                    self._send(channel)
                    due[channel] += 1.0 / channel.source.rate

    def _send(self, channel: Channel) -> None:
        # Never backwards, whatever is done to the machine's clock: the ledger is in order.
        self._event_us = max(self._event_us, int(self._clock.now() * 1e6))
        message = channel.source.next_message(self._event_us)
        if message is not None:
            self._ledger.add(message)
            self._producer.send(channel.topic, message.value, message.event_us // 1000)
