"""Any file is a configuration or one line; ``bad/`` has common mistakes, and their lines in ``expected.txt``."""

import json
import pickle
import re
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from joulo_exporter.config.schema import load_config
from joulo_exporter.errors import ConfigError

TOKEN = {"JOULO_TOKEN": "joulo_x"}
CANARY = "joulo_0LEAK4242canary"
BAD = Path(__file__).parent / "bad"
EXPECTED = {line.partition(":")[0]: line for line in (BAD / "expected.txt").read_text("utf-8").splitlines()}
FILES = sorted({path.name for path in BAD.glob("*.yaml")} | EXPECTED.keys())
"""Each has its line, and each line its file."""


@pytest.mark.parametrize("name", FILES)
def test_a_mistake_is_one_line_that_names_file_key_and_remedy_and_no_error_shows_the_token(monkeypatch, name):
    monkeypatch.chdir(BAD)
    assert CANARY.encode() in Path(name).read_bytes()
    with pytest.raises(ConfigError) as caught:
        load_config(Path(name), {})
    error = caught.value
    assert str(error) == EXPECTED[name]
    shown = ["".join(traceback.format_exception(error)), pickle.dumps(error, 0).decode("latin-1")]
    while error is not None:
        shown.append(f"{error!s} {error!r} {error.args!r} {vars(error)!r}")
        error = error.__cause__ or error.__context__
    assert not [text for text in shown if CANARY in text]


def test_a_file_that_cannot_be_read_is_named_on_one_line(tmp_path):
    (tmp_path / "f").touch()
    faults = {"f/x": "Not a directory", "a\0b": "not a path", "\ud800": "not a path"}
    for name in ("none.yml", "two\nlines", "\x1b[31m", ".", *faults):
        with pytest.raises(ConfigError) as caught:
            load_config(tmp_path / name, TOKEN)
        line = str(caught.value)
        assert line.isprintable()
        assert line.startswith("--config.file: ")
        assert str(tmp_path) in line
        unreadable = f"cannot be read ({faults.get(name)}); let the exporter's user read it"
        absent = "does not exist; create it, or correct the path"
        folder = "is not a regular file of at most 1 MiB; name a file that holds YAML"
        assert line.endswith(unreadable if name in faults else folder if name == "." else absent)


def test_a_file_of_one_mebibyte_and_no_more(load):
    comment = "#" * (1024 * 1024 - 1) + "\n"
    assert load(comment) == load("")
    with pytest.raises(ConfigError, match="not a regular file of at most 1 MiB; name a file that holds YAML"):
        load(comment + "\n")


@pytest.mark.parametrize("text", ["[", "- ", "{a: ", "? "])
def test_a_text_that_is_nested_without_end_is_refused_at_once(refused, text):
    assert re.match(r"line 1, column \d+: not valid YAML; ", refused(text * 200_000))


# The words of configurations, of YAML, and of those who want to upset a reader of either.
KEYS = "accounts api url intervals chargers vehicles token token_file token_env name id_tags storage path"
SIGNS = "~ - : ' \" \\ \\ud800 { } [ ] ? # % | ` @ << *a http:// localhost joulo_0LEAK4242canary 10m 0"
BLANKS = (": ", "\n", "\n  ", "- ", ", ", "&a ", "!t ", "\0", "\x85", "\t", "é", "---\n", "...\n")
WORDS = st.sampled_from([*KEYS.split(), *SIGNS.split(), *BLANKS])
TEXTS = WORDS | st.text(max_size=12)
TREES = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
LINES = st.lists(WORDS, max_size=40).map("".join)
MAPPINGS = st.dictionaries(WORDS, TREES, max_size=4).map(json.dumps)  # JSON is YAML too


@given(st.binary(max_size=300) | (LINES | MAPPINGS).map(str.encode))
@example(b'a: "\\UFFFFFFFF"')
@example(b"%YAML 1." + b"1" * 5000)
@example(b"\xef\xbb\xbf\xef\xbb\xbf")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=500)
def test_any_bytes_are_a_configuration_or_one_line(tmp_path, content):
    path = tmp_path / "any.yml"
    path.write_bytes(content)
    try:
        assert load_config(path, TOKEN).accounts
    except ConfigError as error:
        line = str(error)
        assert line.isprintable()
        assert line.startswith((f"{path}: ", "environment: "))
        assert "LEAK" not in line
