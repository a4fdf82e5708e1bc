"""What the log says at start about how the topics are set up."""

import structlog

from daemon.kafka_admin import Admin
from daemon.kafka_options import KafkaOptions, missing_dead_letter_topic
from daemon.kafka_probe import probe

log = structlog.get_logger(__name__)


def warn_of_topics(options: KafkaOptions) -> None:
    """Log a warning for each topic whose producers set the time, and where dead letters have no topic; never raise.

    Panes expire by that time. It asks the brokers and may take seconds, so it belongs on a thread of its own. Where
    they cannot be asked it says so at INFO only: what keeps the daemon from reading is told elsewhere.
    """
    try:
        _warn(options)
    except Exception as failure:  # noqa: BLE001  # advice must not end a daemon that can do its work
        _unknown(str(failure))


def _warn(options: KafkaOptions) -> None:
    # The client leaks a thread when it is made without a broker to talk to, so look first.
    servers = (probe(address, options.security) for address in options.bootstrap_servers)
    if not any(server.reachable for server in servers):
        _unknown("no broker can be reached")
        return
    with Admin(options.bootstrap_servers, options.security) as admin:
        for topic in options.topics:
            facts = admin.topic(topic)
            problem = facts.clock_problem(options.bootstrap_servers) if facts else ""
            if problem:
                log.warning("timestamps are the producers'", topic=topic, problem=problem)
        letters = options.dead_letter_topic
        if letters is not None and admin.topic(letters) is None:
            problem = missing_dead_letter_topic(letters, options.bootstrap_servers)
            log.warning("no dead letter can be sent", topic=letters, problem=problem)


def _unknown(reason: str) -> None:
    log.info("timestamp types of the topics are not known", reason=reason)
