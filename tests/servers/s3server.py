"""What a test needs to know of an S3 server, and buckets of its own there."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from botocore.config import Config

_numbers = itertools.count()


@dataclass(frozen=True)
class S3Server:
    """An endpoint and who may use it. `name` is `moto` or `rgw`."""

    name: str
    endpoint: str
    access_key: str = "testkey0"
    secret_key: str = field(default="testsecret0", repr=False)

    def through(self, endpoint: str) -> S3Server:
        """The same server behind a proxy."""
        return replace(self, endpoint=endpoint)

    @property
    def environment(self) -> dict[str, str]:
        """The standard variables; nothing of the machine's own configuration is read."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """boto3, for looking at things behind swarm's back."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 0}),
        )

    def new_bucket(self) -> str:
        bucket = f"test-{os.getpid()}-{next(_numbers)}"
        client = self.client()
        client.create_bucket(Bucket=bucket)
        client.close()
        return bucket
