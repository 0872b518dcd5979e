"""What each account needs, as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from joulo_exporter.api import ERE_PRICE
from joulo_exporter.config import PUBLIC_COLLECTORS
from joulo_exporter.ledger import PUBLIC_ACCOUNT
from joulo_exporter.poller import PollSettings
from joulo_exporter.snapshot import Tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulo_exporter.config import ApiConfig, Config, Secret, TokenSource


class Plan(msgspec.Struct, frozen=True):
    """All that one account's poller depends on: when it is unchanged, a reload leaves the poller alone."""

    key: str
    """The account's name, or an empty text."""
    source: TokenSource | None
    token: Secret | None
    """``None``, as is its source, for the public price feed."""
    api: ApiConfig
    chargers: Mapping[str, str]
    settings: PollSettings


def plans(config: Config) -> tuple[Plan, ...]:
    """Return what each account needs; reads the tokens.

    Raises:
        ConfigError: a token cannot be read.
    """
    accounts = tuple(
        Plan(
            key=account.name or "",
            source=account.token,
            token=account.token.read(),
            api=config.api,
            chargers=config.chargers,
            settings=account_settings(config, account.name),
        )
        for account in config.accounts
    )
    return (*accounts, _public_plan(config)) if ERE_PRICE.name in config.collectors else accounts


def _public_plan(config: Config) -> Plan:
    """Return the plan of the public price feed: nothing of an account is in it."""
    settings = msgspec.structs.replace(account_settings(config, None), collectors=frozenset(), public=True)
    api = msgspec.structs.replace(config.api, url=config.api.ere_price_url.removesuffix(ERE_PRICE.path))
    return Plan(key=PUBLIC_ACCOUNT, source=None, token=None, api=api, chargers={}, settings=settings)


def account_settings(config: Config, account: str | None) -> PollSettings:
    """Return what the configuration says for the account of that name."""
    return PollSettings(
        account=account,
        intervals=config.intervals,
        stale_after_s=config.stale_after_s,
        page_interval_s=config.history.page_interval_s,
        resync_interval_s=config.history.resync_interval_s,
        tags=Tags(vehicles=config.vehicles, mode=config.id_tags),
        collectors=config.collectors - PUBLIC_COLLECTORS,
    )
