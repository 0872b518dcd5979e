"""What a process that serves has loaded, and how soon it answers from its ledger."""

from __future__ import annotations

import os
import re
import sys

import pytest
from processes import free_port, get, running, wait_for

from joulo_exporter.ledger import AccountLedger, Database
from joulo_exporter.models import Answer, Charger
from joulo_exporter.schedule import Pause

pytestmark = pytest.mark.e2e

NOT_NEEDED = re.compile(
    r"joulo_exporter\.(?:simulator|demo|reports|check|ledger\.(?:reading|read_only|visiting)|"
    r"cli\.(?:demonstrating|checking|reporting))\b|prometheus_client\.openmetrics\.parser|prometheus_client\.parser|"
    r"slugify|text_unidecode|yaml|bcrypt|xml\b|unittest|hypothesis|pytest"
)


def test_serving_loads_nothing_that_only_other_commands_need(tmp_path):
    port = free_port()
    database = Database(tmp_path / "ledger")
    ledger = AccountLedger(database, "", configured_labels={}, vehicles={})
    ledger.record_chargers(Answer((Charger("c1", slug="oprit"),)), Pause(1.0, 60.0), 1.0)
    database.close()
    command = [
        sys.executable, "-X", "importtime", "-m", "joulo_exporter", f"--storage.path={tmp_path / 'ledger'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    environment = {"JOULO_TOKEN": "joulo_t", "JOULO_API_URL": "http://127.0.0.1:9", "PATH": os.environ["PATH"]}
    log = tmp_path / "log"
    with running(command, log, environment):
        first = wait_for("an answer", lambda: get(f"http://127.0.0.1:{port}/metrics"))
    # No request has been answered: the API's port is closed. What the ledger knows is there at once.
    assert b'joulo_api_requests_total{code="200",endpoint="chargers"} 1.0' in first
    loaded = [line.rpartition("|")[2].strip() for line in log.read_text().splitlines() if "import time:" in line]
    assert "joulo_exporter.service" in loaded
    assert [module for module in loaded if NOT_NEEDED.match(module)] == []
