"""The shipped Alertmanager configurations and templates, by amtool."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy/alertmanager"
EVERY = ("alertmanager.yml", "alertmanager-0.26.yml")

# What Alertmanager 0.26 reads from a file, and 0.25 knows only in place.
SINCE_0_26 = {"bot_token_file": "bot_token", "user_key_file": "user_key", "token_file": "token"}
WINDOW_S = 3600
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def config(name):
    return yaml.safe_load((DEPLOY / name).read_text())


def integrations(name):
    """Yield (receiver, kind, settings)."""
    for receiver in config(name)["receivers"]:
        for kind, entries in receiver.items():
            if kind != "name":
                for entry in entries:
                    yield receiver["name"], kind.removesuffix("_configs"), entry


def seconds(duration):
    return int(duration[:-1]) * SECONDS[duration[-1]]


@pytest.mark.e2e
@pytest.mark.parametrize("name", EVERY)
def test_alertmanager_takes_it(generation, tmp_path, name):
    text = (DEPLOY / name).read_text().replace("templates/", f"{DEPLOY}/templates/")
    if name != "alertmanager.yml" and generation.version("amtool") < (0, 26):
        for newer, older in SINCE_0_26.items():
            text = re.sub(rf"\b{newer}: \S+", f"{older}: secret", text)
    (tmp_path / name).write_text(text)
    checked = generation.run("amtool", "check-config", tmp_path / name)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_both_route_alike():
    plain, newer = map(config, EVERY)
    for key in ("route", "inhibit_rules", "templates", "global"):
        assert plain[key] == newer[key], key
    assert newer["receivers"][: len(plain["receivers"])] == plain["receivers"]


@pytest.mark.parametrize("name", EVERY)
def test_session_messages_are_apart_and_once(name):
    route = config(name)["route"]
    session = route["routes"][0]
    assert session["matchers"] == ['alertname=~"JouloSessionEnded|JouloCredits.+"']
    assert session["group_by"] == ["alertname", "account", "session_id"]
    assert seconds(session["group_interval"]) > WINDOW_S
    assert seconds(session["repeat_interval"]) > WINDOW_S
    assert session["receiver"].endswith("-session")
    assert route["receiver"].endswith("-health")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=JouloSessionEnded", "session_id=s-1", "charger=oprit", "severity=info"], "ntfy-session"),
        (["alertname=JouloCreditsAdded", "account=home", "severity=info"], "ntfy-session"),
        (["alertname=JouloSessionVeryLong", "charger=oprit", "severity=info"], "ntfy-health"),
        (["alertname=JouloExporterDown", "severity=critical"], "ntfy-health"),
    ],
)
def test_routing(generation, labels, receiver):
    routed = generation.run(
        "amtool", "config", "routes", "test", f"--config.file={DEPLOY / 'alertmanager.yml'}", *labels
    )
    assert routed.stdout.strip() == receiver


@pytest.mark.parametrize("name", EVERY)
def test_only_health_is_resolved(name):
    for receiver, kind, settings in integrations(name):
        assert settings["send_resolved"] is receiver.endswith("-health"), (receiver, kind)


def test_receivers_for_every_way():
    assert {receiver for receiver, _, _ in integrations("alertmanager-0.26.yml")} == {
        f"{way}-{what}"
        for way in ("ntfy", "homeassistant", "email", "telegram", "pushover")
        for what in ("session", "health")
    }


@pytest.mark.parametrize("name", EVERY)
def test_secrets_are_in_files(name):
    text = (DEPLOY / name).read_text()
    in_place = r"\b(bot_token|user_key|token|password|credentials|smtp_auth_password|api_key):"
    assert re.findall(in_place, text) == []
    paths = re.findall(r"_file: ([^\s}]+)", text)
    assert paths
    assert [line for line in text.splitlines() if "ntfy-token" in line and "# http_config:" not in line] == []
    assert all(path.startswith("/etc/alertmanager/secrets/") for path in paths)


ENDED = {
    "status": "firing",
    "labels": {"alertname": "JouloSessionEnded", "session_id": "s-1"},
    "annotations": {
        "summary": "Charging session ended: 12.3 kWh charged",
        "summary_nl": "Laadbeurt klaar: 12,3 kWh geladen",
        "description": "zoë <3> at oprit, in 2h 13m.",
        "description_nl": "zoë <3> aan oprit, in 2u 13m.",
        "runbook_url": "docs/runbooks/JouloSessionEnded.md",
    },
}
OFFLINE = {
    "status": "firing",
    "labels": {"alertname": "JouloChargerOffline"},
    "annotations": {
        "summary": "Charger oprit is offline",
        "summary_nl": "Laadpunt oprit is offline",
        "description": "Not reached.",
        "description_nl": "Niet bereikt.",
    },
}
BACK = OFFLINE | {"status": "resolved"}
FOREIGN = {"status": "firing", "labels": {}, "annotations": {"summary": "Disk full", "description": "It is."}}


def data(status, *alerts):
    return {
        "receiver": "r", "status": status, "alerts": list(alerts), "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "",
    }  # fmt: skip


ONE, RESOLVED = data("firing", ENDED), data("resolved", BACK)
TWO, OTHER = data("firing", OFFLINE, BACK, FOREIGN), data("firing", FOREIGN)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("template", "alerts", "text"),
    [
        ("nl.title", ONE, "Laadbeurt klaar: 12,3 kWh geladen"),
        ("en.title", ONE, "Charging session ended: 12.3 kWh charged"),
        ("nl.text", ONE, "zoë <3> aan oprit, in 2u 13m."),
        ("en.text", ONE, "zoë <3> at oprit, in 2h 13m."),
        ("nl.title", RESOLVED, "Opgelost: Laadpunt oprit is offline"),
        ("en.title", RESOLVED, "Resolved: Charger oprit is offline"),
        ("nl.title", TWO, "3 meldingen van Joulo"),
        ("en.title", TWO, "3 alerts from Joulo"),
        (
            "nl.text",
            TWO,
            (
                "Laadpunt oprit is offline. Niet bereikt.\nOpgelost: Laadpunt oprit is offline. Niet bereikt.\n"
                "Disk full. It is."
            ),
        ),
        (
            "en.text",
            TWO,
            (
                "Charger oprit is offline. Not reached.\nResolved: Charger oprit is offline. Not reached.\n"
                "Disk full. It is."
            ),
        ),
        ("nl.title", OTHER, "Disk full"),
        ("nl.text", OTHER, "It is."),
        (
            "nl.html",
            ONE,
            (
                "<h3>Laadbeurt klaar: 12,3 kWh geladen</h3>\n<p>zoë &lt;3&gt; aan oprit, in 2u 13m.</p>\n"
                "<p>Wat te doen: docs/runbooks/JouloSessionEnded.md</p>\n"
            ),
        ),
        (
            "en.html",
            ONE,
            (
                "<h3>Charging session ended: 12.3 kWh charged</h3>\n<p>zoë &lt;3&gt; at oprit, in 2h 13m.</p>\n"
                "<p>What to do: docs/runbooks/JouloSessionEnded.md</p>\n"
            ),
        ),
    ],
)
def test_texts(generation, tmp_path, template, alerts, text):
    (tmp_path / "data.json").write_text(json.dumps(alerts))
    rendered = generation.run(
        "amtool", "template", "render", f"--template.glob={DEPLOY}/templates/*.tmpl",
        f"--template.data={tmp_path}/data.json",
        f"--template.type={'html' if template.endswith('html') else 'text'}",
        f'--template.text={{{{ template "joulo.{template}" . }}}}',
    )  # fmt: skip
    assert rendered.stdout.rstrip("\n") == text.rstrip("\n"), rendered.stderr
