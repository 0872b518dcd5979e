import io
import json
import logging
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter import logs

LOG = logging.getLogger("joulo_exporter.test")


def without_source(line):
    return re.sub(r" source=\S+:\d+", "", line, count=1)


def test_a_line_is_written_as_prometheus_writes_it(written):
    lines = written()
    logs.event(LOG, "info", "Refreshed the sessions", endpoint="sessions", new=3, duration=0.25, complete=True)

    assert re.fullmatch(
        r"time=2026-06-01T12:00:00\.500Z level=INFO source=test_log_lines\.py:\d+ "
        r'msg="Refreshed the sessions" endpoint=sessions new=3 duration=0\.25 complete=true',
        lines()[0],
    )


def test_a_line_of_json_has_the_same_keys(written):
    lines = written(log_format="json")
    logs.event(LOG, "warn", 'a "word"\n', endpoint="sessions", new=3, ratio=0.5, complete=False, none=None)

    record = json.loads(lines()[0])
    assert re.fullmatch(r"test_log_lines\.py:\d+", record.pop("source"))
    assert record == {
        "time": "2026-06-01T12:00:00.500Z",
        "level": "WARN",
        "msg": 'a "word"\n',
        "endpoint": "sessions",
        "new": 3,
        "ratio": 0.5,
        "complete": False,
        "none": None,
    }


@pytest.mark.parametrize(
    ("value", "written_value"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('a"b', r'"a\"b"'),
        ("back\\slash", "back\\slash"),
        ("back \\slash", r'"back \\slash"'),
        ("a\nb\r\tc", r'"a\nb\r\tc"'),
        ("\x1b[31m", r'"\x1b[31m"'),
        ("\x7f", r'"\x7f"'),
        ("é家", "é家"),
        ("\u2028\u202e", r'"\u2028\u202e"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("\udc80", "\\udc80"),
        (None, "<nil>"),
        (False, "false"),
        (12, "12"),
        (10**30, hex(10**30)),
        (float("nan"), "nan"),
        (Path("/a b"), '"/a b"'),
        (["x"], "['x']"),
    ],
)
def test_values_are_quoted_as_slog_quotes_them(written, value, written_value):
    lines = written()
    logs.event(LOG, "info", "m", key=value)

    assert without_source(lines()[0]) == f"time=2026-06-01T12:00:00.500Z level=INFO msg=m key={written_value}"


def test_levels_are_spelt_as_slog_spells_them(written):
    lines = written("debug")
    for level in logs.LEVELS:
        logs.event(LOG, level, level)
    LOG.critical("critical")

    assert [re.search(r"level=(\S+)", line)[1] for line in lines()] == [
        "DEBUG",
        "INFO",
        "WARN",
        "ERROR",
        "ERROR",
    ]


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warn", 2), ("error", 1)])
def test_less_than_the_level_is_not_logged(written, level, count):
    lines = written(level)
    for each in logs.LEVELS:
        logs.event(LOG, each, each)

    assert len(lines()) == count


@pytest.mark.parametrize("name", ["aiohttp.access", "aiohttp.server", "asyncio", "anything"])
def test_loggers_of_libraries_write_the_same_lines(written, name):
    lines = written()
    logging.getLogger(name).warning("%s of %d", "one", 2)

    assert without_source(lines()[0]) == 'time=2026-06-01T12:00:00.500Z level=WARN msg="one of 2"'


def test_fields_are_taken_from_a_plain_call_too(written):
    lines = written()
    LOG.info("m", extra={"fields": {"time": 1, "a b": 2}})

    assert lines()[0].endswith(' msg=m time_=1 "a b"=2')


def test_to_set_up_again_replaces_what_was_set_up(written):
    first = io.StringIO()
    logs.configure("debug", "json", first)
    lines = written("warn")
    logs.event(LOG, "info", "not logged")
    logs.event(LOG, "warn", "once")

    assert first.getvalue() == ""
    assert len(lines()) == 1


def test_nothing_is_raised_where_standard_error_is_closed(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    logs.configure("info", "logfmt", None)
    logs.event(LOG, "error", "to nobody")


ANYTHING = st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.binary() | st.lists(st.text())


@given(st.text(), st.dictionaries(st.text(), ANYTHING))
def test_a_record_is_one_line_of_logfmt_whatever_is_in_it(message, fields):
    stream = io.StringIO()
    logs.configure("debug", "logfmt", stream)
    LOG.info(message, extra={"fields": fields})
    text = stream.getvalue()

    assert text[-1:] == "\n"
    assert text[:-1].isprintable()
    assert len(
        re.findall(r'(?:[^\s="]+|"(?:[^"\\]|\\.)*")=(?:[^\s="]+|"(?:[^"\\]|\\.)*")(?= |\n)', text)
    ) >= 4 + len({key.encode("utf-8", "backslashreplace") for key in fields})


@given(st.text(), st.dictionaries(st.text(), ANYTHING))
def test_a_record_is_one_object_of_json_whatever_is_in_it(message, fields):
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    LOG.info(message, extra={"fields": fields})
    text = stream.getvalue()

    assert text.count("\n") == 1
    assert text[:-1].isprintable()
    assert text.isascii()
    assert json.loads(text)["msg"] == message.encode("utf-8", "backslashreplace").decode()


def test_a_line_of_logfmt_splits_as_a_shell_splits_it(written):
    lines = written()
    logs.event(LOG, "info", 'say "hi" = now', a="b c")

    assert shlex.split(lines()[0])[3:] == ['msg=say "hi" = now', "a=b c"]
