"""What an import may cost: the command line shows its help without paying for a store."""

from __future__ import annotations

import subprocess
import sys

import pytest

import swarm
from swarm.store import open_store


def loaded_by(code: str) -> set[str]:
    program = f"import sys; {code}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_swarm_alone_loads_nothing_heavy() -> None:
    assert not {"trio", "boto3", "botocore", "swarm.store"} & loaded_by("import swarm")


def test_a_store_that_is_not_s3_loads_no_boto3() -> None:
    modules = loaded_by("import swarm, trio; swarm.open_store; import swarm.store.http, swarm.store.directory")
    assert "swarm.store.store" in modules
    assert not {"boto3", "botocore", "urllib3"} & modules


def test_open_store_is_the_door() -> None:
    assert swarm.open_store is open_store
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = swarm.nothing_such
