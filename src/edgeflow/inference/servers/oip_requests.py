"""What the HTTP and the gRPC server ask the service for a request of the protocol."""

from edgeflow.inference.requests import InferRequest
from edgeflow.protocols.oip import OipRequest

__all__ = ["service_request"]

_DEFAULT_PRIORITY = 100
"""Rank of a request without priority, between those of the protocol's 99 and 100."""


def service_request(
    asked: OipRequest, model: str, version: str, arrived: float, client: str
) -> InferRequest:
    """Return what the service is asked.

    Args:
        asked: what came in.
        model: as the address or message names it.
        version: likewise; none if empty.
        arrived: monotonic seconds from which the request's timeout counts.
        client: the key of fairness.
    """
    deadline = None if asked.timeout_us is None else arrived + asked.timeout_us / 1e6
    return InferRequest(
        model=model,
        inputs=asked.inputs,
        version=version or None,
        outputs=asked.output_names,
        request_id=asked.id,
        client=client,
        priority=_DEFAULT_PRIORITY - asked.priority if asked.priority else 0,
        deadline=deadline,
    )
