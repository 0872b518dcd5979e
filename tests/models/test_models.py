"""The API's responses: which records are left out, what their fields mean, and when a response has failed."""

import json
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.snapshots import FIXTURES

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models import charger as of_chargers
from joulo_exporter.models import ere
from joulo_exporter.models import session as of_sessions
from joulo_exporter.models.charger import Charger, LiveSession, Tags, normal_tag
from joulo_exporter.models.session import Energy, Month
from joulo_exporter.models.wire import Plausibility, read_response, unix_seconds

NOW = Plausibility(1781809000.0)  # 2026-06-18T18:56:40Z, ten minutes after the latest moment of the payloads


parse_chargers = partial(read_response, parse=of_chargers.parse_chargers)
parse_sessions = partial(read_response, parse=of_sessions.parse_sessions)
parse_energy = partial(read_response, parse=of_sessions.parse_energy)
parse_ere_position = partial(read_response, parse=ere.parse_ere_position)
parse_ere_price = partial(read_response, parse=ere.parse_ere_price)
PARSERS = (parse_chargers, parse_sessions, parse_energy, parse_ere_position, parse_ere_price)
PAYLOADS = zip(PARSERS, ("chargers", "sessions", "energy", "ere-position", "ere-price"), strict=True)


@pytest.mark.parametrize(("parse", "payload"), [*PAYLOADS, (parse_energy, "energy-older")])
def test_all_fields_of_the_recorded_payloads_are_known_and_usable(parse, payload):
    """The golden exposition has their values."""
    response = parse((FIXTURES / f"{payload}.json").read_bytes(), NOW)
    assert (response.malformed, response.malformed_fields, response.unknown_fields) == ([], [], set())


# Records --------------------------------------------------------------------------------------


def chargers(*records):
    return parse_chargers(json.dumps({"chargers": records}).encode(), NOW)


def energy(*months, **totals):
    return parse_energy(json.dumps(totals | {"months": months}).encode(), NOW)


def charger(**fields):
    (record,) = chargers({"id": "a", **fields}).content
    return record


@pytest.mark.parametrize("record", [{}, *({"id": value} for value in (None, "", "x" * 129, 5, True, [], {}))])
def test_a_record_is_lost_only_without_its_id(record):
    response = chargers(record | {"slug": "a"}, {"id": "x" * 128})
    assert response.content == (Charger("x" * 128),)
    assert response.malformed == ["record 0: it has no usable id"]


@pytest.mark.parametrize(
    "record", [b"5", b'"x"', b"null", b"[]", b'{"id": "\xff"}', b'{"id": 1e999}', b'{"id\xff": 1}']
)
def test_a_record_that_cannot_be_read_costs_only_itself(record):
    response = parse_chargers(b'{"chargers": [%s, {"id": "b"}]}' % record, NOW)
    assert response.content == (Charger("b"),)
    assert len(response.malformed) == 1


@pytest.mark.parametrize("value", [b"1e999", b'"\xff"', b"-" + b"9" * 5000])
def test_a_value_that_cannot_be_read_costs_only_its_field(value):
    response = parse_chargers(b'{"chargers": [{"id": "a", "slug": "b", "latest_meter_wh": %s}]}' % value, NOW)
    assert response.content == (Charger("a", slug="b"),)
    assert [fault.field for fault in response.malformed_fields] == ["latest_meter_wh"]


@pytest.mark.parametrize("month", [5, None, "2026", "2026-13", "2026-00", "2026-6", "2026-06-02", "juni 2026"])
def test_a_month_is_lost_only_without_its_name(month):
    response = energy({"month": month, "kwh": 1}, {"month": "2026-05", "kwh": 2})
    assert response.content.months == (Month(month="2026-05", kwh_hundredths=200),)
    assert response.malformed == ["record 0: its month is not YYYY-MM"]


def test_the_first_of_two_with_one_id_or_month_counts():
    response = chargers({"id": "a", "slug": "first"}, {"id": "a", "slug": "second"})
    assert response.content == (Charger("a", slug="first"),)
    assert response.malformed == ["record 1: there is another one with its id"]
    response = energy({"month": "2026-06-01", "kwh": 1}, {"month": "2026-06", "kwh": 2})  # two spellings
    assert response.content.months == (Month(month="2026-06", kwh_hundredths=100),)


