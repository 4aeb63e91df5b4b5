"""What a store's URL may say, and how it is told that it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.errors import UsageError
from swarm.store.options import StoreOptions, StoreUrl, options_from, options_of, parse_store_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket", StoreUrl("s3", "bucket")),
        ("S3://bucket/a/b/", StoreUrl("s3", "bucket", "a/b")),
        ("s3://bucket/a%20b?region=x", StoreUrl("s3", "bucket", "a b", "region=x")),
        ("file:///var/data", StoreUrl("file", "/var/data")),
        ("file://localhost/a%20b", StoreUrl("file", "/a b")),
        ("./relative/a:b", StoreUrl("file", "./relative/a:b")),
        ("/data?x", StoreUrl("file", "/data?x")),
        ("https://host:8443/data/?token=t", StoreUrl("https", "host:8443", "data", "token=t")),
        ("memory://name", StoreUrl("memory", "name")),
    ],
)
def test_a_url_names_a_place(url: str, expected: StoreUrl) -> None:
    assert parse_store_url(url) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "needs a URL or a path"),
        ("a\0b", "needs a URL or a path"),
        ("gs://bucket", "no store speaks 'gs'"),
        ("s3://", "needs a bucket"),
        ("s3:///prefix", "needs a bucket"),
        ("s3://bucket/a//b", "not a prefix"),
        ("s3://bucket/../b", "not a prefix"),
        ("file://host/path", "not on this machine"),
        ("file://", "not on this machine"),
        ("s3://AKIA:verysecret@bucket/p", "credentials do not belong"),
        ("https://user:verysecret@host/p", "credentials do not belong"),
    ],
)
def test_what_names_none_is_refused_without_repeating_a_secret(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_store_url(url)
    assert "verysecret" not in str(caught.value)


def of(query: str, options: StoreOptions | None = None) -> StoreOptions:
    return options_of(parse_store_url(f"s3://bucket/p?{query}"), options or StoreOptions())


def test_the_query_stands_above_the_options() -> None:
    base = StoreOptions(region="here", profile="mine", is_anonymous=True)
    found = of("region=there&anonymous=0&requester_pays&attempts=2", base)
    assert (found.region, found.profile, found.is_anonymous) == ("there", "mine", False)
    assert found.is_requester_pays
    assert found.attempts == 2


def test_a_table_of_the_configuration_says_the_same_words() -> None:
    assert options_from({"region": "x", "anonymous": True, "attempts": 3}) == StoreOptions(
        region="x", is_anonymous=True, attempts=3
    )


def test_the_query_of_a_web_server_is_its_own() -> None:
    url = parse_store_url("https://host/p?region=x&anything=y")
    assert options_of(url, StoreOptions()) == StoreOptions()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("regoin=x", "do you mean region"),
        ("colour=red", "addressing"),
        ("anonymous=perhaps", "anonymous=1 or anonymous=0"),
        ("attempts=0", "1 to 256"),
        ("concurrency=many", "1 to 256"),
        ("sse=rot13", "AES256 or aws:kms"),
        ("addressing=best", "path or virtual"),
        ("sse_c_key_file=/no/such/file", "SSE-C key"),
    ],
)
def test_a_word_that_means_nothing_is_refused_with_the_nearest(query: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        of(query)


def test_a_customer_key_has_32_bytes_and_is_never_shown(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef" * 2)
    options = of(f"sse_c_key_file={key}")
    assert options.sse_c_key == key.read_bytes()
    assert "0123456789" not in repr(options)
    with pytest.raises(UsageError, match="exclude each other"):
        of(f"sse_c_key_file={key}&sse=AES256")
    key.write_bytes(b"short")
    with pytest.raises(UsageError, match="32 bytes"):
        of(f"sse_c_key_file={key}")
