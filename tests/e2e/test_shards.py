"""Real exporters that share accounts, one shard, then two: no account is lost or doubled, no counter falls."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import time

import aiohttp
import pytest
from aiohttp import web
from support.exposition import samples_of
from support.processes import exporter, free_port, get, simulator

from joulo_exporter.sharding import shard_of
from joulo_exporter.simulator import Cadence, Household, Scenario
from joulo_exporter.simulator.server import DEMO_TOKENS, Running

pytestmark = pytest.mark.e2e

NAMES = ("home", "office", "huis", "customer-1", "zoë", "kantoor")
COUNTERS = ("joulo_total_kwh", "joulo_ere_credits_total", "joulo_sessions_total")
PATIENCE_S = 20.0
(TOKEN,) = DEMO_TOKENS


@contextlib.asynccontextmanager
async def households():
    """Serve a household for each account behind one address, as the API does; yield the URL and the households."""
    cadence = Cadence(session_s=(3, 4), pause_s=(1, 1), credits_delay_s=1, sync_s=1)
    served = {
        f"Bearer {TOKEN}-{number}": Running(
            Household(Scenario(seed=number, history_sessions=210 + number, cadence=cadence)),
            {f"{TOKEN}-{number}": DEMO_TOKENS[TOKEN]},
        )
        for number in range(len(NAMES))
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        return await served[request.headers["Authorization"]].handle(request)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = next(iter(served.values())).url
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{base}", list(served.values())
    finally:
        await runner.cleanup()


def configure(folder, api_url):
    accounts = "".join(f"  - {{name: {name}, token: {TOKEN}-{number}}}\n" for number, name in enumerate(NAMES))
    (folder / "joulo.yml").write_text(
        f"accounts:\n{accounts}api: {{url: '{api_url}'}}\nhistory: {{page_interval: 20ms}}\n"
        "intervals: {chargers: 500ms, sessions: 1s, energy: 1s}\n"
    )


async def started(folder, ordinal, total, port):
    """Start a shard as its StatefulSet would: by the name of its pod, on a volume of its own."""
    with (folder / f"log-{ordinal}").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "joulo_exporter", f"--total-shards={total}",
            f"--config.file={folder / 'joulo.yml'}", f"--storage.path={folder / f'data-{ordinal}'}",
            f"--web.listen-address=127.0.0.1:{port}",
            env={"POD_NAME": f"joulo-exporter-{ordinal}", "PATH": "/usr/bin:/bin"},
            stderr=log,
        )  # fmt: skip


async def scraped(session, port):
    """Return every sample of a shard by (name, labels); nothing while it does not respond yet."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
            return samples_of(await response.text())
    return {}


def accounts_of(samples, name):
    return [dict(labels)["account"] for (found, labels), value in samples.items() if found == name and value == 1]


def is_fresh(shards, began_seconds):
    """Return whether every history is complete, and as of now: a shard that was left serves what it knew then."""
    complete = [account for shard in shards for account in accounts_of(shard, "joulo_history_complete")]
    refreshed = [
        value
        for shard in shards
        for (name, labels), value in shard.items()
        if name == "joulo_last_refresh_timestamp_seconds" and dict(labels)["endpoint"] != "energy"
    ]
    return len(complete) >= len(NAMES) and len(refreshed) >= 2 * len(NAMES) and min(refreshed) >= began_seconds


async def stage(folder, session, total):
    """Run all shards until every history is complete; return what each of them serves then."""
    began_seconds = time.time()
    ports = [free_port() for _ in range(total)]
    processes = [await started(folder, ordinal, total, port) for ordinal, port in enumerate(ports)]
    try:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            shards = [await scraped(session, port) for port in ports]
            if is_fresh(shards, began_seconds):
                return shards
            await asyncio.sleep(0.1)
        raise AssertionError(f"{total} shards: not all accounts are complete and fresh")
    finally:
        for process in processes:
            process.terminate()
        assert [await process.wait() for process in processes] == [0] * total


def totals(shards):
    """Return the counters by (name, labels); an account in two shards is a fault."""
    found = [key for shard in shards for key in shard if key[0] in COUNTERS]
    assert len(found) == len(set(found))
    return {key: value for shard in shards for key, value in shard.items() if key[0] in COUNTERS}


def in_ledgers(folder):
    """Return the sessions by shard and account, as they stand in the ledgers."""
    found = {}
    for path in sorted(folder.glob("data-*/ledger.sqlite3")):
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = database.execute(
                "SELECT accounts.name, sessions.* FROM sessions JOIN accounts ON accounts.id = sessions.account "
                "ORDER BY accounts.name, sessions.id"
            )
            for name, *row in rows:
                found.setdefault((int(path.parent.name.removeprefix("data-")), name), []).append(row)
    return found


async def test_one_three_two(tmp_path):
    seen = {}
    kept = {}
    timeout = aiohttp.ClientTimeout(total=2)
    async with households() as (url, served), aiohttp.ClientSession(timeout=timeout) as session:
        configure(tmp_path, url)
        for total in (1, 3, 2):
            moment_seconds = time.time()
            shards = await stage(tmp_path, session, total)
            for ordinal, shard in enumerate(shards):
                own = [name for name in NAMES if shard_of(name, total) == ordinal]
                assert sorted(set(accounts_of(shard, "joulo_history_complete"))) == sorted(own)
                assert shard["joulo_exporter_shard_ordinal", (("shard_ordinal", str(ordinal)),)] == ordinal
                assert shard["joulo_exporter_total_shards", ()] == total
            now = totals(shards)
            assert {key: value for key, value in seen.items() if now.get(key, -1.0) < value} == {}
            seen = now
            for name, running in zip(NAMES, served, strict=True):
                truth = running.household.energy_at(moment_seconds).kwh_all_hundredths / 100
                known = sum(value for (metric, labels), value in now.items()
                            if metric == "joulo_total_kwh" and ("account", name) in labels)  # fmt: skip
                assert known > truth - 0.005, (total, name)
            in_ledger = in_ledgers(tmp_path)
            away = {key for key in kept if shard_of(key[1], total) != key[0]}
            assert {key: in_ledger[key] for key in away} == {key: kept[key] for key in away}
            assert away or total == 1
            kept = in_ledger
    assert "Traceback" not in "".join(path.read_text() for path in tmp_path.glob("log-*"))


def test_a_shard_without_accounts_serves(tmp_path):
    # An account without a name is the first shard's, so that the second one has none.
    port = free_port()
    with simulator(tmp_path) as api_url, exporter(tmp_path, api_url, port, "--shard=1", "--total-shards=2"):
        assert get(f"http://127.0.0.1:{port}/-/ready") == b"joulo-exporter is ready\n"
        metrics = get(f"http://127.0.0.1:{port}/metrics").decode()
        page = get(f"http://127.0.0.1:{port}/").decode()
    assert 'joulo_exporter_shard_ordinal{shard_ordinal="1"} 1.0' in metrics
    assert "joulo_up" not in metrics
    assert "</html>" in page
    assert (
        'msg="this shard has no accounts" shard=1 total_shards=2 accounts=0'
        in (tmp_path / "exporter.log").read_text()
    )