def test_a_charger_that_comes_as_before_is_not_read_again():
    first = {"id": "c1", "is_charging": True, "latest_meter_wh": 1000}
    second, broken, flawed = {"id": "c2"}, {"id": 3}, {"id": "c4", "status": 5}
    memory: dict[int, Charger] = {}

    def read(*records):
        parse = partial(of_chargers.parse_chargers, memory=memory)
        return read_response(json.dumps({"chargers": records}).encode(), NOW, parse)

    former = read(first, second, broken, flawed)
    latest = read(second, first | {"latest_meter_wh": 1001}, broken, flawed)
    assert latest.content[0] is former.content[1]
    assert latest.content[1] == msgspec.structs.replace(former.content[0], meter_wh=1001.0)
    # Faults are counted at each refresh, so what is faulty is read at each.
    assert [(len(read.malformed), len(read.malformed_fields)) for read in (former, latest)] == [(1, 2)] * 2


# API responses that have failed ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("parse", "body", "words"),
    [
        (parse_chargers, b'{"error": null, "chargers": null}', "an error message with status 200"),
        (parse_chargers, b'{"code": 503, "message": "upstream"}', "an error message with status 200"),
        (parse_chargers, b'{"chargers": 5}', "chargers is no list"),
        (parse_chargers, b'{"chargers": [{"id": 5}]}', "no record of the API response can be used; record 0"),
        (parse_sessions, b'{"sessions": null}', "no list of sessions"),
        (parse_sessions, b'{"sessions": {}}', "sessions is no list"),
        (parse_sessions, b'{"sessions": [{"id": null}]}', "no record of the API response can be used"),
        (parse_energy, b"{}", "none of the totals"),
        (parse_energy, b'{"total_kwh": -1}', "none of the totals"),
        (parse_energy, b'{"months": [{"month": "x"}]}', "none of the totals"),
        *(
            (parse_ere_position, body, "none of the figures")
            for body in (b"{}", b'{"paid": null}', b'{"paid": 5, "x": 1}')
        ),
        *((parse_ere_price, body, "gives no price") for body in (b'{"ok": true}', b'{"current": []}')),
        (parse_ere_price, b'{"ok": false, "current": {"mid_eur": 1}}', "out of order"),
        *((parse, b"[]", "Expected `object`") for parse in PARSERS),
        *((parse, b"{", "truncated") for parse in PARSERS),
    ],
)
def test_an_api_response_without_what_it_is_about_is_a_failure(parse, body, words):
    with pytest.raises(ApiResponseError, match=words):
        parse(body, NOW)


@pytest.mark.parametrize("body", [b"{}", b'{"chargers": null}', b'{"chargers": [], "error": null}'])
def test_an_account_may_have_nothing_yet(body):
    assert parse_chargers(body, NOW).content == ()
    assert parse_sessions(b'{"sessions": []}', NOW).content.sessions == ()
    assert parse_energy(b'{"months": []}', NOW).content == Energy()


@pytest.mark.parametrize("count", [10_001, 1_000_000])
def test_more_records_than_any_account_has_are_refused_at_once(count):
    with pytest.raises(ApiResponseError, match=r"chargers is no list of at most 10,000 records"):
        parse_chargers(b'{"chargers": [%s0]}' % (b"0," * (count - 1)), NOW)


# Meanings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "nickname"),
    [
        ({"nickname": " Oprit ", "name": "Garage"}, "Oprit"),
        ({"name": "Garage"}, "Garage"),
        ({"nickname": "  ", "name": "Garage"}, "Garage"),
        ({"nickname": 5, "name": "Garage"}, "Garage"),
        ({"nickname": ""}, None),
        ({"nickname": "x" * 1024}, "x" * 1024),
        ({"nickname": "Зарядка 🔌\n"}, "Зарядка 🔌"),
    ],
)
def test_nickname_or_name(names, nickname):
    assert charger(**names).nickname == nickname


