"""The dashboards are what their code makes, in two languages, for any Grafana."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import generate
import pytest
from boards import words
from support import grafana

UIDS = {"joulo-charging", "joulo-sessions", "joulo-exporter"}
"""They are in people's links and bookmarks; a file has the name of its dashboard's uid."""
SAME_IN_BOTH = {  # texts that are the same word in English and Dutch
    "Account", "Offline", "Meters", "Processor", "Interval", "Per kWh", "Joulo: exporter",
}  # fmt: skip
ORGANIZED = ("excludeByName", "indexByName", "renameByName")
FILES = pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
ENGLISH = pytest.mark.parametrize("path", grafana.ENGLISH, ids=lambda path: path.stem)


def test_the_files_are_what_the_code_makes():
    made = dict(generate.dashboards())
    assert sorted(made) == sorted(grafana.FILES)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make dashboards"


def test_uids_are_those_that_people_have_bookmarked():
    uids = {path.stem: grafana.load(path)["uid"] for path in grafana.FILES}
    assert uids == {uid: uid for uid in UIDS | {f"{uid}-nl" for uid in UIDS}}


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
def test_tags_and_links_are_of_one_language(path):
    dashboard, tag = grafana.load(path), "joulo-nl" if path.stem.endswith("-nl") else "joulo-en"
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
    panels = list(grafana.panels(grafana.load(path), rows=True))
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@FILES
def test_any_grafana_imports_it(path):
    assert not {"__inputs", "__requires", "__elements", "id", "version"} & grafana.load(path).keys()


@ENGLISH
def test_a_query_can_be_read(path):
    dashboard = grafana.load(path)
    asked = [target["expr"] for shown in grafana.panels(dashboard) for target in shown.get("targets", ())]
    asked += [mark["expr"] for mark in grafana.annotations(dashboard)]
    assert [expression for expression in asked if len(expression) > 400] == []


@pytest.mark.parametrize("days", [1, 30, 300, 400, 456, 548, 730, 1095, 2000])
@ENGLISH
def test_no_panel_asks_for_more_points_than_prometheus_gives(path, days):
    dashboard = grafana.load(path)
    viewer = grafana.Viewer(UTC, datetime(2026, 6, 18, tzinfo=UTC), f"now-{days}d", "now", points=2000)
    for shown in grafana.panels(dashboard):
        over = grafana.span(dashboard, shown, viewer)
        for target in shown.get("targets", ()):
            if not target.get("instant"):
                assert over.length_s / grafana.step_s(shown, target, over, viewer) <= 11_000, shown["title"]
