"""One agent alone against S3 that is far away: `python -m bench.s3_alone [--mib 512] [--first-byte-ms 50]`.

Ceph's gateway (moto where its packages are missing) behind `bench.first_byte`. In turns: `swarm fetch` of a version
from the store, without tracker and neighbours; plain GETs of the same objects, as many at once as the agent had under
way at most in that run; and `aws s3 cp` of one object of the size (where there is no `aws`, boto3 with the same
settings). The agent's rate counts from `ready` to `committed` beside the GETs, from its process's start beside `aws`.
"""

from __future__ import annotations

import argparse
import http
import http.client
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from bench.first_byte import first_byte_after
from bench.processes import LOOPBACK, environment, swarm
from bench.table import show, spread
from tests.servers.processes import NotReadyError, free_port, running
from tests.servers.s3server import S3Server

MIB = 1 << 20
NAME = "alone:1.0.0"
RGW = Path(__file__).parents[1] / ".ci" / "rgw"
OBJECT = "one-object"
STARTS_MAX = 3
COPY_BYTES = 256 * 1024
BOTO3 = "import boto3, sys; boto3.client('s3').download_file(*sys.argv[1:])"
GOAL = 0.9


def main() -> None:
    """Prints the table, or with `--json` one object."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.s3_alone", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--first-byte-ms", type=float, default=50)
    parser.add_argument(
        "--mbit", type=float, default=400, help="of the line to the store, all answers together; 0: none"
    )
    parser.add_argument("--block-size", help="average length; default: by the data's size")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--server", choices=("rgw", "moto"), default="rgw" if shutil.which("radosgw") else "moto")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="swarm-s3-") as place:
        facts = measure(Path(place), options)
    if options.json:
        print(
            json.dumps({"mib": options.mib, "first_byte_ms": options.first_byte_ms, "server": options.server, **facts})
        )
        return
    line = f"{options.mbit:g} Mbit/s" if options.mbit else "as wide as may be"
    title = (
        f"one agent, {options.mib} MiB, {options.server}, first byte after {options.first_byte_ms:g} ms, line {line}"
    )
    show(title, _rows(facts))


def measure(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """MiB/s of each run, and the ratios of their medians."""
    with serving(options.server, place) as server:
        bucket = server.new_bucket()
        keys = _publish(place, server, bucket, options)
        with first_byte_after(options.first_byte_ms, server.endpoint, options.mbit) as distant:
            far, at_once, runs = server.through(distant.endpoint), [], []
            for _ in range(options.runs):
                run = _fetch(place / "home", far, bucket, options.mib)
                at_once.append(distant.take())
                run["gets"] = _gets(place, far, bucket, keys, at_once[-1]["most"])
                run["copy"] = _copy(place, far, bucket, options.mib)
                distant.take()
                runs.append(run)
                print(f"run {len(runs)} of {options.runs}: {run} {at_once[-1]}", file=sys.stderr, flush=True)
    rates = {name: [run[name] for run in runs] for name in runs[0]}
    middles = {name: median(values) for name, values in rates.items()}
    return {
        "mib_per_s": rates,
        "at_once": at_once,
        "swarm_to_gets": middles["swarm"] / middles["gets"],
        "swarm_to_copy": middles["swarm_from_start"] / middles["copy"],
        "copied_by": "aws s3 cp" if shutil.which("aws") else "boto3",
        "load": os.getloadavg()[0],
    }


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    rates, most = facts["mib_per_s"], median(one["most"] for one in facts["at_once"])
    mean = median(one["mean"] for one in facts["at_once"])
    return [
        (f"swarm, from ready, MiB/s ({most} GETs at once at most, {mean} on average)", spread(rates["swarm"])),
        ("as many plain GETs at once of the same objects, MiB/s", spread(rates["gets"])),
        (f"swarm / plain GETs (goal: {GOAL})", f"{facts['swarm_to_gets']:.2f}"),
        ("swarm, from process start, MiB/s", spread(rates["swarm_from_start"])),
        (f"{facts['copied_by']} of one object, from process start, MiB/s", spread(rates["copy"])),
        (f"swarm / {facts['copied_by']} (goal: {GOAL})", f"{facts['swarm_to_copy']:.2f}"),
        ("CPU s per GiB: swarm", spread(rates["swarm_cpu_s_per_gib"])),
        ("load", f"{facts['load']:.1f}"),
    ]


# --- the store ----------------------------------------------------------------------------------


@contextmanager
def serving(kind: str, place: Path) -> Iterator[S3Server]:
    """A server with its state in memory. Another program may take Ceph's ports first, so it is tried again."""
    if kind == "moto":
        with running([sys.executable, "-W", "ignore", "-m", "tests.servers.moto_process"]) as moto:
            yield S3Server(kind, f"http://127.0.0.1:{moto}")
        return
    with ExitStack() as stack:
        for attempt in range(STARTS_MAX):
            port, mon_port = free_port(), free_port(2)
            with suppress(NotReadyError):
                stack.enter_context(running([str(RGW), "run", str(place / f"rgw{attempt}"), str(port), str(mon_port)]))
                break
        else:
            raise SystemExit("Ceph's gateway does not start: try --server moto")
        yield S3Server(kind, f"http://127.0.0.1:{port}")