@pytest.mark.parametrize(
    ("fields", "charging"),
    [
        ({"is_charging": 1}, True),
        ({"is_charging": "false"}, False),
        ({"is_charging": False, "current_session": {"id": "s"}}, False),
        ({"is_charging": False, "status": "charging"}, False),
        ({"current_session": {"id": "s"}, "status": "offline"}, True),
        ({"current_session": {}, "status": "online"}, False),
        ({"status": "Charging"}, True),
        ({"status": "Preparing"}, False),
        ({"status": "offline", "is_charging": None}, False),
        ({"status": " "}, None),
    ],
)
def test_charging_is_what_the_api_says_or_else_what_follows(fields, charging):
    assert charger(**fields).charging is charging


@pytest.mark.parametrize(
    ("current_session", "session", "unreadable"),
    [
        (None, None, False),
        ({}, None, False),
        ({"id": "s", "id_tag": " "}, LiveSession("s"), False),
        ({"kwh_so_far": 1.5}, None, True),
        ({"id": 5}, None, True),
        ("s", None, True),
    ],
)
def test_a_session_without_id_is_none_but_is_there(current_session, session, unreadable):
    record = charger(current_session=current_session)
    assert (record.session, record.session_unreadable) == (session, unreadable)


@pytest.mark.parametrize(
    ("wh", "moment", "read"),
    [
        (0.5, "2026-06-18T18:57:40Z", 0.5),  # a minute ahead: clocks differ
        ("8123450", "2026-06-18T18:00:00Z", 8123450.0),
        (1e12, None, 1e12),
        (5, "2026-06-18T18:57:42Z", None),
        (5, "2036-01-01T00:00:00Z", None),
    ],
)
def test_a_meter_reading_that_is_dated_after_now_is_none(wh, moment, read):
    response = chargers({"id": "a", "latest_meter_wh": wh, "meter_updated_at": moment})
    (record,) = response.content
    assert (record.meter_wh, record.meter_ahead) == (read, read is None)
    assert [fault.field for fault in response.malformed_fields] == ["meter_updated_at"] * (read is None)
    if read is None:
        assert record.meter_at_seconds is None


def session(**fields):
    body = {"id": "s", "charger_id": "c", "started_at": "2026-06-18T10:00:00Z", **fields}
    return parse_sessions(json.dumps({"sessions": [body]}).encode(), NOW).content.sessions[0]


@pytest.mark.parametrize(("status", "read"), [(" Completed", "completed"), (" ", None)])
def test_the_status_of_a_session_is_in_lower_case(status, read):
    assert session(status=status).status == read


@pytest.mark.parametrize(
    ("moment", "is_given"),
    [
        ("2014-12-31T23:59:59Z", False),
        ("2015-01-01T00:00:00Z", True),
        ("2026-06-18T19:56:40Z", True),
        ("2026-06-18T19:56:41Z", False),
    ],
)
def test_a_moment_is_given_from_2015_to_an_hour_after_now(moment, is_given):
    assert (session(started_at=moment).started_at_seconds is not None) is is_given


@pytest.mark.parametrize(
    ("kwh", "hundredths"),
    [(0, 0), (-0.0, 0), (0.29, 29), (1.005, 100), (41.08, 4108), ("41.08", 4108), (101, 10100), (101.01, None)],
)
def test_energy_is_exact_in_hundredths_and_fits_two_hours_at_50_kw(kwh, hundredths):
    """Two hours at 50 kW give 100 kWh; 1 kWh more is allowed."""
    assert session(kwh=kwh, ended_at=None, started_at="2026-06-18T16:56:40Z").kwh_hundredths == hundredths
    if hundredths is not None:
        assert session(kwh=kwh, ended_at="2026-06-18T12:00:00Z").kwh_hundredths == hundredths


def test_a_count_may_be_written_as_any_json_number():
    content = energy({"month": "2026-06", "sessions": 7.0}, total_sessions=97.0, total_sessions_all=1.18e2).content
    counts = (content.sessions, content.sessions_all, content.months[0].sessions)
    assert counts == (97, 118, 7)
    assert {type(count) for count in counts} == {int}


# JSON, times and texts ----------------------------------------------------------------------------


