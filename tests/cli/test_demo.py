"""The demo: a configuration that polls a household of its own, and needs nothing from outside."""

import asyncio
import json
import time

import pytest
from prometheus_client import CollectorRegistry
from support.command_line import run
from support.ledger_rig import LedgerRig, written
from support.poller_rig import inline

from joulo_exporter.accounts import Accounts, plans
from joulo_exporter.api.client import CHARGERS, ENERGY, JouloClient, open_session
from joulo_exporter.cli.commands import simulated_household
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.schema import COLLECTORS
from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger import Database
from joulo_exporter.poller import RequestSlots
from joulo_exporter.simulator import Household


async def test_the_household_knows_the_token_of_its_configuration(tmp_path):
    async with simulated_household(tmp_path) as config, open_session(connection_limit=1) as session:
        client = JouloClient(session, config.api, token=config.accounts[0].token.read())
        assert any(charger.charging for charger in (await client.fetch(CHARGERS)).content)
    assert config.api.url.startswith("http://127.0.0.1:")
    assert config.storage_path == tmp_path
    assert config.intervals["chargers"] < 60  # only a simulator may be asked that often
    assert config.collectors == set(COLLECTORS)  # the demo shows all that there is


async def test_a_restart_on_the_same_folder_goes_on_with_the_same_household(tmp_path):
    (tmp_path / "demo-start").write_text("1764000000\n")
    listed = []
    for _ in range(2):
        async with simulated_household(tmp_path) as config, open_session(connection_limit=1) as session:
            client = JouloClient(session, config.api, token=config.accounts[0].token.read())
            energy = await client.fetch(ENERGY)
            listed.append([month.kwh_hundredths for month in energy.content.months if month.month < "2025-11"])
    assert len(listed[0]) > 17
    assert listed[0] == listed[1]


async def test_no_simulated_session_gets_into_the_ledger_of_an_account(tmp_path):
    LedgerRig(tmp_path).close()
    with pytest.raises(ConfigError, match="has a ledger that is no demo's; name another folder"):
        async with simulated_household(tmp_path):
            pass
    assert not (tmp_path / "demo-start").exists()


async def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JouloExporterError, match=r"file/demo cannot be written \(Not a directory\); name another"):
        async with simulated_household(tmp_path / "file" / "demo"):
            pass


async def test_its_whole_history_is_there_in_a_moment(tmp_path):
    complete = asyncio.Event()

    class Watched(Exposition):
        def publish(self, account, snapshot):
            super().publish(account, snapshot)
            if snapshot.book is not None and snapshot.book.complete:
                complete.set()

    async with simulated_household(tmp_path) as config, open_session(connection_limit=1) as session:
        exposition, database = Watched(CollectorRegistry()), Database(None)
        accounts = Accounts(
            session, database, exposition, offload=inline, clock=SystemClock(), request_slots=RequestSlots(1)
        )
        await accounts.follow(plans(config))
        await asyncio.wait_for(complete.wait(), 5)
        await accounts.close()
        database.close()


async def test_the_reports_take_its_configuration_with_vehicles_and_tariffs(tmp_path, capsys):
    async with simulated_household(tmp_path) as config:
        household, now = Household(start_seconds=int((tmp_path / "demo-start").read_text())), time.time()
        chargers, sessions = household.chargers_at(now), household.sessions_at(now)
        written(tmp_path, *sessions, chargers=chargers, now_seconds=now, vehicles=config.vehicles)

    status, out, err = run(capsys, "statement", f"--config.file={tmp_path / 'demo.yml'}", "--format=json")
    assert status == 0, err
    made = json.loads(out)
    assert made["sessions_without_tariff"] == 0
    assert {each["vehicle"] for each in made["sessions"]} == {"tesla", "zoe", "unknown"}
    assert {each["euro_per_kwh"] for each in made["tariffs"]} == {"0.2712", "0.2534", "0.2210"}

    _, out, _ = run(capsys, "backfill", f"--config.file={tmp_path / 'demo.yml'}")
    watts = {
        float(line.split()[1])
        for line in out.splitlines()
        if line.startswith('joulo_charger_power_watts{charger="oprit')
    }
    assert 10_000 < max(watts) <= 11_000  # the car that charges there most
    assert min(watts) == 0
