"""The bytes of /metrics are those of prometheus-client, whatever is in them."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import Household, fixture, market_picture, recorded_picture, renamed, with_position
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from rendered_by_library import EVERYTHING, generated, process

from joulo_exporter.collector import FAMILIES
from joulo_exporter.exposition import Exposition

GOLDEN = Path(__file__).parents[1] / "golden"
FORMATS = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])


def exposition_of(*snapshots) -> Exposition:
    exposition = Exposition(process())
    for position, snapshot in enumerate(snapshots):
        exposition.publish(snapshot.account or f"#{position}", snapshot)
    return exposition


def accounts(count):
    if count == 1:
        return [recorded_picture()]
    picture = recorded_picture()
    return [renamed(picture, f"account-{number}") for number in range(count)]


@FORMATS
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("count", [0, 1, 3, 50])
@pytest.mark.parametrize(
    "names",
    [
        EVERYTHING,
        frozenset({"joulo_total_kwh"}),
        frozenset({"joulo_up", "joulo_charging", "process_start_time_seconds"}),
        frozenset({"joulo_api_request_duration_seconds_bucket"}),
        frozenset({"joulo_api_request_duration_seconds"}),
        frozenset({"joulo_sessions_total", "joulo_sessions"}),
        frozenset({"no_such_metric"}),
    ],
    ids=lambda names: "+".join(sorted(names)) or "all",
)
def test_bytes_are_those_of_the_client_library(openmetrics, compressed, count, names):
    snapshots = accounts(count)
    wanted = generated(*snapshots, openmetrics=openmetrics, names=names)
    body = exposition_of(*snapshots).render(openmetrics=openmetrics, compressed=compressed, names=names)
    assert (gzip.decompress(body) if compressed else body) == wanted


def test_filter_by_name_gives_exactly_those_series():
    names = frozenset({"joulo_total_kwh", "joulo_exporter_build_info"})
    body = exposition_of(recorded_picture()).render(openmetrics=False, compressed=False, names=names)
    assert [line for line in body.decode().splitlines() if not line.startswith("#")] == [
        'joulo_total_kwh{charger="oprit"} 48.39',
        'joulo_total_kwh{charger="garage-achter"} 18.4',
        'joulo_exporter_build_info{python_version="3.11.4",version="1.2.3"} 1.0',
    ]


def test_gzip_is_one_member_and_the_same_each_time():
    exposition = exposition_of(*accounts(50))
    body = exposition.render(openmetrics=False, compressed=True, names=EVERYTHING)
    assert body.count(b"\x1f\x8b\x08") == 1
    assert body[4:8] == bytes(4)  # no time in it (RFC 1952, MTIME): equal pictures are equal bytes
    assert body == exposition.render(openmetrics=False, compressed=True, names=EVERYTHING)
    assert len(body) < len(gzip.decompress(body)) / 10


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=60)
@given(account=texts, nickname=texts, session_id=texts, tag=texts, vehicle=texts, label=texts, status=texts)
def test_any_label_texts(account, nickname, session_id, tag, vehicle, label, status):
    answer = fixture("chargers")
    answer["chargers"][0] |= {"nickname": nickname, "status": status}
    answer["chargers"][0]["current_session"] |= {"id": session_id, "id_tag": tag}
    charger_id = answer["chargers"][0]["id"]
    household = Household(account=account, vehicles={tag: vehicle}, labels={charger_id: label})
    picture = household.chargers(answer).sessions(fixture("sessions")).picture()
    exposition = exposition_of(picture)
    text = exposition.render(openmetrics=False, compressed=False, names=EVERYTHING)
    assert text == generated(picture, openmetrics=False)
    strict = exposition.render(openmetrics=True, compressed=False, names=EVERYTHING)
    assert strict == generated(picture, openmetrics=True)
    parsed = {metric.name: metric for metric in parse_openmetrics(strict.decode())}
    (info, _) = parsed["joulo_charger_info"].samples
    assert info.labels["nickname"] == nickname.strip()
    assert {info.labels["charger"], info.labels["account"]} == {label, account}


@pytest.mark.parametrize("text", ["100 %", "%s", "%%d", "{0}", "\0", 'a\\"b\nc'])
def test_texts_that_mean_something_to_python(text):
    picture = renamed(recorded_picture(), text)
    answer = fixture("chargers")
    household = Household(account=text, labels={answer["chargers"][0]["id"]: text}).chargers(answer).picture()
    for each in (picture, household):
        body = exposition_of(each).render(openmetrics=False, compressed=False, names=EVERYTHING)
        assert body == generated(each, openmetrics=False)


@FORMATS
def test_help_and_type_once_and_before_the_samples(openmetrics):
    body = exposition_of(*accounts(3)).render(openmetrics=openmetrics, compressed=False, names=EVERYTHING)
    lines = body.decode().splitlines()
    helps = [line.split(" ")[2] for line in lines if line.startswith("# HELP")]
    types = [line.split(" ")[2] for line in lines if line.startswith("# TYPE")]
    assert helps == types
    assert len(set(helps)) == len(helps)
    assert "_created" not in body.decode()
    samples = [line.rsplit("} ", 1)[-1].split(" ")[-1] for line in lines if not line.startswith("#")]
    assert all(line.rsplit("} ", 1)[-1].count(" ") <= 1 for line in lines if not line.startswith("#"))
    assert all(float(value) >= 0 for value in samples)


def test_a_new_picture_renders_its_own_account_only_and_a_scrape_none():
    snapshots = accounts(3)
    exposition = exposition_of(*snapshots)
    exposition.render(openmetrics=False, compressed=False, names=EVERYTHING)
    exposition.publish("account-1", snapshots[1])
    exposition.render(openmetrics=False, compressed=True, names=EVERYTHING)
    assert exposition.work.accounts_rendered == 3 + 1
    for openmetrics in (False, True, False):
        exposition.render(openmetrics=openmetrics, compressed=True, names=EVERYTHING)
    exposition.keep_only(["account-0", "account-1"])
    exposition.render(openmetrics=False, compressed=False, names=EVERYTHING)
    assert exposition.work.accounts_rendered == 3 + 1


@FORMATS
def test_a_new_picture_is_served_at_once(openmetrics):
    household = Household().chargers(fixture("chargers"))
    exposition = exposition_of(household.picture())
    before = exposition.render(openmetrics=openmetrics, compressed=False, names=EVERYTHING)
    exposition.publish("#0", household.picture(stale=["chargers"]))
    after = exposition.render(openmetrics=openmetrics, compressed=False, names=EVERYTHING)
    assert b'joulo_charging{charger="oprit"} 1.0' in before
    assert b"joulo_charging" not in after


@FORMATS
def test_keep_only_forgets_the_others_and_orders_the_rest(openmetrics):
    first, second, third = accounts(3)
    exposition = exposition_of(first, second, third)
    exposition.render(openmetrics=openmetrics, compressed=False, names=EVERYTHING)
    exposition.keep_only(["account-2", "new", "account-0"])
    assert [snapshot.account for snapshot in exposition.snapshots()] == ["account-2", "account-0"]
    body = exposition.render(openmetrics=openmetrics, compressed=False, names=EVERYTHING)
    assert body == generated(third, first, openmetrics=openmetrics)
    exposition.keep_only([])
    assert b"joulo_up" not in exposition.render(openmetrics=openmetrics, compressed=False, names=EVERYTHING)


def recorded_answers() -> Exposition:
    """Return two accounts as the recorded answers show them, the second with a power reading and a failure."""
    metered = fixture("chargers")
    metered["chargers"][0] |= {"latest_meter_wh": 8_119_450, "meter_updated_at": "2026-06-18T18:15:00Z"}
    strange = fixture("chargers")
    strange["chargers"][1] |= {"nickname": 'Garage "achter"\n\\ ⚡', "status": "paused"}
    office = Household(account="office", id_tags="hash").chargers(metered).chargers(strange)
    office.sessions(fixture("sessions")).energy(fixture("energy-older")).time_out("energy")
    return exposition_of(with_position(recorded_picture(account="home")), office.picture(), market_picture())


GOLDENS = pytest.mark.parametrize(
    ("name", "openmetrics"), [("metrics.txt", False), ("openmetrics.txt", True)], ids=["text", "openmetrics"]
)


@GOLDENS
def test_recorded_answers_give_the_golden_exposition(name, openmetrics):
    body = recorded_answers().render(openmetrics=openmetrics, compressed=False, names=EVERYTHING)
    if os.environ.get("RENEW_GOLDEN"):
        (GOLDEN / name).write_bytes(body)
    assert body.decode() == (GOLDEN / name).read_text(encoding="utf-8")


@GOLDENS
def test_parsers_read_every_sample_of_the_golden_exposition(name, openmetrics):
    text = (GOLDEN / name).read_text(encoding="utf-8")
    families = list((parse_openmetrics if openmetrics else parse_text)(text))
    samples = [sample for family in families for sample in family.samples]
    assert len(samples) == sum(not line.startswith("#") for line in text.splitlines())
    assert {family.name for family in families} >= {
        family.empty().name for family in FAMILIES if not family.name.startswith("joulo_ended_session_")
    }
    garage = next(s for s in samples if s.name == "joulo_charger_info" and 'Garage "' in s.labels["nickname"])
    assert garage.labels["nickname"] == 'Garage "achter"\n\\ ⚡'
    assert all(sample.timestamp is None for sample in samples)


@pytest.mark.e2e
def test_promtool_finds_nothing_to_improve(generation):
    with (GOLDEN / "metrics.txt").open("rb") as golden:
        checked = generation.run("promtool", "check", "metrics", stdin=golden)
    # The one unit that is not a base unit: the API counts the days of a forecast's history, and so do people.
    days = 'joulo_ere_forecast_history_days use base unit "seconds" instead of "days"\n'
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", days, 3)


@pytest.mark.e2e
def test_promtool_would_find_something(generation):
    bad = "# HELP requests Requests.\n# TYPE requests counter\nrequests 1\n"
    checked = generation.run("promtool", "check", "metrics", input=bad)
    assert 'requests counter metrics should have "_total" suffix' in checked.stderr
    assert checked.returncode != 0
