"""The shipped rules and the mixin: fired and kept quiet by promtool; each metric exists, each alert has a page."""

import json
import re
from pathlib import Path

import _jsonnet
import pytest
import yaml
from support.programs import CURRENT, GENERATIONS
from support.served_metrics import sample_labels

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "deploy/prometheus/rules").rglob("*.yml"))
"""All that are shipped; those in the folder ``optional`` are not loaded as shipped."""
TESTS = Path(__file__).parent / "rules"


def groups(*paths):
    return [group for path in paths for group in yaml.safe_load(path.read_text())["groups"]]


def alerts():
    return [rule for group in groups(*RULES) for rule in group["rules"] if "alert" in rule]


@pytest.mark.e2e
def test_prometheus_takes_configuration_and_rules(generation):
    said = generation.said("promtool", "check", "config", ROOT / "deploy/prometheus/prometheus.yml")
    loaded = [path for path in RULES if path.parent.name != "optional"]
    assert f"SUCCESS: {len(loaded)} rule files found" in said


@pytest.mark.e2e
@pytest.mark.skipif(
    CURRENT not in GENERATIONS, reason="vmalert is no Debian package; .ci/current-stack fetches it"
)
def test_vmalert_takes_them():
    """As docs/alerts.md says; it parses expressions and annotations too."""
    CURRENT.said("vmalert", "-dryRun", *(f"-rule={path}" for path in RULES))


@pytest.mark.e2e
@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("*.yml")))
def test_rules_do_what_their_tests_say(generation, name):
    generation.said("promtool", "test", "rules", name, cwd=TESTS)


# Each of these would be a false, a second or a lost message; the tests above have to notice.
MUTATIONS = {
    "no message after a gap": ("reported_timestamp_seconds[1h]", "reported_timestamp_seconds[5m]"),
    "a second one after another address": ("charger, session_id) (", "charger, session_id, instance) ("),
    "only a short window": ("< 3600", "< 600"),
    "no end": ("< 3600", "< 36000"),
    "one for all accounts": ("by (account, charger, session_id)", "by (charger, session_id)"),
    "one for all that end together": ("by (account, charger, session_id)", "by (account, charger)"),
    "live instead of ended": ("joulo_ended_session_reported", "joulo_last_session_end"),
    "Dutch with a point": ('printf "%.1f" | reReplaceAll "[.]" ","', 'printf "%.1f"'),
}  # fmt: skip


@pytest.mark.e2e
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_tests_of_the_session_alert_notice(tmp_path, mutation):
    shipped, changed = MUTATIONS[mutation]
    text = (ROOT / "deploy/prometheus/rules/joulo-sessions.yml").read_text()
    assert shipped in text
    (tmp_path / "rules.yml").write_text(text.replace(shipped, changed))
    tests = (TESTS / "sessions.yml").read_text()
    (tmp_path / "tests.yml").write_text(re.sub(r"rule_files: .*", "rule_files: [rules.yml]", tests))
    tested = GENERATIONS[-1].run("promtool", "test", "rules", "tests.yml", cwd=tmp_path)  # of any generation
    assert "FAILED" in tested.stdout + tested.stderr


def test_every_metric_in_deploy_is_served():
    text = "".join(path.read_text() for path in (ROOT / "deploy/prometheus").rglob("*.yml"))
    used = set(re.findall(r"(?<!:)\b(?:joulo|process|python)_[a-z0-9_]+\b(?!:)", text))
    assert used <= sample_labels().keys()
    assert "joulo_ended_session_reported_timestamp_seconds" in used


def test_every_alert_fires_in_a_test_is_complete_and_has_its_page():
    tests = "".join(path.read_text() for path in TESTS.glob("*.yml"))
    firing = set(re.findall(r"ALERTS\{.*alertname=\"(\w+)\", alertstate=\"firing\", ", tests))
    pages = {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")}
    assert firing == pages == {rule["alert"] for rule in alerts()}
    for rule in alerts():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}, rule
        assert {"summary", "summary_nl", "description", "description_nl"} <= rule["annotations"].keys(), rule
        page = ROOT / rule["annotations"]["runbook_url"]
        assert page.name == f"{rule['alert']}.md"
        assert page.read_text().startswith(f"# {rule['alert']}\n"), page


def test_docs_name_every_alert_and_recording_rule():
    text = (ROOT / "docs/alerts.md").read_text()
    named = {rule.get("alert") or rule["record"] for group in groups(*RULES) for rule in group["rules"]}
    assert {name for name in named if f"`{name}`" not in text} == set()


# --- The mixin


def rendered(field, config="{}"):
    mixin = f"(import '{ROOT / 'deploy/mixin/mixin.libsonnet'}') + {{ _config+:: {config} }}"
    return json.loads(_jsonnet.evaluate_snippet("mixin", f"({mixin}).{field}"))


def test_it_is_the_shipped_yaml_and_dashboards():
    def shipped(*names):
        return {"groups": groups(*(ROOT / f"deploy/prometheus/rules/{name}.yml" for name in names))}

    alerts = ("joulo-sessions", "joulo-health")
    assert rendered("prometheusAlerts") == shipped(*alerts)
    assert rendered("prometheusAlerts", "{ optional: true }") == shipped(*alerts, "optional/joulo-credits")
    assert rendered("prometheusRules") == shipped("joulo-recording")
    boards = {path.name: json.loads(path.read_text()) for path in (ROOT / "grafana/en").glob("*.json")}
    assert rendered("grafanaDashboards") == boards


def test_selector_prefix_patch_and_omission():
    config = """{ jouloSelector: 'job="ev"', runbookPrefix: 'https://example.org/',
                  without: ['JouloSessionVeryLong'],
                  alerts: { JouloChargerOffline: { 'for': '2h', labels+: { team: 'home' } } } }"""
    usual, changed = (
        {rule["alert"]: rule for group in rendered("prometheusAlerts", each)["groups"] for rule in group["rules"]}
        for each in ("{}", config)
    )
    assert usual.keys() - changed.keys() == {"JouloSessionVeryLong"}
    assert changed["JouloExporterDown"]["expr"] == 'up{job="ev"} == 0 or absent(up{job="ev"})'
    page = changed["JouloDataStale"]["annotations"]["runbook_url"]
    assert page == "https://example.org/docs/runbooks/JouloDataStale.md"
    assert changed["JouloChargerOffline"] == usual["JouloChargerOffline"] | {
        "for": "2h", "labels": {"severity": "warning", "team": "home"},
        "annotations": changed["JouloChargerOffline"]["annotations"],
    }  # fmt: skip


@pytest.mark.e2e
def test_prometheus_takes_what_the_example_renders(generation, tmp_path):
    files = json.loads(_jsonnet.evaluate_file(str(ROOT / "deploy/mixin/example.jsonnet")))
    assert sorted(files) == ["joulo-alerts.yml", "joulo-rules.yml"]
    for name, text in files.items():  # with -S, as the example says, each field is the text of a file
        (tmp_path / name).write_text(text)
    generation.said("promtool", "check", "rules", *files, cwd=tmp_path)
