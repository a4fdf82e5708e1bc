"""The client's errors in words that name what to check."""

from kafka import errors

from daemon.kafka_options import KafkaOptions


def in_words(failure: errors.KafkaError | str, options: KafkaOptions) -> str:
    """Return a sentence for /readyz. A text is what a broker said when it refused our credentials."""
    match failure:
        case str() | errors.SaslAuthenticationFailedError() | errors.UnsupportedSaslMechanismError():
            return f"the broker refuses our credentials ({failure}): check kafka.sasl"
        case errors.TopicAuthorizationFailedError():
            return f"no right to read ({failure}): check the ACLs (READ and DESCRIBE on {', '.join(options.topics)})"
        case errors.GroupAuthorizationFailedError():
            return f"no right to the group: check the ACLs (READ on group {options.group_id})"
        case errors.InconsistentGroupProtocolError():
            return f"group {options.group_id} has members of another kind: use a kafka.group_id of our own"
        case _:
            return f"the client says {failure!r}"
