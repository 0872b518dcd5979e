"""The flags that share the accounts among several exporters."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from joulo_exporter.sharding import find_shard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulo_exporter.sharding import Shard

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


def add_shard_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--shard`` and ``--total-shards``, as kube-state-metrics has them."""
    add = parser.add_argument
    add("--shard", dest="shard", type=_number_from(0), default=argparse.SUPPRESS, metavar="N",
        help="which shard of the accounts to serve, from 0 (default: 0, or what POD_NAME ends in)")  # fmt: skip
    add("--total-shards", dest="total_shards", type=_number_from(1), default=argparse.SUPPRESS, metavar="N",
        help="number of exporters that share the accounts (default: 1)")  # fmt: skip


def given_shard(options: argparse.Namespace, environ: Mapping[str, str]) -> Shard:
    """Return this exporter's place among the shards.

    Args:
        options: of the command line.
        environ: the environment; ``POD_NAME`` is the name of a StatefulSet's pod.

    Raises:
        ConfigError: there is no such place, or it is not said.
    """
    return find_shard(
        getattr(options, "shard", None), getattr(options, "total_shards", None), environ.get("POD_NAME")
    )


def _number_from(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not _NUMBER.fullmatch(text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return number
