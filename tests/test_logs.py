"""Lines of the log: their form, their levels, errors, secrets, and failures that go on."""

import io
import json
import logging
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter import logs
from joulo_exporter.config.files import Secret
from joulo_exporter.errors import ApiTimeoutError, ConfigError

NOW_S = 1_780_315_200.5  # 2026-06-01T12:00:00.500Z
LOG = logging.getLogger("joulo_exporter.test")
CANARY = "joulo_0LEAK4242canary"


@pytest.fixture
def written(monkeypatch):
    """Set up logging; return a function that gives the lines written since."""
    monkeypatch.setattr("time.time", lambda: NOW_S)
    monkeypatch.setattr("time.time_ns", lambda: int(NOW_S * 1e9))
    stream = io.StringIO()

    def configure(level="info", log_format="logfmt", **more):
        logging.getLogger().handlers.clear()  # those of pytest raise where ours must not
        logs.configure(level, log_format, stream, **more)
        return lambda: stream.getvalue().splitlines()

    return configure


def messages(lines):
    return [line.partition(" msg=")[2] for line in lines()]


def raised(error):
    """Return the error with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


# Lines --------------------------------------------------------------------------------------


def test_a_line_is_written_as_prometheus_writes_it(written):
    lines = written()
    logs.event(LOG, "info", "Refreshed the sessions", endpoint="sessions", new=3, duration=0.25, complete=True)

    assert re.fullmatch(
        r"time=2026-06-01T12:00:00\.500Z level=INFO source=test_logs\.py:\d+ "
        r'msg="Refreshed the sessions" endpoint=sessions new=3 duration=0\.25 complete=true',
        lines()[0],
    )


def test_a_line_of_json_has_the_same_keys(written):
    lines = written(log_format="json")
    logs.event(LOG, "warn", 'a "word"\n', new=3, ratio=0.5, complete=False, none=None, nan=math.nan)

    record = json.loads(lines()[0])
    assert re.fullmatch(r"test_logs\.py:\d+", record.pop("source"))
    assert record == {
        "time": "2026-06-01T12:00:00.500Z",
        "level": "WARN",
        "msg": 'a "word"\n',
        "new": 3,
        "ratio": 0.5,
        "complete": False,
        "none": None,
        "nan": "nan",
    }


@pytest.mark.parametrize(
    ("value", "written_value"),
    [
        ("", '""'),
        ("a=b", '"a=b"'),
        ('a"b', r'"a\"b"'),
        ("back\\slash", "back\\slash"),
        ("back \\slash", r'"back \\slash"'),
        ("a\nb\r\tc\x1b[31m", r'"a\nb\r\tc\x1b[31m"'),
        ("é家", "é家"),
        ("\u2028\u202e", r'"\u2028\u202e"'),
        ("\udc80", "\\udc80"),
        (None, "<nil>"),
        (False, "false"),
        (10**18, str(10**18)),
        (["x"], "['x']"),
    ],
)
def test_values_are_quoted_as_slog_quotes_them(written, value, written_value):
    lines = written()
    logs.event(LOG, "info", "m", key=value)

    assert messages(lines) == [f"m key={written_value}"]


@pytest.mark.parametrize(("level", "shown"), [("debug", 5), ("info", 4), ("warn", 3), ("error", 2)])
def test_levels_are_spelt_as_slog_spells_them_and_less_than_the_level_is_not_logged(written, level, shown):
    lines = written(level)
    for each in logs.LEVELS:
        logs.event(LOG, each, each)
    LOG.critical("critical")

    spelt = [re.search(r"level=(\S+)", line)[1] for line in lines()]
    assert spelt == ["DEBUG", "INFO", "WARN", "ERROR", "ERROR"][-shown:]


def test_loggers_of_libraries_write_the_same_lines_and_a_message_that_cannot_be_made_none(written, capsys):
    lines = written()
    logging.getLogger("aiohttp.access").warning("%s of %d", "one", 2)
    LOG.info("%d of them", "x")
    LOG.info("m", extra={"fields": {"a b": 2}})

    assert messages(lines) == ['"one of 2"', 'm "a b"=2']
    assert capsys.readouterr().err == ""


def test_a_second_configuration_replaces_the_first(written):
    first = io.StringIO()
    logs.configure("debug", "json", first)
    lines = written("warn")
    logs.event(LOG, "info", "not logged")
    logs.event(LOG, "warn", "once")

    assert first.getvalue() == ""
    assert messages(lines) == ["once"]


SLOGS_OWN = {"time", "level", "source", "msg"}
ANYTHING = st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.binary() | st.lists(st.text())


@given(st.text(), st.dictionaries(st.text().filter(lambda key: key not in SLOGS_OWN), ANYTHING))
def test_a_record_is_one_line_whatever_is_in_it(message, fields):
    logfmt, json_ = io.StringIO(), io.StringIO()
    for log_format, stream in (("logfmt", logfmt), ("json", json_)):
        logs.configure("debug", log_format, stream)
        LOG.info(message, extra={"fields": fields})

    text = logfmt.getvalue()
    assert text[-1:] == "\n"
    assert text[:-1].isprintable()
    pairs = re.findall(r'(?:[^\s="]+|"(?:[^"\\]|\\.)*")=(?:[^\s="]+|"(?:[^"\\]|\\.)*")(?= |\n)', text)
    assert len(pairs) >= 4 + len({key.encode("utf-8", "backslashreplace") for key in fields})

    text = json_.getvalue()
    assert text.count("\n") == 1
    assert text[:-1].isprintable()
    assert text.isascii()
    assert json.loads(text)["msg"] == message.encode("utf-8", "backslashreplace").decode()


# Errors, and streams that fail --------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError("/etc/joulo.yml: api: wrong"), '"/etc/joulo.yml: api: wrong"'),
        (ApiTimeoutError(""), "ApiTimeoutError"),
        (KeyError("a"), "\"KeyError: 'a'\""),
        (ValueError("two\nlines"), r'"ValueError: two\nlines"'),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_an_error_is_one_field_and_shows_no_traceback(written, error, text):
    lines = written()
    logs.event(LOG, "error", "failed", endpoint="energy", err=raised(error))
    LOG.error("failed", exc_info=raised(error), stack_info=True)

    assert messages(lines) == [f"failed endpoint=energy err={text}", f"failed err={text}"]


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_only_debug_shows_a_traceback_on_the_same_line(written, log_format):
    lines = written("debug", log_format)
    logs.event(LOG, "warn", "failed", err=raised(ValueError("x")))

    assert len(lines()) == 1
    assert r"Traceback (most recent call last):\n  File \"" in lines()[0]
    assert "ValueError: x" in lines()[0]


def test_a_stream_that_is_closed_or_was_never_there_is_no_error(monkeypatch, capsys):
    closed = io.StringIO()
    closed.close()
    logs.configure("info", "logfmt", closed)
    logs.event(LOG, "error", "to nobody")
    assert capsys.readouterr().err == ""

    monkeypatch.setattr("sys.stderr", None)
    logs.configure("info", "logfmt", None)
    logs.event(LOG, "error", "to nobody")


# Secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_format", logs.FORMATS)
@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_secret_is_taken_out_of_every_part(written, log_format, level):
    proxy = "http://user:LEAK/w@proxy"
    lines = written(level, log_format, secrets=lambda: [Secret(CANARY), Secret(proxy), Secret("")])
    LOG.info("token %s", CANARY)
    LOG.info("m", extra={"fields": {"a": f"Bearer {CANARY}", f"b{CANARY}": 1, "c": {"d": CANARY}}})
    LOG.error("m", exc_info=raised(ValueError(f"x={CANARY}")))
    logs.event(LOG, "info", "m", err=raised(RuntimeError(CANARY)), secret=Secret(CANARY))
    logs.event(LOG, "info", "m", a=proxy, b="http%3A%2F%2Fuser%3ALEAK%2Fw%40proxy")

    assert ["<secret>" in line for line in lines()] == [True] * 5
    assert not [line for line in lines() if "LEAK" in line]


def test_secrets_are_those_in_use_now_and_of_two_that_begin_alike_nothing_remains(written):
    known = []
    lines = written(secrets=lambda: known)
    for secrets in ([], ["one"], ["abc", "abcdef"]):
        known[:] = map(Secret, secrets)
        logs.event(LOG, "info", "m", a="one", b="abcdef", c="abc", d="ab")

    assert messages(lines) == [
        "m a=one b=abcdef c=abc d=ab",
        "m a=<secret> b=abcdef c=abc d=ab",
        "m a=one b=<secret> c=<secret> d=ab",
    ]


# Failures that go on ------------------------------------------------------------------------


def test_a_failure_is_logged_when_it_begins_hourly_for_each_reason_and_when_it_ends():
    def line(reason, failures, lasted_s):
        return {"reason": reason, "failures": failures, "lasted_s": lasted_s}

    log = logs.FailureLog()
    notices = [log.failed(("timeout", "unauthorized")[n % 2], 100.0 + 60 * n) for n in range(121)]

    assert {n: notice for n, notice in enumerate(notices) if notice} == {
        0: line("timeout", 1, 0),
        1: line("unauthorized", 2, 60),
        60: line("timeout", 61, 3600),
        61: line("unauthorized", 62, 3660),
        120: line("timeout", 121, 7200),
    }
    assert log.failures == 121
    assert log.succeeded(7360.0) == line("timeout", 121, 7260)
    assert log.failures == 0
    assert log.failed("timeout", 7480.0) == line("timeout", 1, 0)
