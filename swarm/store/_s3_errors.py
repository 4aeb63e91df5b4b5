"""What an S3 answer means, in the words of `swarm.errors`: codes and statuses, not botocore. Called by `s3` and `http`.

Several back ends say one thing differently, so the code decides where it is known and the status where it is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarm.errors import (
    MissingError,
    NoSpaceError,
    NotFoundError,
    PermissionError_,
    StoreError,
    SwarmError,
    UnavailableError,
    UsageError,
)
from swarm.store._objects import CreateUnsupportedError

SLOW_DOWN = {
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
}
TRANSIENT = {
    "InternalError",
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
    "BadDigest",
    "IncompleteBody",
}
"""409 ConditionalRequestConflict is AWS's word for two conditional writes at once: the next try is told 412 or wins."""

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
"""Credentials that were good and are no longer; `InvalidToken` would be a wrong one."""

WRONG_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity", "AuthFailure"}
WRONG_REGION = {
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "IllegalLocationConstraintException",
}
FULL = {"QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "XMinioStorageFull", "EntityTooLarge"}
PRECONDITION_FAILED = {"PreconditionFailed", "412"}


class PreconditionError(StoreError):
    """It is not the object that was meant, or shorter than the range that was asked for."""


class CredentialsExpiredError(PermissionError_):
    """They were good, and new ones may be had: the one refusal that is worth another try."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An error's answer: S3's code (may be a status in digits, or empty), the HTTP status, words, and whose it is."""

    code: str
    status: int
    message: str
    store_url: str
    key: str
    region: str | None = None
    """`x-amz-bucket-region`, where the answer had it."""


def error_of(answer: Answer) -> SwarmError:
    """The error that an answer other than success means."""
    code, status = answer.code, answer.status
    said = f"{answer.store_url}: {code or status} {answer.message}".strip()
    if code in SLOW_DOWN or status in {429, 503}:
        return UnavailableError(f"{answer.store_url} asks to slow down ({code or status})", is_slow_down=True)
    if code in TRANSIENT or status in {408, 500, 502, 504}:
        return UnavailableError(said)
    if code in FULL or status == 507:
        return NoSpaceError(said, hint="the bucket's quota is used up, or the store is full")
    if code == "NoSuchBucket":
        return NotFoundError(
            f"{answer.store_url}: there is no such bucket", hint="make it, or correct the URL or endpoint"
        )
    if code in WRONG_REGION or status == 301:
        return _wrong_region(answer)
    if status in {401, 403} or code in WRONG_CREDENTIALS | EXPIRED:
        return _forbidden(answer)
    if status in {412, 416}:
        return PreconditionError(said)
    if status == 404:
        return MissingError(f"{answer.store_url} has no {answer.key}")
    if code == "NotImplemented" or status == 501:
        return CreateUnsupportedError(f"{said}: not implemented there")
    return _refused(answer, said)


def _wrong_region(answer: Answer) -> SwarmError:
    region = f"region={answer.region}" if answer.region else "its own region"
    message = f"{answer.store_url} is in another region ({answer.message or answer.code})"
    return UsageError(message, hint=f"add ?{region} to the store's URL, or set AWS_REGION")


def _forbidden(answer: Answer) -> SwarmError:
    where = f"{answer.key} in {answer.store_url}" if answer.key else answer.store_url
    if answer.code in EXPIRED:
        message = f"the credentials for {answer.store_url} have expired"
        return CredentialsExpiredError(message, hint="renew them, then run it again")
    if answer.code in WRONG_CREDENTIALS:
        hint = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile"
        return PermissionError_(f"{answer.store_url} does not accept these credentials ({answer.code})", hint=hint)
    if answer.code == "RequestTimeTooSkewed":
        return PermissionError_(f"{answer.store_url} finds this machine's clock wrong", hint="set the clock")
    # Without s3:ListBucket a missing key is 403 as well: S3 will not say which.
    rights = "s3:GetObject and s3:ListBucket, to publish also s3:PutObject, to collect garbage also s3:DeleteObject"
    hint = f"allow {rights}; ?anonymous=1 sends no credentials"
    return PermissionError_(f"{where} is missing or forbidden ({answer.code or answer.status})", hint=hint)


def _refused(answer: Answer, said: str) -> SwarmError:
    if "encrypt" in answer.message.lower() or answer.code.startswith("KMS."):
        return PermissionError_(
            said, hint="name the key that the objects were written with (sse_c_key_file), or fix KMS"
        )
    if answer.code in {"InvalidBucketName", "InvalidURI", "KeyTooLongError"}:
        return UsageError(said, hint="correct the store's URL")
    return StoreError(said)
