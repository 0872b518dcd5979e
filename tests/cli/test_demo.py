"""The demo: a configuration that polls a household of its own, and needs nothing from outside."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry
from support.poller_rig import inline

from joulo_exporter.accounts import Accounts, plans
from joulo_exporter.api.client import CHARGERS, SESSIONS, JouloClient, open_session
from joulo_exporter.cli.commands import simulated_household
from joulo_exporter.clock import SystemClock
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger import Database


async def test_the_household_knows_the_token_of_its_configuration(tmp_path):
    async with simulated_household(tmp_path) as config, open_session(connection_limit=1) as session:
        (account,) = config.accounts
        client = JouloClient(session, config.api, token=account.token.read())
        chargers = await client.fetch(CHARGERS)
        assert any(charger.charging for charger in chargers.content)
        assert len((await client.fetch(SESSIONS, {"limit": "100"})).content.sessions) > 10
        assert config.api.url.startswith("http://127.0.0.1:")
        assert config.storage_path == tmp_path
        assert config.intervals["chargers"] < 60  # only a simulator may be asked that often


async def test_its_whole_history_is_there_in_a_moment(tmp_path):
    complete = asyncio.Event()

    class Watched(Exposition):
        def publish(self, account, snapshot):
            super().publish(account, snapshot)
            if snapshot.book is not None and snapshot.book.complete:
                complete.set()

    async with simulated_household(tmp_path) as config, open_session(connection_limit=1) as session:
        exposition, database = Watched(CollectorRegistry()), Database(None)
        accounts = Accounts(session, database, exposition, offload=inline, clock=SystemClock())
        await accounts.follow(plans(config))
        await asyncio.wait_for(complete.wait(), 5)
        await accounts.close()
        database.close()