def _publish(place: Path, server: S3Server, bucket: str, options: argparse.Namespace) -> list[str]:
    """The version, and beside it the same bytes as one object; the blocks' keys."""
    data = place / "data"
    data.mkdir()
    with (data / "data.bin").open("wb") as file:
        for _ in range(options.mib):
            file.write(os.urandom(MIB))
    size = ("--block-size", options.block_size) if options.block_size else ()
    command = swarm("seed", str(data), NAME, "--store", f"s3://{bucket}/swarm", "--once", "--no-lan", "--quiet", *size)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment(place / "producer", server))
    client = server.client()
    client.upload_file(str(data / "data.bin"), bucket, OBJECT)
    shutil.rmtree(data)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="swarm/blocks/")
    return [found["Key"] for page in pages for found in page["Contents"]]


def _environment(home: Path, server: S3Server) -> dict[str, str]:
    return {**environment(home), **server.environment}


# --- the three ----------------------------------------------------------------------------------


def _fetch(home: Path, server: S3Server, bucket: str, mib: int) -> dict[str, float]:
    """MiB/s from ready and from the start, until the data is in place; CPU seconds of the whole process."""
    words = (
        "fetch",
        NAME,
        str(home / "copy"),
        "--store",
        f"s3://{bucket}/swarm",
        *LOOPBACK,
        "--linger",
        "0s",
        "--json",
    )
    moments: dict[str, float] = {}
    started_at = time.monotonic()
    with subprocess.Popen(swarm(*words), stdout=subprocess.PIPE, env=_environment(home, server), text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            moments.setdefault(json.loads(line)["event"], time.monotonic())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the fetch ended with {process.returncode}")
    shutil.rmtree(home)
    return {
        "swarm": mib / (moments["committed"] - moments["ready"]),
        "swarm_from_start": mib / (moments["committed"] - started_at),
        "swarm_cpu_s_per_gib": (usage.ru_utime + usage.ru_stime) * 1024 / mib,
    }


def _gets(place: Path, server: S3Server, bucket: str, keys: Sequence[str], at_once: int) -> float:
    """MiB/s: threads of nothing but http.client, a connection each, and the bytes into a file each."""
    client = server.client()
    urls = [client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}) for key in keys]
    lacking: queue.SimpleQueue[str] = queue.SimpleQueue()
    for url in urls:
        lacking.put(url)
    files = [place / f"get{number}" for number in range(at_once)]
    threads = [threading.Thread(target=_get_all, args=(server.endpoint, lacking, file)) for file in files]
    started_at = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, total = time.monotonic() - started_at, sum(file.stat().st_size for file in files)
    for file in files:
        file.unlink()
    return total / MIB / seconds


def _get_all(endpoint: str, lacking: queue.SimpleQueue[str], target: Path) -> None:
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"))
    with closing(connection), target.open("wb") as file, suppress(queue.Empty):
        while True:
            connection.request("GET", lacking.get_nowait().removeprefix(endpoint))
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise SystemExit(f"a plain GET was answered with {response.status}")
            shutil.copyfileobj(response, file, COPY_BYTES)


def _copy(place: Path, server: S3Server, bucket: str, mib: int) -> float:
    """MiB/s from the start of the process."""
    target = place / "one-object"
    words = ["aws", "s3", "cp", "--quiet", f"s3://{bucket}/{OBJECT}", str(target)]
    if not shutil.which("aws"):
        words = [sys.executable, "-c", BOTO3, bucket, OBJECT, str(target)]
    started_at = time.monotonic()
    subprocess.run(words, check=True, env={**os.environ, **server.environment})
    rate = mib / (time.monotonic() - started_at)
    target.unlink()
    return rate


if __name__ == "__main__":
    main()
