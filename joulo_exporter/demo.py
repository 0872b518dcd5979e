"""The exporter against a simulated household: no token, no network."""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from joulo_exporter.config import (
    COLLECTORS,
    AccountConfig,
    ApiConfig,
    Config,
    Duration,
    HistoryConfig,
    load_config,
)
from joulo_exporter.simulator import DEMO_TOKEN, Household, Scenario, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_VEHICLES = {"04A1B2C3D4E580": "tesla", "DEADBEEF12345678": "zoe"}


@contextlib.asynccontextmanager
async def simulated_household(
    storage_path: Path, collectors: Mapping[str, bool] = MappingProxyType({})
) -> AsyncIterator[Config]:
    """Run a household that behaves like the API on a free port; yield the configuration that polls it.

    Its sessions last two or three minutes, so the intervals are shorter than an account's may be.
    """
    async with serve(Household(Scenario())) as running:
        environment = load_config(
            None, {"JOULO_TOKEN": DEMO_TOKEN, "JOULO_API_URL": running.url}, storage_path=storage_path
        )
        yield Config(
            accounts=(AccountConfig(None, environment.accounts[0].token),),
            api=ApiConfig(
                url=running.url, timeout_s=environment.api.timeout_s, ere_price_url=environment.api.ere_price_url
            ),
            intervals={"chargers": 5.0, "sessions": 15.0, "energy": 30.0, "ere_position": 60.0, "ere_price": 60.0},
            stale_after_s=environment.stale_after_s,
            history=HistoryConfig(page_interval_s=Duration(0.1), resync_interval_s=Duration(600)),
            vehicles=_VEHICLES,
            chargers={},
            id_tags="show",
            storage_path=storage_path,
            collectors=frozenset(name for name in COLLECTORS if collectors.get(name, True)),
        )
