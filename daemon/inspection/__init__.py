"""What a log holds, found out from a sample of it: shape, sampler, faults, and the stream settings that read it."""

from daemon.inspection.finding import Finding
from daemon.inspection.inspecting import inspect_batches

__all__ = ["Finding", "inspect_batches"]
