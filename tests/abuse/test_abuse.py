"""A short version of ``make abuse``: what must hold on any machine, however slow."""

import sys
from pathlib import Path

import pytest
from support.victim import victim

pytestmark = pytest.mark.e2e

SECONDS = 0.3
CEILING_MIB = 160
"""Idle it takes 46, at the worst of docs/robustness.md 86; without a bound it takes far more."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    with victim(tmp_path_factory.mktemp("victim")) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "clients", "endings"),
    [
        ("silent", 700, {"held", "closed"}),
        ("slow_head", 700, {"held", "closed"}),
        ("slow_body", 700, {"held", "closed"}),
        ("slow_reader", 50, {"held", "gone", "closed"}),
        ("half_closed", 100, {"left", "gone", "closed"}),
        ("pipeliner", 20, {"closed"}),
        ("huge_head", 10, {"closed", "held"}),
        ("huge_url", 10, {"closed", "held"}),
    ],
)
def test_scrapes_go_on(attacked, name, clients, endings):
    outcome = attacked.attacked(name, clients, SECONDS)
    assert outcome.failed == []
    assert outcome.latencies_s
    assert outcome.endings
    assert set(outcome.endings) <= endings
    assert outcome.peak_mib < CEILING_MIB


def test_an_attack_that_works_is_noticed(attacked):
    """A process that stops the exporter, so that the test above can fail."""
    stop = f"import os, time; os.kill({attacked.pid}, 19); time.sleep(0.8); os.kill({attacked.pid}, 18)"
    outcome = attacked.besieged("stopped", 1, [sys.executable, "-c", stop])
    assert outcome.latency_ms(1.0) > 500
    assert Path(f"/proc/{attacked.pid}").exists()
