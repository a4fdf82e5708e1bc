"""What must be installed for the Kafka client to work as it was tested: checked at start, told in one sentence."""

import importlib.metadata
from typing import Final

import kafka.codec
import kafka.record.util

from daemon.errors import OperatingError

# Another version is refused: a guard (daemon/kafka_guards.py) that no longer holds would show as a silent stop or as
# wrong numbers, not as an error.
TESTED_VERSION: Final = "3.0.12"


def require_client() -> None:
    """Raise OperatingError unless the client is the tested version with native checksums and every codec."""
    version = importlib.metadata.version("kafka-python")
    if version != TESTED_VERSION:
        raise OperatingError(
            f"kafka-python {version} is installed; klaxond guards against defects of {TESTED_VERSION} and was tested "
            "with that one only: install the versions of requirements.txt"
        )
    codecs = {"snappy": kafka.codec.has_snappy(), "lz4": kafka.codec.has_lz4(), "zstd": kafka.codec.has_zstd()}
    missing = [name for name, found in codecs.items() if not found]
    if kafka.record.util.crc32c_c is None:
        missing.append("crc32c")
    if missing:
        raise OperatingError(
            f"kafka-python lacks {', '.join(missing)}: install kafka-python[crc32c,lz4,snappy,zstd]; without a codec "
            "each batch that uses it would be skipped as corrupt"
        )
