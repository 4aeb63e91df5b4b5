from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench.contestants.torrent import encode
from bench.counters import sampling
from bench.limit import Rates, fluid_limit_s
from bench.namespaces import PREFIX, Border, Host, LabError, namespaces, open_lab
from bench.tcp_stream import measure

MBIT = 20
MOST = 1.2
"""What the token bucket's first burst adds to a second, and some."""

MINE = f"{PREFIX}-{os.getpid()}"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def test_the_limit_is_the_slowest_of_three_pipes() -> None:
    assert fluid_limit_s(100, Rates(origin_up=10, down=(50, 20), up=(10, 10))) == 10
    assert fluid_limit_s(100, Rates(origin_up=100, down=(50, 20), up=(100, 100))) == 5
    assert fluid_limit_s(100, Rates(origin_up=10, down=(50, 50), up=(0, 0))) == 20


def test_bencoding_sorts_keys() -> None:
    assert encode({"b": 1, "a": ["x", b"yz"]}) == b"d1:al1:x2:yze1:bi1ee"


def test_without_root_the_lab_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="run it as root"), open_lab([Host("a")]):
        pass


@needs_root
@pytest.mark.lab
def test_two_namespaces_carry_what_their_links_allow_and_are_gone_afterwards() -> None:
    with open_lab([Host("a", MBIT, MBIT), Host("b")]) as lab:
        assert len(namespaces(MINE)) == 3
        with sampling(lab) as series:
            rate = measure(lab, "a", "b", seconds=1.0)
        assert rate * 8 < MOST * MBIT * 1e6
        assert series.last("a").sent == pytest.approx(series.last("b").received, rel=0.2)
        assert series.last("a").sent > rate
    assert not namespaces(MINE)


@needs_root
@pytest.mark.lab
def test_sites_reach_each_other_over_their_borders() -> None:
    hosts = [Host("a", site="x"), Host("b", site="y")]
    with open_lab(hosts, [Border("x", MBIT, MBIT), Border("y", None, None)]) as lab:
        assert measure(lab, "a", "b", seconds=1.0) * 8 < MOST * MBIT * 1e6


@needs_root
@pytest.mark.lab
def test_whoever_still_runs_in_a_namespace_ends_with_it() -> None:
    with open_lab([Host("a")]) as lab:
        sleeper = subprocess.Popen(lab.command("a", ["sleep", "1000"]))
        time.sleep(0.2)  # until nsenter has entered: the lab knows its inhabitants by their namespace
    assert sleeper.wait(10) != 0


@needs_root
@pytest.mark.lab
def test_what_a_killed_run_left_behind_is_removed_by_the_next() -> None:
    code = "import os; from bench.namespaces import *\nwith open_lab([Host('a')]): os.kill(os.getpid(), 9)"
    killed = subprocess.Popen([sys.executable, "-c", code])
    killed.wait()
    assert len(namespaces(f"{PREFIX}-{killed.pid}")) == 2
    with open_lab([Host("b")]):
        assert not namespaces(f"{PREFIX}-{killed.pid}")
