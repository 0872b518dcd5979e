"""The dashboards are what their code makes, in two languages that differ in words only, for any Grafana."""

import json
import re
from datetime import UTC, datetime

import generate
import pytest
from support import grafana

UIDS = {"joulo-charging", "joulo-sessions", "joulo-exporter"}
"""They are in people's links and bookmarks; a file has the name of its dashboard's uid."""
BY_STEM = {path.stem: path for path in grafana.FILES}
PAIRS = [(path, BY_STEM[f"{path.stem}-nl"]) for path in grafana.ENGLISH]
SAME_IN_BOTH = {  # texts that are the same word in English and Dutch
    "Account", "Offline", "Joulo", "Start", "Status", "Code", "Python", "Accounts",
    "Endpoint", "Version", "CPU", "Tag", "Meters", "Processor", "Interval", "Per kWh", "Joulo: exporter",
    "up", "reload", "ledger", "history",  # names of figures whose panel shows the value only
}  # fmt: skip
WORDS = {
    "title",
    "description",
    "label",
    "legendFormat",
    "text",
    "noValue",
    "displayName",
    "axisLabel",
    "content",
    "textFormat",
}


def texts(node, path=()):
    """Yield (path, text) of everything that people read."""
    if isinstance(node, list):
        for number, inner in enumerate(node):
            yield from texts(inner, (*path, number))
    elif isinstance(node, dict):
        renamed = bool(path) and path[-1] == "renameByName"
        for number, (key, inner) in enumerate(node.items()):
            key = number if renamed else key  # noqa: PLW2901 -- a column's name can be a word, too
            read = key in WORDS or renamed or (key == "name" and path[:1] == ("annotations",))
            pattern = key == "options" and path[-1:] == ("matcher",) and str(inner).startswith("/^")
            if isinstance(inner, str) and (read or pattern) and re.search("[a-zA-Z]", "".join(legend_rest(inner))):
                yield (*path, key), inner
            yield from texts(inner, (*path, key))


def legend_rest(text):
    """Yield what of a text is not a label's value, as in ``{{account}} {{charger}}``."""
    for part in text.split("{{"):
        yield part.split("}}")[-1]


def without_words(dashboard):
    """Return a copy in which each text is replaced by its number, also where it names a column."""
    text = json.dumps(dashboard, sort_keys=True, ensure_ascii=False)
    words = sorted({found for _, found in texts(dashboard)}, key=len, reverse=True)
    numbers = {
        found: f"word {number}" for number, found in enumerate(dict.fromkeys(t for _, t in texts(dashboard)))
    }
    for found in words:
        for form in ("{}", "{} (sum)"):  # alone, or as a column that Grafana names
            old, new = form.format(found), form.format(numbers[found])
            text = text.replace(json.dumps(old, ensure_ascii=False), json.dumps(new))
    return json.loads(text)


def test_the_files_are_what_the_code_makes():
    made = dict(generate.dashboards())
    assert sorted(made) == sorted(grafana.FILES)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make dashboards"


def test_uids_are_those_that_people_have_bookmarked():
    assert BY_STEM.keys() == UIDS | {f"{uid}-nl" for uid in UIDS}
    assert {stem: grafana.load(path)["uid"] for stem, path in BY_STEM.items()} == {stem: stem for stem in BY_STEM}


@pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
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


@pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
def test_any_grafana_imports_it(path):
    assert not {"__inputs", "__requires", "__elements", "id", "version"} & grafana.load(path).keys()


@pytest.mark.parametrize(("english", "dutch"), PAIRS, ids=lambda path: path.stem)
class TestLanguages:
    def test_they_differ_in_words_only(self, english, dutch):
        one, other = grafana.load(english), grafana.load(dutch)
        for dashboard, code in ((one, "en"), (other, "nl")):
            assert f"joulo-{code}" in dashboard["tags"]
            dashboard["uid"] = dashboard["uid"].removesuffix("-nl")
            dashboard["tags"].remove(f"joulo-{code}")
            for link in dashboard["links"]:
                link["tags"] = [tag.removesuffix(f"-{code}") for tag in link.get("tags", [])]
        assert [path for path, _ in texts(one)] == [path for path, _ in texts(other)]
        assert columns_numbered(one) == columns_numbered(other)

    def test_nothing_is_left_in_the_other_language(self, english, dutch):
        pairs = zip(texts(grafana.load(english)), texts(grafana.load(dutch)), strict=True)
        assert {one for (_, one), (_, other) in pairs if one == other} - SAME_IN_BOTH == set()


def columns_numbered(dashboard):
    """Return a dashboard whose words are numbered, panel by panel, also where they are a column's name."""
    panels = [without_words(panel) for panel in dashboard["panels"]]
    rest = without_words({key: value for key, value in dashboard.items() if key != "panels"})
    return {"panels": panels, "rest": rest}


@pytest.mark.parametrize("path", grafana.ENGLISH, ids=lambda path: path.stem)
def test_a_query_can_be_read(path):
    dashboard = grafana.load(path)
    asked = [target["expr"] for shown in grafana.panels(dashboard) for target in shown.get("targets", ())]
    asked += [mark["expr"] for mark in grafana.annotations(dashboard)]
    assert [expression for expression in asked if len(expression) > 400] == []


@pytest.mark.parametrize("days", [1, 30, 300, 400, 456, 548, 730, 1095, 2000])
@pytest.mark.parametrize("path", grafana.ENGLISH, ids=lambda path: path.stem)
def test_no_panel_asks_for_more_points_than_prometheus_gives(path, days):
    dashboard = grafana.load(path)
    viewer = grafana.Viewer(UTC, datetime(2026, 6, 18, tzinfo=UTC), f"now-{days}d", "now", points=2000)
    for shown in grafana.panels(dashboard):
        over = grafana.span(dashboard, shown, viewer)
        for target in shown.get("targets", ()):
            if not target.get("instant"):
                assert over.length_s / grafana.step_s(shown, target, over, viewer) <= 11_000, shown["title"]
