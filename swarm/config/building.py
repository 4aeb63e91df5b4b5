"""Loaded values -> the frozen configs of `swarm.service`, with the checks that concern several values at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swarm.config.addresses import TRACKER_HTTP_PORT, TRACKER_PORT, Listen, default_listen, refuse_exposure
from swarm.config.configs import (
    FOREVER,
    CommonConfig,
    FetchConfig,
    FollowConfig,
    Links,
    LiveLimits,
    Mtime,
    OriginBudget,
    SeedConfig,
    ServeConfig,
    TrackerConfig,
)
from swarm.config.interfaces import interface_addresses
from swarm.config.live_limits import LIMITS
from swarm.config.loading import Loaded
from swarm.config.references import parse_dataset, parse_tagged
from swarm.config.settings import FETCH, FOLLOW, SECTIONS, SEED, SERVE, TRACKER
from swarm.errors import UsageError
from swarm.protocol.names import LATEST, Reference
from swarm.seeder.marks import parse_marks

BUCKET_SCHEME = "s3://"
"""What a PATH begins with that is published from a bucket."""


def common_config(loaded: Loaded, interfaces: Sequence[str] | None = None) -> CommonConfig:
    """What all commands share. For one that listens: raises UsageError where that would expose data to the public.

    `interfaces` are this machine's addresses; None asks the system.
    """
    key = loaded["key"]
    return CommonConfig(
        home=loaded.home,
        store=loaded["store"],
        store_options=_store_words(loaded),
        tracker=loaded["tracker"],
        secret=loaded["secret"],
        key=key if isinstance(key, Path) else None,
        key_text=key if isinstance(key, str) else None,
        listen=_listens(loaded, "listen", TRACKER_PORT if loaded.command == TRACKER else 0, interfaces),
        open=loaded["open"],
        lan=loaded["lan"],
        site=loaded["site"],
        upload_limit=loaded["upload-limit"],
        download_limit=loaded["download-limit"],
        origin_limit=loaded["origin-limit"],
        live_limits=_live_limits(loaded),
        trust=loaded.file.trust,
    )


def fetch_config(
    loaded: Loaded, dataset: str, dest: str | None, directory: Path, *, interfaces: Sequence[str] | None = None
) -> FetchConfig:
    """`swarm fetch DATASET [DEST]`, started in `directory`. DEST defaults to the last part of the name."""
    _expect(loaded, FETCH)
    reference = parse_dataset(dataset)
    return FetchConfig(
        common=common_config(loaded, interfaces),
        dataset=reference,
        dest=directory / Path(dest if dest is not None else reference.name.rpartition("/")[2]).expanduser(),
        publisher=loaded["publisher"],
        include=loaded["include"],
        exclude=loaded["exclude"],
        linger=loaded["linger"],
        background=loaded["background"],
        repair=loaded["repair"],
        atomic=loaded["atomic"],
        in_place=loaded["in-place"],
        dry_run=loaded["dry-run"],
        price_per_gb=loaded["price-per-gb"],
    )


def follow_config(
    loaded: Loaded, dataset: str, dest: str, directory: Path, *, interfaces: Sequence[str] | None = None
) -> FollowConfig:
    """`swarm follow DATASET DEST`, started in `directory`. Without a tag: latest."""
    _expect(loaded, FOLLOW)
    reference = parse_dataset(dataset)
    if reference.version is not None or reference.digest_prefix is not None:
        raise UsageError(f"{dataset} never moves", hint="follow a tag or a range: NAME:stable, NAME:^2.1")
    return FollowConfig(
        common=common_config(loaded, interfaces),
        dataset=reference if reference.tag is not None else Reference(reference.name, LATEST),
        dest=directory / Path(dest).expanduser(),
        publisher=loaded["publisher"],
        include=loaded["include"],
        exclude=loaded["exclude"],
        exec=loaded["exec"] or (),
        exec_timeout=loaded["exec-timeout"],
        keep=loaded["keep"],
        poll=loaded["poll"],
        once=loaded["once"],
        retry=loaded["retry"],
    )


def seed_config(
    loaded: Loaded,
    dataset: str,
    path: str | None,
    tags: Sequence[str],
    directory: Path,
    *,
    interfaces: Sequence[str] | None = None,
) -> SeedConfig:
    """`swarm seed PATH DATASET` (a path, or an s3:// URL), or (`path` None) `swarm seed --from-store DATASET`."""
    _expect(loaded, SEED)
    bucket = path if path is not None and path.lower().startswith(BUCKET_SCHEME) else None
    if bucket is not None and loaded["store"] is None:
        message = f"{bucket} is not copied to this machine, so its blocks need a store"
        raise UsageError(message, hint="add --store URL; the objects themselves stay as they are")
    if loaded["store"] is None and (loaded["once"] or path is None):
        option = "--from-store" if path is None else "--once"
        raise UsageError(f"{option} needs a store: nothing else would have the data", hint="add --store URL")
    has_tracker = bool(loaded["tracker"])
    parse_marks(loaded["note"], loaded["label"])  # refused now, and not when all is cut and hashed
    return SeedConfig(
        common=common_config(loaded, interfaces),
        dataset=parse_dataset(dataset) if path is None else parse_tagged(dataset),
        path=None if path is None or bucket is not None else directory / Path(path).expanduser(),
        bucket=bucket,
        from_store=path is None,
        tag=tuple(parse_tagged(tag) for tag in tags),
        http=() if has_tracker else _listens(loaded, "http", TRACKER_HTTP_PORT, interfaces),
        identity=loaded["identity"],
        once=loaded["once"],
        block_size=loaded["block-size"],
        rechunk=loaded["rechunk"],
        mtime=loaded["mtime"] or Mtime(),
        include=loaded["include"],
        exclude=loaded["exclude"],
        links=loaded["links"] or Links.KEEP,
        skip_special=loaded["skip-special"],
        latest=loaded["latest"],
        realm=loaded["realm"],
        dry_run=loaded["dry-run"],
        single_writer=loaded["single-writer"],
        note=loaded["note"],
        label=loaded["label"],
        force=loaded["force"],
    )


def tracker_config(loaded: Loaded, interfaces: Sequence[str] | None = None) -> TrackerConfig:
    """`swarm tracker`."""
    _expect(loaded, TRACKER)
    fails = loaded["origin-budget-fails"]
    return TrackerConfig(
        common=common_config(loaded, interfaces),
        http=_listens(loaded, "http", TRACKER_HTTP_PORT, interfaces),
        identity=loaded["identity"],
        origin_budget=loaded["origin-budget"] or OriginBudget(),
        origin_budget_fails_open=True if fails is None else fails,
        sites=loaded["sites"] or (),
    )


def serve_config(loaded: Loaded, what: Sequence[str], interfaces: Sequence[str] | None = None) -> ServeConfig:
    """`swarm serve [DEST|NAME]…`."""
    _expect(loaded, SERVE)
    return ServeConfig(
        common=common_config(loaded, interfaces),
        what=tuple(what),
        identity=loaded["identity"],
        linger=loaded["linger"] if loaded.is_given("linger") else FOREVER,
    )


def _listens(loaded: Loaded, name: str, port: int, interfaces: Sequence[str] | None) -> tuple[Listen, ...]:
    if loaded.command not in SECTIONS:
        return ()
    machine = interface_addresses() if interfaces is None else interfaces
    may_be_public = loaded["open"] or loaded["secret"] is not None
    named: tuple[Listen, ...] = loaded[name]
    if named and not may_be_public:
        refuse_exposure(named, machine, f"--{name}")
    return named or default_listen(port, machine, may_be_public=may_be_public)


def _live_limits(loaded: Loaded) -> LiveLimits | None:
    if loaded.command not in SECTIONS:
        return None
    followed = tuple(name for name in LIMITS if not loaded.values[name].source.startswith("--"))
    return LiveLimits(loaded.command, followed)


def _store_words(loaded: Loaded) -> dict[str, str | bool | int]:
    words = {word.replace("-", "_"): value for word, value in loaded.file.store_options.items()}
    is_single = loaded.command == SEED and loaded["single-writer"]
    return {**words, "single_writer": True} if is_single else words


def _expect(loaded: Loaded, command: str) -> None:
    if loaded.command != command:
        raise UsageError(f"these values were loaded for {loaded.command}, not {command}", hint=f"load({command!r}, …)")
