"""One file in ``bad/`` for each mistake, and in ``bad/expected.txt`` the line that its author reads."""

import copy
import io
import logging
import pickle
import traceback
from pathlib import Path

import pytest

from joulo_exporter.config.schema import load_config
from joulo_exporter.errors import ConfigError

CANARY = "joulo_0LEAK4242canary"
BAD = Path(__file__).parent / "bad"
EXPECTED = {
    line.partition(":")[0]: line for line in (BAD / "expected.txt").read_text("utf-8").splitlines() if line
}
FILES = sorted(path.name for path in BAD.glob("*.yaml"))


@pytest.fixture(autouse=True)
def _in_the_folder_of_the_files(monkeypatch):
    monkeypatch.chdir(BAD)


def chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_each_file_has_its_line_and_each_line_its_file():
    assert sorted(EXPECTED) == FILES


@pytest.mark.parametrize("name", FILES)
def test_a_mistake_is_one_line_that_names_file_key_and_remedy_and_no_error_shows_the_token(name):
    assert CANARY.encode() in Path(name).read_bytes()
    with pytest.raises(ConfigError) as caught:
        load_config(Path(name), {})
    error = caught.value
    assert str(error) == EXPECTED[name]

    stream = io.StringIO()
    logger = logging.getLogger("test.bad_files")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.error("%s", error, exc_info=error)
    logger.removeHandler(handler)
    shown = [
        stream.getvalue(),
        "".join(traceback.format_exception(error)),
        pickle.dumps(error, 0).decode("latin-1"),
        repr(copy.copy(error)),
        *(f"{link!s} {link!r} {link.args!r} {vars(link)!r}" for link in chain(error)),
    ]

    assert not [text for text in shown if CANARY in text]