NOON_S = 1781784000.0  # 2026-06-18T12:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-06-18T14:00:00+02:00", NOON_S),
        ("2026-06-18T14:00:00+0200", NOON_S),
        ("2026-06-18T06:30:00-05:30", NOON_S),
        ("2026-06-18T12:00:00", NOON_S),
        ("2026-06-18 12:00:00", NOON_S),
        ("2026-06-18T12:00Z", NOON_S),
        ("2026-06-18T12:00:00.123456789Z", NOON_S + 0.123456),
        ("2028-02-29T00:00:00Z", 1835395200.0),
        ("2026-06-18t12:00:00z", NOON_S),
        ("0001-01-01T00:00:00Z", -62135596800.0),
    ],
)
@pytest.mark.usefixtures("far_from_utc")
def test_a_timestamp_is_that_moment_wherever_this_machine_is(text, seconds):
    assert unix_seconds(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "1781784000", "2026-06-18", "20260618T120000Z", "18-06-2026 12:00:00"),
        *("2026-02-29T00:00:00Z", "2026-06-18T25:00:00Z", "2026-06-18T12:00:00ZZ", "2026-06-18T12:00:00+99:00"),
        *("2026-06-18T12:00:00 CEST", "2026-06-18T12:00:00Z\n", "\uff12\uff10\uff12\uff16-06-18T12:00:00Z"),
    ],
)
def test_anything_else_is_no_timestamp(text):
    with pytest.raises(ValueError, match="timestamp"):
        unix_seconds(text)


@pytest.mark.parametrize(
    ("escaped", "nickname"),
    [
        (rb"half \ud83d", "half \ufffd"),
        (rb"half \uDE00 and \uD83D\n", "half \ufffd and \ufffd"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"whole \uD83D\uDE00", "whole \U0001f600"),
        (rb"no escape: \\ud83d", r"no escape: \ud83d"),
        (rb"no escape: \\ud8", r"no escape: \ud8"),
        (rb"\\\ud83d", "\\\ufffd"),
        (rb"\u00e9\ud7ff\ue000", "\u00e9\ud7ff\ue000"),
    ],
)
def test_half_an_emoji_costs_no_more_than_itself(escaped, nickname):
    body = b'{"chargers": [{"id": "a", "nickname": "' + escaped + b'"}, {"id": "b"}]}'
    response = parse_chargers(body, NOW)
    assert [charger.nickname for charger in response.content] == [nickname, None]


def test_broken_utf8_outside_of_records_is_a_failed_api_response_and_is_not_kept():
    with pytest.raises(ApiResponseError, match=r"not what the API documents: .*(byte 0xff|UTF-8)") as caught:
        parse_chargers(b'{"joulo_\xff": 1}', NOW)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("parse", [parse_chargers, parse_sessions, parse_energy])
def test_no_message_repeats_what_was_sent(parse):
    secret = "joulo_9fQx7LmZr2Vb5TkW"
    key = {parse_chargers: "chargers", parse_sessions: "sessions", parse_energy: "months"}[parse]
    for records in ([{"id": [secret], "month": [secret]}], secret, {secret: secret}, [secret], [{secret: 1}]):
        with pytest.raises(ApiResponseError) as caught:
            parse(json.dumps({key: records}).encode(), NOW)
        assert secret not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!s}"
        assert len(str(caught.value)) < 300


# RFID tags -------------------------------------------------------------------------------------


@given(st.text(alphabet="0123456789ABCDEF", min_size=8, max_size=20))
def test_spellings_of_one_tag_are_equal_and_a_hash_shows_nothing_of_it(tag):
    tags = Tags({}, "hash")
    shown = tags.shown(tag)
    assert len(shown) == 16
    assert tag[:8] not in shown.upper()
    for spelling in (tag.lower(), ":".join(tag), f" {tag[:2]}-{tag[2:4]}\t{tag[4:]} "):
        assert normal_tag(spelling) == tag
        assert tags.shown(spelling) == shown


@given(st.text())
def test_the_compared_spelling_is_compared_as_itself(tag):
    assert normal_tag(normal_tag(tag)) == normal_tag(tag)
