"""Shards: several exporters share the accounts of one configuration.

The flags are those of kube-state-metrics: an ordinal, from 0, and a total. The name of an account alone decides
its shard, so that shards need not know of each other.
"""

import hashlib
import re

import msgspec

from joulo_exporter.errors import ConfigError

# A StatefulSet appends the ordinal to its name, which can have any form.
_POD_ORDINAL = re.compile(r".+-(0|[1-9][0-9]{0,8})")

_MULTIPLIER = 2862933555777941757
_MASK_64 = (1 << 64) - 1


class Shard(msgspec.Struct, frozen=True):
    """Shard of one exporter; by default it has all accounts."""

    ordinal: int = 0
    """Counted from 0."""
    total: int = 1

    def holds(self, account: str | None) -> bool:
        """Return whether an account belongs to this shard; ``None`` (no name, no account) belongs to the first."""
        return self.ordinal == (0 if account is None else shard_of(account, self.total))

    def __str__(self) -> str:
        return f"shard {self.ordinal} (of {self.total}, counted from 0)"


ALONE = Shard()


def shard_of(account: str, total: int) -> int:
    """Return the ordinal of an account's shard: the same on every machine, in every version."""
    return jump_hash(int.from_bytes(hashlib.sha256(account.encode()).digest()[:8]), total)


def jump_hash(key: int, buckets: int) -> int:
    """Return the bucket of a key by jump consistent hashing: a new bucket takes its share, no other key moves.

    From "A Fast, Minimal Memory, Consistent Hash Algorithm" (Lamping and Veach, 2014, arXiv 1406.2294). The key
    has 64 evenly distributed bits.
    """
    bucket, following = -1, 0
    while following < buckets:
        bucket = following
        key = (key * _MULTIPLIER + 1) & _MASK_64
        following = int((bucket + 1) * ((1 << 31) / ((key >> 33) + 1)))
    return bucket


def find_shard(ordinal: int | None, total: int | None, pod_name: str | None) -> Shard:
    """Return the shard of this exporter, from the flags or, if only a total is given, from the name of its pod.

    Raises:
        ConfigError: the ordinal is missing, or there is no such shard.
    """
    key = "--shard"
    if ordinal is None and total is not None:
        match = _POD_ORDINAL.fullmatch(pod_name or "")
        if match is None and total > 1:
            raise ConfigError(
                f"--total-shards: there are {total}, but which one is this? Give --shard, or in the environment "
                "variable POD_NAME the name of a StatefulSet's pod (the downward API's metadata.name)"
            )
        if match is not None:
            key, ordinal = "environment: POD_NAME", int(match[1])
    shard = Shard(ordinal or 0, 1 if total is None else total)
    if shard.ordinal >= shard.total:
        remedy = "correct it, or their number with --total-shards"
        raise ConfigError(f"{key}: {shard.ordinal} is not among {shard.total}, counted from 0; {remedy}")
    return shard
