"""YAML files as trees of texts, and trees as records: any text is a configuration or one line."""

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec import Meta, field

from joulo_exporter.config import load_config
from joulo_exporter.config.document import decode
from joulo_exporter.config.files import Where
from joulo_exporter.config.schema import Section
from joulo_exporter.config.values import Duration, Switch, Text
from joulo_exporter.errors import ConfigError

TOKEN = {"JOULO_TOKEN": "joulo_x"}
NO_INNER = "must be a mapping, such as {every: …, names: …, on: …, labels: …, text: …}"
UNKNOWN = "has an unknown key, not shown since it may be a token; known here"
NO_DURATION = (
    "f: inner.every: is not a duration; write one such as 90s, 10m, 1h30m or 7d: "
    "whole numbers with units y w d h m s ms, in that order"
)


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


# Records


class Inner(Section, frozen=True):
    every: Duration = Duration(60)
    names: Annotated[tuple[Annotated[Text, Meta(examples=["home"])], ...], Meta(examples=["[home]"])] = ()
    on: Switch = Switch("false")
    labels: Annotated[dict[str, str], Meta(examples=["{a: b}"])] = field(default_factory=dict)
    text: Annotated[Text, Meta(examples=["some text"])] | None = None


class Outer(Section, frozen=True):
    inner: Inner = Inner()
    inners: Annotated[tuple[Inner, ...], Meta(examples=["- {every: 10m}"])] = ()


@pytest.mark.parametrize(
    ("node", "record"),
    [
        ("", Outer()),
        ({"inner": "~", "inners": "null"}, Outer()),
        ({"inner": {"names": "", "labels": "~"}}, Outer()),
        ({"inner": {"names": [" a "], "on": "TRUE"}}, Outer(inner=Inner(names=("a",), on=Switch("true")))),
        ({"inners": [{"every": "1m30s", "text": "null"}]}, Outer(inners=(Inner(every=90.0, text="null"),))),
    ],
)
def test_a_tree_of_texts_becomes_records(node, record):
    assert decode(Where("f"), node, Outer) == record


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        ([], "f: must be a mapping, such as {inner: …, inners: …}"),
        ({"inner": []}, f"f: inner: {NO_INNER}"),
        ({"iner": ""}, "f: iner: unknown key; did you mean inner?"),
        ({"inner": {"colour": ""}}, "f: inner.colour: unknown key; known here: every, names, on, labels, text"),
        (
            {"inner": {"joulo_LEAK": ""}},
            f"f: inner: {UNKNOWN}: every, names, on, labels, text",
        ),
        (
            {"x` - at `$.inner": ""},
            f"f: {UNKNOWN}: inner, inners",
        ),
        ({"inner": {"names": "a"}}, "f: inner.names: must be a list, such as [home]"),
        (
            {"inners": [{}, {"names": ["a", " "]}]},
            "f: inners[1].names[1]: is empty; write a value, such as home, or remove the key",
        ),
        ({"inners": [{}, "LEAK"]}, f"f: inners[1]: {NO_INNER}"),
        ({"inner": {"every": "LEAK"}}, NO_DURATION),
        ({"inner": {"every": []}}, "f: inner.every: must be a single value, such as 10m"),
        ({"inner": {"on": "tru"}}, "f: inner.on: must be true or false; write one of them"),
        (
            {"inner": {"labels": {"LEAK": "b", "c": []}}},
            "f: inner.labels[1]: must be a single value, such as {a: b}",
        ),
        ({"inner": {"text": {"LEAK": ""}}}, "f: inner.text: must be a single value, such as some text"),
    ],
)
def test_the_place_and_the_remedy_of_a_fault_are_named(node, fault):
    with pytest.raises(ConfigError) as caught:
        decode(Where("f"), node, Outer)
    assert str(caught.value) == fault


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
        assert len(config.intervals) == 5


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
