"""The client's errors in words that name what to check."""

from kafka import errors

from daemon.kafka_oauth import TokenError
from daemon.kafka_options import KafkaOptions


def in_words(failure: Exception, options: KafkaOptions) -> str:
    """Return a sentence for /readyz."""
    match failure:
        case TokenError():
            return f"no token: {failure.args[0]}"
        case errors.SaslAuthenticationFailedError() | errors.UnsupportedSaslMechanismError():
            return f"the broker refuses our credentials ({failure}): check kafka.sasl"
        case errors.TopicAuthorizationFailedError():
            return f"no right to read ({failure}): check the ACLs (READ and DESCRIBE on {', '.join(options.topics)})"
        case errors.GroupAuthorizationFailedError():
            return f"no right to the group: check the ACLs (READ on group {options.group_id})"
        case errors.InconsistentGroupProtocolError():
            return f"group {options.group_id} has members of another kind: use a kafka.group_id of our own"
        case _:
            return f"the client says {failure!r}"


def is_refusal(error: Exception) -> bool:
    """Tell whether the brokers understood us and said no, which no other connection would change."""
    refusals = (
        TokenError,
        errors.SaslAuthenticationFailedError,
        errors.UnsupportedSaslMechanismError,
        errors.AuthorizationError,
        errors.InconsistentGroupProtocolError,
    )
    return isinstance(error, refusals)
