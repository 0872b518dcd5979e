"""The demo: a configuration that polls a household of its own, and needs nothing from outside."""

import contextlib
import json
import time

import pytest
from support.command_line import run
from support.exposition import timed_samples_of
from support.ledger_rig import LedgerRig, written
from support.simulator import chargers_of, sessions_of

from joulo_exporter.api.client import CHARGERS, ENERGY, JouloClient, open_session
from joulo_exporter.cli.commands import DEMO_START, invitation, simulated_household
from joulo_exporter.config.schema import COLLECTORS, load_config
from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.simulator import Household
from joulo_exporter.web.app import WebPaths


@contextlib.asynccontextmanager
async def demo(folder):
    """Run the household; yield the configuration that polls it."""
    async with simulated_household(folder):
        yield load_config(folder / "demo.yml", {}, storage_path=folder)


async def test_the_household_knows_the_token_of_its_configuration(tmp_path):
    async with demo(tmp_path) as config, open_session() as session:
        client = JouloClient(session, config.api, token=config.accounts[0].token.read())
        assert any(charger.charging for charger in (await client.fetch(CHARGERS)).content)
    assert config.api.url.startswith("http://127.0.0.1:")
    assert config.storage_path == tmp_path
    assert config.intervals["chargers"] < 60  # only a simulator may be asked that often
    assert config.history.page_interval_s < 0.2  # its whole history is there in a moment
    assert config.collectors == set(COLLECTORS)  # the demo shows all that there is


async def test_a_restart_on_the_same_folder_goes_on_with_the_same_household(tmp_path):
    (tmp_path / DEMO_START).write_text(f"{int(time.time()) - 200_000}\n")
    listed = []
    for _ in range(2):
        async with demo(tmp_path) as config, open_session() as session:
            client = JouloClient(session, config.api, token=config.accounts[0].token.read())
            energy = await client.fetch(ENERGY)
            listed.append([month.kwh_hundredths for month in energy.content.months[2:]])  # before it began
    assert len(listed[0]) > 15
    assert listed[0] == listed[1]


@pytest.mark.parametrize(
    ("address", "paths", "says"),
    [
        ("[::]:9973", WebPaths(), "open http://localhost:9973/ or curl http://localhost:9973/metrics"),
        ("10.0.0.7:80", WebPaths("/j"), "open http://10.0.0.7:80/j/ or curl http://10.0.0.7:80/j/metrics"),
        ("[fd00::2]:80", WebPaths(telemetry="/m"), "open http://[fd00::2]:80/ or curl http://[fd00::2]:80/m"),
    ],
)
def test_the_demo_names_the_address_and_the_path_at_which_it_is_served(address, paths, says):
    assert invitation("http", address, paths) == says


@pytest.mark.parametrize(
    ("folder", "error", "says"),
    [
        ("ledger", ConfigError, "has a ledger that is no demo's; name another folder"),
        ("file/demo", JouloExporterError, r"file/demo cannot be written \(Not a directory\); name another"),
    ],
)
async def test_a_folder_that_is_no_demos_or_cannot_be_written_is_refused(tmp_path, folder, error, says):
    (tmp_path / "file").touch()
    LedgerRig(tmp_path / "ledger").close()
    with pytest.raises(error, match=says):
        async with simulated_household(tmp_path / folder):
            pass
    assert not (tmp_path / folder / DEMO_START).exists()


async def test_the_reports_take_its_configuration_with_vehicles_and_tariffs(tmp_path, capsys):
    async with demo(tmp_path) as config:
        household, now = Household(start_seconds=int((tmp_path / DEMO_START).read_text())), time.time()
        chargers, sessions = chargers_of(household, now), sessions_of(household, now)
        written(tmp_path, *sessions, chargers=chargers, now_seconds=now, vehicles=config.tags.vehicles)

    status, out, err = run(capsys, "statement", f"--config.file={tmp_path / 'demo.yml'}", "--format=json")
    assert status == 0, err
    made = json.loads(out)
    assert made["sessions_without_tariff"] == 0
    assert {each["vehicle"] for each in made["sessions"]} == {"tesla", "zoe", "unknown"}
    assert {each["euro_per_kwh"] for each in made["tariffs"]} == {"0.2712", "0.2534", "0.2210"}

    _, out, _ = run(capsys, "backfill", f"--config.file={tmp_path / 'demo.yml'}")
    power = timed_samples_of(out)["joulo_charger_power_watts"]
    watts = {watts for labels, _, watts in power if labels["charger"].startswith("oprit")}
    assert 10_000 < max(watts) <= 11_000  # the car that charges there most
    assert min(watts) == 0
