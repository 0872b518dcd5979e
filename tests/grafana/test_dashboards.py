"""The dashboards are what their code makes, in two languages, for any Grafana, and provisioned as it documents.

Some rules are those of https://github.com/grafana/dashboard-linter, for every kind of panel. Left out are
``template-job``, ``template-instance``, ``target-job`` and ``target-instance``, since a charger is the same
whichever job scrapes it, and an exporter that moves gets another instance: queries join these before they add.
That queries are valid, ``target-promql`` and ``template-label-promql``, is shown where a real Prometheus takes
them. In place of ``target-rate-interval`` and ``target-counter-agg``: energy and credits have no rates, which
would extrapolate.
"""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import generate
import pytest
import yaml
from boards import words
from support import grafana
from support.served_metrics import strangers

ROOT = Path(__file__).parents[2]
UIDS = {"joulo-charging", "joulo-sessions", "joulo-exporter"}
"""They are in people's links and bookmarks; a file has the name of its dashboard's uid."""
SAME_IN_BOTH = {  # texts that are the same word in English and Dutch
    "Account", "Offline", "Meters", "Processor", "Interval", "Per kWh", "Joulo: exporter",
}  # fmt: skip
ORGANIZED = ("excludeByName", "indexByName", "renameByName")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {  # those of Grafana's packages/grafana-data/src/valueFormats/categories.ts that ours are about
    "none", "string", "percentunit", "watt", "currencyEUR", "bytes", "s", "clockms", "dthms", "dateTimeAsLocal",
    "dateTimeFromNow",
    # Custom ones, as Grafana documents them: its own kwatth would write a year's energy in MWh, its h "hours", its
    # times with seconds, which a phone has no room for.
    "suffix:kWh", "suffix:h", "time:YYYY-MM-DD HH:mm",
}  # fmt: skip
RATE = re.compile(r"\b(rate|irate|increase|delta|idelta|deriv)\s*\(")
ABSENT_ON_PURPOSE = {"joulo_total_kwh{vehicle}"}  # a choice of vehicles that matches no label is "All"
FILES = pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)


def test_the_files_are_what_the_code_makes():
    made = dict(generate.dashboards())
    assert sorted(made) == sorted(grafana.FILES)
    assert {path.stem for path in made} == UIDS | {f"{uid}-nl" for uid in UIDS}
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make dashboards"


def test_every_text_is_in_both_languages_and_used(monkeypatch):
    pairs, named = [], set()

    class Noted(words.Words):
        def __call__(self, english, dutch):
            pairs.append((english, dutch))
            return super().__call__(english, dutch)

        def on(self, panel, name):
            named.add(name)
            return super().on(panel, name)

    monkeypatch.setattr(generate, "Words", Noted)
    generate.dashboards()
    texts = tomllib.loads(Path(words.__file__).with_name("texts.toml").read_text(encoding="utf-8"))
    assert texts.keys() == named
    pairs += [(text["en"], text["nl"]) for text in texts.values()]
    assert {english for english, dutch in pairs if english == dutch} == SAME_IN_BOTH
    assert all(english.strip() and dutch.strip() for english, dutch in pairs)


@FILES
def test_uids_are_those_that_people_have_bookmarked_and_links_are_of_one_language(path):
    dashboard, tag = grafana.load(path), "joulo-nl" if path.stem.endswith("-nl") else "joulo-en"
    assert dashboard["uid"] == path.stem
    assert dashboard["tags"] == ["joulo", tag]
    assert [link["tags"] for link in dashboard["links"]] == [[tag]]


@FILES
def test_changes_overrides_and_orders_name_columns_that_there_are(path):
    """Grafana passes over a column that does not exist, such as one in the other language."""
    for panel in grafana.panels(grafana.load(path)):
        targets, changes = panel["targets"], panel.get("transformations", ())
        columns = {"Time", "year", "month\\year", *(target["legendFormat"] for target in targets)}
        columns |= set(re.findall(r"\w+", " ".join(target["expr"] for target in targets)))  # labels
        columns |= {f"Value #{target['refId']}" for target in targets}
        columns |= {change["options"]["alias"] for change in changes if "alias" in change["options"]}
        if panel["type"] == "table":
            organized = [change["options"] for change in changes if change["id"] == "organize"]
            assert {name for one in organized for key in ORGANIZED for name in one[key]} <= columns, panel["title"]
        for change in changes:
            columns |= set(change["options"].get("renameByName", {}).values())
        overrides = [one["matcher"] for one in panel["fieldConfig"]["overrides"]]
        named = {matcher["options"] for matcher in overrides if matcher["id"] == "byName"} - {"200", "429"}
        named |= {one["field"] for change in changes for one in change["options"].get("sort", ())}
        named |= {panel["options"]["xField"]} if panel["type"] == "barchart" else set()
        assert named <= columns, panel["title"]


