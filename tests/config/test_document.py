"""YAML files: any text is a configuration or one line; ``bad/`` has the lines of common mistakes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from joulo_exporter.config.schema import load_config
from joulo_exporter.errors import ConfigError

TOKEN = {"JOULO_TOKEN": "joulo_x"}


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "f").touch()

    for path, fault in (
        ("none.yml", "there is no such file; correct --config.file, or create it"),
        (".", "cannot be read (Is a directory); name a file that the exporter's user can read"),
        ("f/x", "cannot be read (Not a directory); name a file that the exporter's user can read"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(tmp_path / path, TOKEN)
        assert str(caught.value) == f"{tmp_path / path}: {fault}"


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "two\nlines", "\x1b[31m"])
def test_a_name_of_a_file_is_one_line_whatever_it_is(name):
    with pytest.raises(ConfigError) as caught:
        load_config(Path(name), TOKEN)
    assert str(caught.value).isprintable()


def test_a_file_of_one_mebibyte_and_no_more(load, refused):
    comment = "#" * (1024 * 1024 - 1) + "\n"

    assert load(comment) == load("")
    assert refused(comment + "\n") == "is larger than 1 MiB; is it really a configuration?"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[" * 500_000, "nested deeper than 16 levels"),
        ("- " * 100_000, "nested deeper than 16 levels"),
        ("{a: " * 200_000, "nested deeper than 16 levels"),
        ("? " * 100_000, "nested deeper than 16 levels"),
        (
            "a: &a [x]\n" + "".join(f"{c}: &{c} [*a, *a]\n" for c in "bcdefghij"),
            "anchors, aliases and tags are not used here",
        ),
    ],
    ids=["lists", "list items", "mappings", "keys", "aliases"],
)
def test_a_text_that_grows_without_end_is_refused_at_once(refused, text, fault):
    assert refused(text).startswith(f"line 1: {fault}")


# Anything at all

# The words of configurations, of YAML, and of those who want to upset a reader of either.
_KEYS = "accounts api url intervals chargers vehicles token token_file token_env name id_tags storage path"
_SIGNS = "~ - : ' \" \\ \\ud800 { } [ ] ? # % | ` @ << *a http:// localhost joulo_0LEAK4242canary 10m 0"
_BLANKS = (": ", "\n", "\n  ", "- ", ", ", "&a ", "!t ", "\0", "\x85", "\t", "é", "---\n", "...\n")
_WORDS = st.sampled_from([*_KEYS.split(), *_SIGNS.split(), *_BLANKS])


def check_line(line, path):
    assert line.isprintable()
    assert line.startswith((f"{path}: ", "environment: "))
    assert "LEAK" not in line


@given(st.binary(max_size=300) | st.lists(_WORDS, max_size=40).map(lambda words: "".join(words).encode()))
@example(b'a: "\\UFFFFFFFF"')
@example(b"%YAML 1." + b"1" * 5000)
@example(b"\xef\xbb\xbf\xef\xbb\xbf")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_bytes_are_a_configuration_or_one_line(tmp_path, content):
    path = tmp_path / "any.yml"
    path.write_bytes(content)

    try:
        config = load_config(path, TOKEN)
    except ConfigError as error:
        check_line(str(error), path)
    else:
        assert config.accounts
        assert len(config.intervals) >= 5


_TREES = st.recursive(
    st.text(max_size=12) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(_WORDS, _TREES, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_tree_is_a_configuration_or_one_line(tmp_path, tree):
    path = tmp_path / "any.yml"
    path.write_text(_flow(tree), encoding="utf-8", errors="replace")

    try:
        load_config(path, TOKEN)
    except ConfigError as error:
        check_line(str(error), path)


def _flow(tree):
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(_flow, tree)) + "]"
    return '"' + "".join(f"\\U{ord(char):08x}" for char in tree) + '"'
