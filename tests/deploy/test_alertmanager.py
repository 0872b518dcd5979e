"""The shipped Alertmanager configurations and templates, by amtool."""

import html
import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy/alertmanager"
EVERY = ("alertmanager.yml", "alertmanager-0.26.yml")


def config(name):
    return yaml.safe_load((DEPLOY / name).read_text())


@pytest.mark.e2e
@pytest.mark.parametrize("name", EVERY)
def test_alertmanager_takes_it(generation, tmp_path, name):
    text = (DEPLOY / name).read_text().replace("templates/", f"{DEPLOY}/templates/")
    if name != "alertmanager.yml" and generation.version("amtool") < (0, 26):  # it reads no such file
        text = re.sub(r"\b(bot_token|user_key|token)_file: \S+", r"\1: secret", text)
    (tmp_path / name).write_text(text)
    generation.said("amtool", "check-config", tmp_path / name)


def test_both_route_alike_and_a_session_is_told_once():
    plain, newer = map(config, EVERY)
    for key in ("route", "inhibit_rules", "templates", "global"):
        assert plain[key] == newer[key], key
    assert newer["receivers"][: len(plain["receivers"])] == plain["receivers"]
    (session,) = plain["route"]["routes"]
    assert session["group_by"] == ["alertname", "account", "session_id"]
    assert (session["group_interval"], session["repeat_interval"]) == ("2h", "1d")  # the alert lasts an hour


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
    file = f"--config.file={DEPLOY / 'alertmanager.yml'}"
    assert generation.run("amtool", "config", "routes", "test", file, *labels).stdout.strip() == receiver


def test_there_are_receivers_for_every_way_and_only_health_is_resolved():
    receivers = {receiver.pop("name"): receiver for receiver in config("alertmanager-0.26.yml")["receivers"]}
    ways = ("ntfy", "homeassistant", "email", "telegram", "pushover")
    assert receivers.keys() == {f"{way}-{what}" for way in ways for what in ("session", "health")}
    for name, kinds in receivers.items():
        resolved = {entry["send_resolved"] for entries in kinds.values() for entry in entries}
        assert resolved == {name.endswith("-health")}, name


@pytest.mark.parametrize("name", EVERY)
def test_secrets_are_in_files(name):
    text = (DEPLOY / name).read_text()
    in_place = r"\b(bot_token|user_key|token|password|credentials|smtp_auth_password|api_key):"
    assert re.findall(in_place, text) == []
    assert all(path.startswith("/etc/alertmanager/secrets/") for path in re.findall(r"_file: ([^\s}]+)", text))
    assert [line for line in text.splitlines() if "ntfy-token" in line and "# http_config:" not in line] == []


def alert(*texts, **more):
    """Return an alert with its summary and its description, each in English and in Dutch."""
    names = ("summary", "summary_nl", "description", "description_nl")
    return {"status": "firing", "labels": {}, "annotations": dict(zip(names, texts, strict=False)) | more}


RUNBOOK = "docs/runbooks/JouloSessionEnded.md"
ENDED = alert(
    "Charging session ended: 12.3 kWh charged", "Laadbeurt klaar: 12,3 kWh geladen",
    "zoë <3> at oprit, in 2h 13m.", "zoë <3> aan oprit, in 2u 13m.", runbook_url=RUNBOOK,
)  # fmt: skip
OFFLINE = alert("Charger oprit is offline", "Laadpunt oprit is offline", "Not reached.", "Niet bereikt.")
BACK = OFFLINE | {"status": "resolved"}
FOREIGN = alert(summary="Disk full", description="It is.")
WORDS = {
    "en": ("Resolved", "3 alerts from Joulo", "What to do"),
    "nl": ("Opgelost", "3 meldingen van Joulo", "Wat te doen"),
}


@pytest.mark.e2e
@pytest.mark.parametrize("language", WORDS)
def test_texts(generation, tmp_path, language):
    resolved, three, what_to_do = WORDS[language]
    suffix = "" if language == "en" else f"_{language}"
    (ended, in_short), (offline, why) = (
        [alert["annotations"][f"{key}{suffix}"] for key in ("summary", "description")]
        for alert in (ENDED, OFFLINE)
    )
    several = (OFFLINE, BACK, FOREIGN)
    page = f"<h3>{ended}</h3>\n<p>{html.escape(in_short)}</p>\n<p>{what_to_do}: {RUNBOOK}</p>"
    for template, alerts, text in (
        ("title", (ENDED,), ended),
        ("text", (ENDED,), in_short),
        ("html", (ENDED,), page),
        ("title", (BACK,), f"{resolved}: {offline}"),
        ("title", several, three),
        ("text", several, f"{offline}. {why}\n{resolved}: {offline}. {why}\nDisk full. It is."),
        ("title", (FOREIGN,), "Disk full"),
        ("text", (FOREIGN,), "It is."),
    ):
        data = {
            "receiver": "r", "status": alerts[0]["status"], "alerts": alerts, "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "",
        }  # fmt: skip
        (tmp_path / "data.json").write_text(json.dumps(data))
        rendered = generation.said(
            "amtool", "template", "render", f"--template.glob={DEPLOY}/templates/*.tmpl",
            f"--template.data={tmp_path}/data.json",
            f"--template.type={'html' if template == 'html' else 'text'}",
            f'--template.text={{{{ template "joulo.{language}.{template}" . }}}}',
        )  # fmt: skip
        assert rendered.rstrip("\n") == text
