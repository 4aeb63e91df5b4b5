"""What the options of a store become in requests to S3. Called by `s3` only."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from swarm.store.options import StoreOptions

_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")


def is_aws(endpoint: str) -> bool:
    """Whether buckets can be addressed by host there without somebody's having set that up."""
    return (urlsplit(endpoint).hostname or "").endswith(_AWS_HOSTS)


def payer_parameters(options: StoreOptions) -> dict[str, Any]:
    """Of every request."""
    return {"RequestPayer": "requester"} if options.is_requester_pays else {}


def read_parameters(options: StoreOptions) -> dict[str, Any]:
    """Of GET and HEAD."""
    parameters = payer_parameters(options)
    if options.sse_c_key is not None:
        parameters |= {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": options.sse_c_key}
    return parameters


def write_parameters(options: StoreOptions) -> dict[str, Any]:
    """Of PUT."""
    parameters = read_parameters(options)
    if options.sse:
        parameters["ServerSideEncryption"] = options.sse
    if options.sse_kms_key_id:
        parameters["SSEKMSKeyId"] = options.sse_kms_key_id
    return parameters