@FILES
def test_panels_have_ids_of_their_own_and_do_not_overlap(path):
    panels = [each for panel in grafana.load(path)["panels"] for each in (panel, *panel.get("panels", ()))]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = (panel["gridPos"] for panel in panels)
    cells = [
        (at["x"] + right, at["y"] + down) for at in places for right in range(at["w"]) for down in range(at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("days", [1, 30, 300, 400, 456, 548, 730, 1095, 2000])
def test_no_panel_asks_for_more_points_than_prometheus_gives(days):
    viewer = grafana.Viewer(UTC, datetime(2026, 6, 18, tzinfo=UTC), f"now-{days}d", "now", points=2000)
    for dashboard in map(grafana.load, grafana.ENGLISH):
        for shown, target in grafana.targets(dashboard):
            over = grafana.span(dashboard, shown, viewer)
            if target.get("range"):
                assert over.length_s / grafana.step_s(shown, target, over, viewer) <= 11_000, shown["title"]


def data_sources(node):
    """Yield the data source of everything that has one."""
    for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "datasource":
            yield inner["uid"] if isinstance(inner, dict) else inner
        elif isinstance(inner, dict | list):
            yield from data_sources(inner)


@FILES
def test_it_keeps_the_rules_of_the_linter(path):
    dashboard = grafana.load(path)
    source, *choices = (one for one in dashboard["templating"]["list"] if one["type"] != "textbox")
    assert (source["name"], source["type"]) == ("datasource", "datasource")
    assert source["label"] in {"Data source", "Databron"}
    assert set(data_sources(dashboard)) == {"${datasource}"}
    assert {one["refresh"] for one in choices} == {2}, "a choice is not read anew where the range changes"
    assert dashboard["editable"] is False
    assert {"__inputs", "__requires", "__elements", "id", "version"}.isdisjoint(dashboard), (
        "not any Grafana takes it"
    )
    for panel in grafana.panels(dashboard):
        assert panel["title"].strip()
        assert panel["description"].strip(), panel["title"]
        changes = [change for override in panel["fieldConfig"]["overrides"] for change in override["properties"]]
        units = {change["value"] for change in changes if change["id"] == "unit"}
        assert units | {panel["fieldConfig"]["defaults"]["unit"]} <= UNITS, panel["title"]
        assert panel["targets"], panel["title"]
        assert all(one["datasource"] == SOURCE for one in (panel, *panel["targets"])), panel["title"]
    panels = [target["expr"] for _, target in grafana.targets(dashboard)]
    assert {one["name"] for one in choices} <= set(re.findall(r"\$(\w+)", str(panels)))
    queries = panels + [mark["expr"] for mark in grafana.annotations(dashboard)]
    assert [query for query in queries if len(query) > 400] == [], "nobody can read it"
    assert path.stem.startswith("joulo-exporter") or not RATE.search(str(queries)), "a rate of energy extrapolates"
    queries += [one["query"] for one in choices]
    assert set().union(*map(strangers, queries)) <= ABSENT_ON_PURPOSE


# --- Provisioning

PROVISIONING = ROOT / "deploy/grafana/provisioning"
MOUNTED = PurePosixPath("/var/lib/grafana/dashboards")
"""Where compose mounts the folder ``grafana``."""
# Keys of https://grafana.com/docs/grafana/latest/administration/provisioning/; others are ignored in silence.
PROVIDER = {"name", "orgId", "folder", "folderUid", "type", "disableDeletion", "updateIntervalSeconds",
            "allowUiUpdates", "options"}  # fmt: skip
DATASOURCE = {"name", "type", "access", "orgId", "uid", "url", "isDefault", "jsonData", "version", "editable"}
PROMETHEUS = {"timeInterval", "httpMethod", "manageAlerts", "alertmanagerUid", "prometheusType"}


def only(text, kind):
    """Return the only entry of a file."""
    configured = yaml.safe_load(text)
    assert configured.keys() == {"apiVersion", kind}
    assert configured["apiVersion"] == 1
    (found,) = configured[kind]
    return found


def dashboards_in(path):
    """Return the dashboards that Grafana finds in a folder of the container: every .json below it."""
    return sorted((ROOT / "grafana" / PurePosixPath(path).relative_to(MOUNTED)).rglob("*.json"))


def test_the_provider_shows_the_english_dashboards_and_the_dutch_are_one_line_away():
    text = (PROVISIONING / "dashboards/joulo.yml").read_text()
    found = only(text, "providers")
    assert found.keys() <= PROVIDER
    assert found["type"] == "file"
    assert found["options"].keys() <= {"path", "foldersFromFilesStructure"}
    (dutch,) = re.findall(r"path: .*# in Dutch: (\S+)\n", text)
    assert dashboards_in(found["options"]["path"]) + dashboards_in(dutch) == grafana.FILES


def test_the_data_source_is_as_grafana_documents_it_and_as_often_asked_as_scraped():
    found = only((PROVISIONING / "datasources/prometheus.yml").read_text(), "datasources")
    assert found.keys() <= DATASOURCE
    assert found["jsonData"].keys() <= PROMETHEUS
    assert (found["type"], found["access"], found["isDefault"]) == ("prometheus", "proxy", True)
    # Grafana computes its steps and $__rate_interval from it.
    scraping = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert found["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]
