"""Real servers for tests: started on loopback by fixtures, ended with whoever started them.

    moto   S3's answers in a process of its own: always there, does not verify signatures
    rgw    Ceph's gateway, a real store that verifies: needs Debian's packages (`.ci/rgw install`)
    proxy  stands between a client and one of these, and misbehaves as told

A conftest imports the fixtures it wants: `from tests.servers.moto import moto`.
"""
