"""A start: only modules that serving needs are loaded, and the ledger's knowledge is served at once."""

import re
import subprocess
import sys

import pytest
from support.processes import EXPORTER, environment, free_port, get, running, wait_for
from support.simulator import simulator

from joulo_exporter.ledger import AccountLedger, Database, Pause
from joulo_exporter.models.charger import Charger
from joulo_exporter.models.wire import ApiResponse

pytestmark = pytest.mark.e2e

NOT_NEEDED = re.compile(
    r"joulo_exporter\.(?:simulator|demo|reports|check|ledger\.reader|"
    r"cli\.(?:demonstrating|checking|reporting))\b|prometheus_client\.openmetrics\.parser|prometheus_client\.parser|"
    r"slugify|text_unidecode|yaml|bcrypt|xml\b|unittest|hypothesis|pytest"
)


def test_serving_loads_nothing_that_only_other_commands_need(tmp_path):
    port = free_port()
    database = Database(tmp_path / "ledger")
    ledger = AccountLedger(database, "", configured_labels={}, vehicles={})
    ledger.record_chargers(ApiResponse((Charger("c1", slug="oprit"),)), Pause(1.0, 60.0))
    database.close()
    command = [sys.executable, "-X", "importtime", *EXPORTER[1:], f"--storage.path={tmp_path / 'ledger'}"]
    log = tmp_path / "log"
    address = f"--web.listen-address=127.0.0.1:{port}"
    with running([*command, address], log, environment("http://127.0.0.1:9")):
        first = wait_for("an answer", lambda: get(f"http://127.0.0.1:{port}/metrics"))
    # No request has been answered: the API's port is closed. What the ledger knows is there at once.
    assert b'joulo_api_requests_total{code="200",endpoint="chargers"} 1.0' in first
    loaded = [line.rpartition("|")[2].strip() for line in log.read_text().splitlines() if "import time:" in line]
    assert "joulo_exporter.service" in loaded
    assert [module for module in loaded if NOT_NEEDED.match(module)] == []


def test_started_after_a_check_it_is_ready_at_once(tmp_path):
    """As the README says: check, then start, with intervals within which nothing is asked twice."""
    port, folder = free_port(), tmp_path / "ledger"
    folder.mkdir()  # root makes none
    with simulator() as api_url:
        given, storage = environment(api_url), f"--storage.path={folder}"
        checked = subprocess.run([*EXPORTER, "check", storage], env=given, capture_output=True, check=True)
        assert checked.stdout.count(b" ok ") == 4
        with running([*EXPORTER, storage, f"--web.listen-address=127.0.0.1:{port}"], tmp_path / "log", given):
            metrics = wait_for("an answer", lambda: get(f"http://127.0.0.1:{port}/metrics")).decode()
            assert get(f"http://127.0.0.1:{port}/-/ready")
    for endpoint in ("chargers", "sessions", "energy"):
        assert f'joulo_up{{endpoint="{endpoint}"}} 1.0' in metrics
        assert f'joulo_api_requests_total{{code="200",endpoint="{endpoint}"}} 1.0' in metrics
    assert 'joulo_charging{charger="oprit"}' in metrics
    assert "joulo_account_kwh_total" in metrics
