"""Real exporters that share accounts, one shard, then two: no account is lost or doubled, no counter falls."""

import contextlib
import json
import re
import time

import pytest
from support.processes import EXPORTER, exporter, free_port, get, running, scrape, wait_for
from support.simulator import in_thread, simulator

from joulo_exporter.sharding import shard_of
from joulo_exporter.simulator import DEMO_TOKEN as TOKEN
from joulo_exporter.simulator import Household, Scenario, SimulatedApi, serve

pytestmark = pytest.mark.e2e

NAMES = ("home", "office", "huis", "customer-1", "zoë", "kantoor")
TOKENS = {name: f"{TOKEN}-{number}" for number, name in enumerate(NAMES)}
COUNTERS = ("joulo_total_kwh", "joulo_ere_credits_total", "joulo_sessions_total")


@contextlib.contextmanager
def households(folder):
    """Serve a household for each account behind one address, as the API does; yield the URL."""
    pace = {"session_s": (3, 4), "pause_s": (1, 1), "credits_delay_s": 1}
    served = {
        f"Bearer {token}": SimulatedApi(
            Household(Scenario(seed=number, history_sessions=210 + number, **pace)), {token}
        )
        for number, token in enumerate(TOKENS.values())
    }
    accounts = [{"name": name, "token": token} for name, token in TOKENS.items()]
    with in_thread(serve(Household(Scenario()))) as api:
        api.handle = lambda request: served[request.headers["Authorization"]].handle(request)
        (folder / "joulo.yml").write_text(json.dumps({
            "accounts": accounts, "api": {"url": api.url}, "history": {"page_interval": "20ms"},
            "intervals": {"chargers": "500ms", "sessions": "1s", "energy": "1s"},
        }))  # fmt: skip
        yield api.url


def accounts_of(samples, name):
    return [dict(labels)["account"] for (found, labels), value in samples.items() if found == name and value == 1]


def is_fresh(shards, began_seconds):
    """Return whether every history is complete, and as of now: a shard that was left serves what it knew then."""
    complete = [account for shard in shards for account in accounts_of(shard, "joulo_history_complete")]
    samples = [(name, dict(labels), value) for shard in shards for (name, labels), value in shard.items()]
    times = [each for each in samples if each[0] == "joulo_last_refresh_timestamp_seconds"]
    refreshed = [value for _, labels, value in times if labels["endpoint"] != "energy"]
    return len(complete) >= len(NAMES) and len(refreshed) >= 2 * len(NAMES) and min(refreshed) >= began_seconds


def energy_of(api_url, token):
    return json.loads(get(f"{api_url}/energy", {"Authorization": f"Bearer {token}"}))["total_kwh_all"]


def stage(folder, total):
    """Run all shards until every history is complete; return what each of them serves then.

    Each runs as its StatefulSet would let it: by the name of its pod, on a volume of its own.
    """
    began_seconds = time.time()
    ports, processes = [free_port() for _ in range(total)], []
    with contextlib.ExitStack() as stack:
        for ordinal, port in enumerate(ports):
            command = [
                *EXPORTER, f"--total-shards={total}", f"--config.file={folder / 'joulo.yml'}",
                f"--storage.path={folder / f'data-{ordinal}'}", f"--web.listen-address=127.0.0.1:{port}",
            ]  # fmt: skip
            environment = {"POD_NAME": f"joulo-exporter-{ordinal}", "PATH": "/usr/bin:/bin"}
            processes.append(stack.enter_context(running(command, folder / f"log-{ordinal}", environment)))

        def look():
            shards = [scrape(port) for port in ports]
            return shards if is_fresh(shards, began_seconds) else None

        shards = wait_for("all accounts to be complete and fresh", look)
    assert [process.returncode for process in processes] == [0] * total
    return shards


def totals(shards):
    """Return the counters by (name, labels); an account in two shards is a fault."""
    found = [(key, value) for shard in shards for key, value in shard.items() if key[0] in COUNTERS]
    assert len(found) == len(dict(found))
    return dict(found)


def test_one_three_two(tmp_path):
    seen = {}
    with households(tmp_path) as url:
        for total in (1, 3, 2):
            charged = {name: energy_of(url, token) for name, token in TOKENS.items()}
            shards = stage(tmp_path, total)
            for ordinal, shard in enumerate(shards):
                own = [name for name in NAMES if shard_of(name, total) == ordinal]
                assert sorted(set(accounts_of(shard, "joulo_history_complete"))) == sorted(own)
                assert shard["joulo_exporter_shard_ordinal", (("shard_ordinal", str(ordinal)),)] == ordinal
                assert shard["joulo_exporter_total_shards", ()] == total
            now = totals(shards)
            assert {key: value for key, value in seen.items() if now.get(key, -1.0) < value} == {}
            seen = now
            for name, kwh in charged.items():
                known = sum(value for (metric, labels), value in now.items()
                            if metric == "joulo_total_kwh" and ("account", name) in labels)  # fmt: skip
                assert known > kwh - 0.005, (total, name)
    assert "Traceback" not in "".join(path.read_text() for path in tmp_path.glob("log-*"))


def test_a_shard_without_accounts_serves(tmp_path):
    # An account without a name is the first shard's, so that the second one has none.
    port = free_port()
    with simulator() as api_url, exporter(tmp_path, api_url, port, "--shard=1", "--total-shards=2"):
        assert get(f"http://127.0.0.1:{port}/-/ready") == b"joulo-exporter is ready\n"
        metrics = get(f"http://127.0.0.1:{port}/metrics").decode()
    assert 'joulo_exporter_shard_ordinal{shard_ordinal="1"} 1.0' in metrics
    assert "joulo_up" not in metrics
    log = (tmp_path / "exporter.log").read_text()
    assert re.search(r"msg=starting version=\S+ accounts=0 shard=1 total_shards=2\n", log)
