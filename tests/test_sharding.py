"""Every account is in one shard, and stays there as long as it can."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from joulo_exporter.errors import ConfigError
from joulo_exporter.sharding import ALONE, Shard, find_shard, jump_hash, shard_of

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)


@pytest.mark.parametrize(
    ("key", "buckets", "bucket"),
    [
        # Published test values of other implementations of the same paper.
        (1, 1, 0),
        (4, 2, 1),
        (42, 57, 43),
        (256, 1024, 520),
        (0xDEAD10CC, 666, 361),
        (128, 100_000_000, 38_172_097),
        (2**64 - 1, 128, 92),
    ],
)
def test_the_hash_is_the_published_one(key, buckets, bucket):
    assert jump_hash(key, buckets) == bucket


def test_the_shard_of_an_account_is_fixed_for_ever():
    # A change here would move every user's accounts, and import their histories anew.
    names = ("home", "office", "huis", "zoë", "customer-1", "customer-2")
    assert [[shard_of(name, total) for name in names] for total in (1, 2, 3, 5)] == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 0, 1, 1, 0],
        [2, 1, 0, 1, 2, 2],
        [2, 3, 0, 1, 2, 2],
    ]


@given(NAMES, st.integers(1, 5000))
@example("home", 1)
def test_an_account_is_in_exactly_one_shard(name, total):
    assert 0 <= shard_of(name, total) < total
    around = {0, total - 1, shard_of(name, total)}
    assert [Shard(ordinal, total).holds(name) for ordinal in around].count(True) == 1


@given(NAMES, st.integers(1, 5000))
def test_one_shard_more_moves_accounts_only_to_itself(name, total):
    assert shard_of(name, total + 1) in (shard_of(name, total), total)


def test_what_has_no_name_belongs_to_the_first_shard():
    assert [Shard(ordinal, 3).holds(None) for ordinal in range(3)] == [True, False, False]
    assert ALONE.holds(None)
    assert ALONE.holds("home")


@pytest.mark.parametrize(
    ("ordinal", "total", "pod_name", "shard"),
    [
        (None, None, "joulo-exporter-2", ALONE),
        (0, None, None, ALONE),
        (2, 3, "joulo-exporter-1", Shard(2, 3)),
        (None, 3, "joulo-exporter-0", Shard(0, 3)),
        (None, 12, "joulo-2-11", Shard(11, 12)),
        (None, 1, None, ALONE),
        (None, 1, "joulo-exporter-5d9c7b8f4d-x2x4z", ALONE),
    ],
)
def test_flags_or_the_pod_name_give_the_shard(ordinal, total, pod_name, shard):
    assert find_shard(ordinal, total, pod_name) == shard


OTHER_NAMES = [
    (None, 3, name) for name in ("joulo-01", "joulo-", "-1", "7", "joulo-1\n", "joulo-٣", "joulo-1e3", "joulo--1x")
]
WHICH = (
    "--total-shards: there are 3, but which one is this? Give --shard, or in the environment variable POD_NAME "
    "the name of a StatefulSet's pod (the downward API's metadata.name)"
)
CORRECT = "counted from 0; correct it, or their number with --total-shards"
FAULTS = {
    f"--shard: 1 is not among 1, {CORRECT}": [(1, None, None)],
    f"--shard: 3 is not among 3, {CORRECT}": [(3, 3, None)],
    WHICH: [(None, 3, None), (None, 3, ""), (None, 3, "joulo-x2x4z"), *OTHER_NAMES],
    f"environment: POD_NAME: 3 is not among 3, {CORRECT}": [(None, 3, "joulo-3")],
    f"environment: POD_NAME: 1 is not among 1, {CORRECT}": [(None, 1, "joulo-1")],
}


@pytest.mark.parametrize(
    ("message", "given"), [(message, given) for message, several in FAULTS.items() for given in several]
)
def test_a_shard_that_cannot_be_is_one_line(message, given):
    with pytest.raises(ConfigError) as raised:
        find_shard(*given)
    assert str(raised.value) == message
