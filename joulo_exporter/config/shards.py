"""The part of a configuration that is one shard's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.config.limits import PUBLIC_COLLECTORS

if TYPE_CHECKING:
    from joulo_exporter.config.records import Config
    from joulo_exporter.sharding import Shard


def of_shard(config: Config, shard: Shard) -> Config:
    """Return the configuration with the accounts of a shard, which can be none; no token is read.

    What belongs to no account is left to one shard.
    """
    return msgspec.structs.replace(
        config,
        accounts=tuple(account for account in config.accounts if shard.holds(account.name)),
        collectors=config.collectors if shard.holds_public else config.collectors - PUBLIC_COLLECTORS,
        shard=shard,
    )
