import io
import logging

import pytest

from joulo_exporter import logs
from joulo_exporter.errors import ApiTimeoutError, ConfigError

LOG = logging.getLogger("joulo_exporter.test")


def fail(error):
    """Return the error with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


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
def test_an_error_is_one_field(written, error, text):
    lines = written()
    logs.event(LOG, "warn", "failed", endpoint="energy", err=fail(error))
    LOG.error("failed", exc_info=fail(error))

    assert [line.partition(" msg=")[2] for line in lines()] == [
        f"failed endpoint=energy err={text}",
        f"failed err={text}",
    ]


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_only_debug_shows_a_traceback_on_the_same_line(written, log_format):
    lines = written("debug", log_format)
    logs.event(LOG, "warn", "failed", err=fail(ValueError("x")))

    assert len(lines()) == 1
    assert r"Traceback (most recent call last):\n  File \"" in lines()[0]
    assert "ValueError: x" in lines()[0]


@pytest.mark.parametrize("level", ["info", "warn", "error"])
def test_no_other_level_shows_a_traceback(written, level):
    lines = written(level)
    LOG.error("failed", exc_info=fail(ValueError("x")), stack_info=True)

    assert lines()[0].endswith(' msg=failed err="ValueError: x"')


class Unprintable:
    def __str__(self):
        raise RuntimeError("no")


def test_what_cannot_be_shown_does_not_stop_the_line(written):
    lines = written()
    LOG.info("%d of them", "x")
    LOG.info("%s", Unprintable())
    logs.event(LOG, "info", "m", key=Unprintable(), after=1)

    assert [line.partition(" msg=")[2] for line in lines()] == [
        '"%d of them"',
        "%s",
        "m key=<Unprintable> after=1",
    ]


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_a_stream_that_cannot_take_a_character_gets_it_escaped(log_format):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    logs.configure("info", log_format, stream)
    logs.event(LOG, "info", "café")

    assert b"caf\\" in raw.getvalue()


def test_a_closed_stream_is_no_error(capsys):
    stream = io.StringIO()
    logs.configure("info", "logfmt", stream)
    stream.close()
    logs.event(LOG, "info", "m")

    assert capsys.readouterr().err == ""
