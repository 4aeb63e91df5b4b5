"""Loaded values become frozen configs, checked together."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from swarm.config.addresses import Listen
from swarm.config.building import common_config, fetch_config, seed_config, serve_config, tracker_config
from swarm.config.configs import (
    FOREVER,
    FetchConfig,
    Links,
    LiveLimits,
    Mtime,
    MtimeKind,
    OriginBudget,
    SeedConfig,
    ServeConfig,
    TrackerConfig,
)
from swarm.config.live_limits import LIMITS
from swarm.config.loading import Given, Loaded, load
from swarm.config.settings import known_to
from swarm.config.store_options import options_of
from swarm.errors import UsageError
from swarm.protocol.names import Reference

HERE = Path("/work")
HOME = ("127.0.0.1", "192.168.1.5")
CLOUD = ("127.0.0.1", "10.0.0.5", "203.0.113.9")


def loaded(command: str, home: Path, given: Given | None = None, **environment: str) -> Loaded:
    return load(command, given or {}, {"SWARM_HOME": str(home), **environment}, HERE)


def fetch(
    home: Path, name: str = "@maps/places", dest: str | None = None, **given: str | bool | list[str]
) -> FetchConfig:
    options = {key.replace("_", "-"): value for key, value in given.items()}
    return fetch_config(loaded("fetch", home, options), name, dest, HERE, interfaces=HOME)


def seed(home: Path, name: str = "places", path: str | None = "data", **given: str | bool | list[str]) -> SeedConfig:
    options = {key.replace("_", "-"): value for key, value in given.items()}
    return seed_config(loaded("seed", home, options), name, path, [], HERE, interfaces=HOME)


def test_fetch_defaults(tmp_path: Path) -> None:
    config = fetch(tmp_path)
    assert config.dataset == Reference("@maps/places")
    assert config.dest == HERE / "places"
    assert config.linger is None
    assert config.common.listen == (Listen("0.0.0.0", 0),)
    assert config.common.home == tmp_path


def test_fetch_options(tmp_path: Path) -> None:
    config = fetch(
        tmp_path, "places:1.0.0", "~/there", linger="30s", repair=True, include=["*.db"], tracker=["a"], site="eu/fra1"
    )
    assert config.dest == Path.home() / "there"
    assert (config.linger, config.repair, config.include) == (30.0, True, ("*.db",))
    assert config.common.tracker == ("http://a:4180",)
    assert config.common.site == "eu/fra1"
    assert fetch(tmp_path, linger="forever").linger == math.inf


def test_a_price_is_a_plain_number_wherever_it_stands(tmp_path: Path) -> None:
    assert fetch(tmp_path).price_per_gb is None
    assert fetch(tmp_path, price_per_gb="0.09").price_per_gb == 0.09
    (tmp_path / "config.toml").write_text("[fetch]\nprice-per-gb = 0.085\n")
    assert fetch(tmp_path).price_per_gb == 0.085
    by_variable = loaded("fetch", tmp_path, SWARM_PRICE_PER_GB="1")
    assert fetch_config(by_variable, "places", None, HERE, interfaces=HOME).price_per_gb == 1.0
    for wrong in ("9 cents", "-1", "nan", "inf"):
        with pytest.raises(UsageError, match="is not a price"):
            fetch(tmp_path, price_per_gb=wrong)


def test_limits_follow_the_file_where_no_option_has_set_them(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('upload-limit = "1MB"\n')
    live = fetch(tmp_path, download_limit="2MB").common.live_limits
    assert live == LiveLimits("fetch", ("upload-limit", "origin-limit"))
    assert seed(tmp_path).common.live_limits == LiveLimits("seed", LIMITS)
    assert common_config(loaded("ls", tmp_path), HOME).live_limits is None


def test_field_names_are_option_names(tmp_path: Path) -> None:
    common = {field.name for field in dataclasses.fields(common_config(loaded("fetch", tmp_path), HOME))}
    configs: dict[str, FetchConfig | SeedConfig | TrackerConfig | ServeConfig] = {
        "fetch": fetch(tmp_path),
        "seed": seed(tmp_path),
        "tracker": tracker_config(loaded("tracker", tmp_path), HOME),
        "serve": serve_config(loaded("serve", tmp_path), [], HOME),
    }
    renamed = {"origin-budget-fails": "origin_budget_fails_open"}
    for command, config in configs.items():
        fields = {field.name for field in dataclasses.fields(config)} | common
        for setting in known_to(command):
            assert renamed.get(setting.name, setting.name.replace("-", "_")) in fields, (command, setting.name)


def test_seed_defaults(tmp_path: Path) -> None:
    config = seed(tmp_path)
    assert config.dataset == Reference("places", "latest")
    assert config.path == HERE / "data"
    assert config.http == (Listen("0.0.0.0", 4180),)
    assert config.mtime == Mtime(MtimeKind.KEEP)
    assert config.links is Links.KEEP
    assert config.latest


def test_a_seeder_with_a_tracker_runs_none(tmp_path: Path) -> None:
    assert seed(tmp_path, tracker=["a"]).http == ()


def test_seed_tags_are_checked(tmp_path: Path) -> None:
    config = seed_config(loaded("seed", tmp_path), "a:1.0.0", "x", ["b", "a:stable"], HERE, interfaces=HOME)
    assert config.tag == (Reference("b", "latest"), Reference("a", "stable"))
    for name in ("a@0123456789ab", "a:1.x", "A", "a:^1"):
        with pytest.raises(UsageError):
            seed(tmp_path, name)


def test_once_and_from_store_need_a_store(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--once needs a store") as caught:
        seed(tmp_path, once=True)
    assert "--store" in caught.value.hint
    with pytest.raises(UsageError, match="--from-store needs a store"):
        seed(tmp_path, path=None)
    assert seed(tmp_path, path=None, store="s3://b").from_store
    assert seed(tmp_path, once=True, store="s3://b").once


def test_single_writer_reaches_the_store(tmp_path: Path) -> None:
    assert not options_of(seed(tmp_path).common).single_writer
    assert options_of(seed(tmp_path, single_writer=True).common).single_writer


def test_store_options_are_checked_and_take_both_spellings(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[store-options]\nregion = "eu"\nrequester-pays = true\nca_bundle = "x.pem"\n'
    )
    options = options_of(common_config(loaded("ls", tmp_path), HOME))
    assert (options.region, options.is_requester_pays, options.ca_bundle) == ("eu", True, "x.pem")
    (tmp_path / "config.toml").write_text('[store-options]\nregoin = "eu"\n')
    with pytest.raises(UsageError, match=r"config\.toml \[store-options\]") as caught:
        options_of(common_config(loaded("ls", tmp_path), HOME))
    assert "region" in caught.value.hint


@pytest.mark.parametrize("option", ["listen", "http"])
def test_a_public_address_needs_a_secret_or_open(tmp_path: Path, option: str) -> None:
    given: Given = {option: ["203.0.113.9:4001"]}
    with pytest.raises(UsageError, match=f"--{option}") as caught:
        tracker_config(loaded("tracker", tmp_path, given), CLOUD)
    assert "--secret" in caught.value.hint
    assert "--open" in caught.value.hint
    tracker_config(loaded("tracker", tmp_path, {**given, "open": True}), CLOUD)
    config = tracker_config(loaded("tracker", tmp_path, given, SWARM_SECRET="long enough"), CLOUD)
    assert Listen("203.0.113.9", 4001) in (*config.common.listen, *config.http)


def test_nobody_listens_on_a_public_address_by_default(tmp_path: Path) -> None:
    config = tracker_config(loaded("tracker", tmp_path), CLOUD)
    assert {one.ip for one in config.common.listen} == {"127.0.0.1", "10.0.0.5"}
    assert {one.port for one in config.common.listen} == {4001}
    assert {one.port for one in config.http} == {4180}


def test_a_command_that_serves_nothing_listens_nowhere(tmp_path: Path) -> None:
    assert common_config(loaded("ls", tmp_path), CLOUD).listen == ()


def test_tracker(tmp_path: Path) -> None:
    given: Given = {"origin-budget": "1/site", "origin-budget-fails": "closed"}
    config = tracker_config(loaded("tracker", tmp_path, given), HOME)
    assert config.origin_budget == OriginBudget(1, is_per_site=True)
    assert not config.origin_budget_fails_open
    default = tracker_config(loaded("tracker", tmp_path), HOME)
    assert default.origin_budget == OriginBudget()
    assert default.origin_budget_fails_open


def test_serve_goes_on_for_ever_unless_told(tmp_path: Path) -> None:
    assert serve_config(loaded("serve", tmp_path), ["x"], HOME).linger == FOREVER
    assert serve_config(loaded("serve", tmp_path, {"linger": "auto"}), [], HOME).linger is None


def test_secrets_do_not_show(tmp_path: Path) -> None:
    text = "swarm-key-v1:" + "ab" * 32
    found = loaded("fetch", tmp_path, SWARM_SECRET="do not tell anybody", SWARM_KEY=text)
    config = fetch_config(found, "places", None, HERE, interfaces=HOME)
    assert config.common.secret == b"do not tell anybody"
    assert config.common.key_text == text
    assert "do not tell" not in repr(config)
    assert "abab" not in repr(config)


def test_a_config_cannot_be_built_for_another_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="loaded for fetch"):
        tracker_config(loaded("fetch", tmp_path), HOME)
