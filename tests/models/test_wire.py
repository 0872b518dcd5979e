"""Reading of JSON: times, odd texts, no value in a message. And RFID tags."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.charger import Tags, normal_tag, parse_chargers
from joulo_exporter.models.session import parse_energy, parse_sessions
from joulo_exporter.models.wire import Plausibility, unix_seconds

NOW = Plausibility(1781809000.0)

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
def test_anything_else_is_none(text):
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
