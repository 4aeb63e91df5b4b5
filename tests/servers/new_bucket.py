"""Makes a bucket, as a program, for servers that only another network namespace can reach.

`python -m tests.servers.new_bucket ENDPOINT` prints its name.
"""

from __future__ import annotations

import sys

from tests.servers.s3server import S3Server


def main() -> None:
    sys.stdout.write(f"{S3Server('rgw', sys.argv[1]).new_bucket()}\n")


if __name__ == "__main__":
    main()
