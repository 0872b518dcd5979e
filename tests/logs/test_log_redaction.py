import logging

import pytest

from joulo_exporter import logs
from joulo_exporter.config import Secret

CANARY = "joulo_0LEAK4242canary"
LOG = logging.getLogger("joulo_exporter.test")


def fail(error):
    """Return the error with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize("log_format", logs.FORMATS)
@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_secret_is_taken_out_of_every_part(written, log_format, level):
    proxy = "http://user:p/1w@proxy"
    lines = written(level, log_format, secrets=lambda: [Secret(CANARY), Secret(proxy), Secret("")])
    LOG.info("token %s", CANARY)
    LOG.info("m", extra={"fields": {"a": f"Bearer {CANARY}", f"b{CANARY}": 1, "c": {"d": CANARY}}})
    LOG.error("m", exc_info=fail(ValueError(f"x={CANARY}")))
    logs.event(LOG, "info", "m", err=fail(RuntimeError(CANARY)), secret=Secret(CANARY))
    logs.event(LOG, "info", "m", a=proxy, b="http%3A%2F%2Fuser%3Ap%2F1w%40proxy")

    assert len(lines()) == 5
    assert all("<secret>" in line for line in lines())
    assert not [line for line in lines() if "LEAK" in line or "p/1w" in line or "p%2F1w" in line]


def test_what_is_no_secret_stays(written):
    lines = written(secrets=lambda: [Secret(CANARY)])
    logs.event(LOG, "info", "m", a=CANARY[:-1])

    assert lines()[0].endswith(f" a={CANARY[:-1]}")


def test_secrets_are_those_of_the_moment(written):
    known = []
    lines = written(secrets=lambda: known)
    logs.event(LOG, "info", "one two")
    known.append(Secret("one"))
    logs.event(LOG, "info", "one two")
    known[:] = [Secret("two")]
    logs.event(LOG, "info", "one two")

    assert [line.partition(" msg=")[2] for line in lines()] == [
        '"one two"',
        '"<secret> two"',
        '"one <secret>"',
    ]


def test_of_two_secrets_that_begin_alike_nothing_remains(written):
    lines = written(secrets=lambda: [Secret("abc"), Secret("abcdef")])
    logs.event(LOG, "info", "m", a="abcdef", b="abc")

    assert lines()[0].endswith(" a=<secret> b=<secret>")
