"""What the answers to DeleteObjects mean: a refusal of the request as such, and of single keys. Called by `s3`.

Not every server that speaks S3 has this request (Google's XML API; small servers and proxies answer 400, 405 or 501),
and some want a Content-MD5 with it that botocore no longer sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from swarm.errors import MissingError, StoreError, SwarmError, UnavailableError
from swarm.store._objects import CreateUnsupportedError
from swarm.store._s3_errors import Answer, error_of

KEYS_MAX = 1000
"""In one request: S3's bound."""

_REFUSALS = {400, 405, 411, 501}


def refuses_batches(answer: Answer) -> bool:
    """Whether single deletions may do what this one did not; no if a key, a right or the moment is what is wrong."""
    return answer.status in _REFUSALS and type(error_of(answer)) in {StoreError, CreateUnsupportedError}


def check_keys(refused: Iterable[dict[str, Any]], about: Answer, prefix: str) -> None:
    """Raises the error of the first key that will never go, else UnavailableError if any may go later. `about` says
    whose answer it is."""
    errors = [_error_of(one, about, prefix) for one in refused]
    errors = [error for error in errors if not isinstance(error, MissingError)]
    errors.sort(key=lambda error: isinstance(error, UnavailableError))
    if errors:
        raise errors[0]


def _error_of(refused: dict[str, Any], about: Answer, prefix: str) -> SwarmError:
    code, key = str(refused.get("Code") or ""), str(refused.get("Key") or "").removeprefix(prefix)
    status = {"AccessDenied": 403, "NoSuchKey": 404}.get(code, 0)
    return error_of(replace(about, code=code, status=status, message=str(refused.get("Message") or ""), key=key))
