"""YAML files as typed records: PyYAML's safe loader reads the syntax, msgspec checks keys and shapes.

No error quotes a value of the file, or a key that may be a token in the wrong place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec
import yaml
from msgspec import inspect
from yaml import events

from joulo_exporter.config.files import Where, nearest
from joulo_exporter.config.tokens import Secret
from joulo_exporter.config.values import Duration, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from joulo_exporter.errors import ConfigError

Node: TypeAlias = "str | list[Node] | dict[str, Node]"
"""A scalar, a list or a mapping; ``04123456`` and ``12E4567`` are texts, as are ``yes`` and ``null``."""

Record = TypeVar("Record")

_LARGEST_BYTES = 1024 * 1024
_DEEPEST = 16
_FAST = getattr(yaml, "CSafeLoader", None)
"""libyaml's parser, where PyYAML was built with it: ten times as fast, but it explains errors less well."""

_TEXT_TAG = "tag:yaml.org,2002:str"
_QUOTED_TEXT = re.compile(r"'(?!<)[^']{3,}'")
_SYNTAX_REMEDY = "check indentation (blanks, no tabs), quotes, and the blank after each colon"

# The place at the end of msgspec's messages, such as `$.accounts[0].name`; a mapping's value is `[...]`.
_PATH = re.compile(r" - at `\$([^`]*)`\Z")
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]+)\]")

# Looks like a word: a token that has slipped to the place of a key has digits, or is longer.
_WORD = re.compile(r"(?!(?i:joulo_))[A-Za-z][A-Za-z_.-]{0,23}")
# A section whose content is commented out remains as a key without a value.
_NOTHING = ("", "~", "null")


def read_yaml(path: Path, flag: str) -> Node:
    """Return the content of a YAML file, all scalars as texts; an empty text for an empty file.

    Args:
        path: the file.
        flag: the option of the command line that names the file, for the remedy.

    Raises:
        ConfigError: the file cannot be read, is no YAML, has a key twice, or uses anchors, tags or several
            documents, which have no use here.
    """
    where = Where(str(path))
    text = _text(where, _content(where, path, flag))
    if _FAST is not None:
        try:
            return _Builder(where, text, _FAST).document()
        except (yaml.YAMLError, ValueError, OverflowError):
            pass  # the other parser names the fault, or accepts the text
    try:
        return _Builder(where, text, yaml.SafeLoader).document()
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        fault = _syntax_fault(where, text, error)
    # Raised here, without a cause: PyYAML's own errors quote the lines, and there may be a token in them.
    raise fault


def decode(where: Where, node: Node, kind: type[Record]) -> Record:
    """Return a tree of texts as a record of msgspec.

    Sections, lists and mappings without content count as not given. Structs should forbid unknown fields, and have
    an ``EXAMPLE``; other types can have one in their ``msgspec.Meta``.

    Args:
        where: the place of the tree.
        node: the tree, from ``read_yaml``.
        kind: a struct whose values are structs, lists, ``dict[str, str]``, literals, enumerations, ``Duration``,
            ``Secret`` or subclasses of ``str`` (without blanks around them, and never empty).

    Raises:
        ConfigError: the first fault: an unknown key, with the nearest known one, or a wrong shape.
    """
    expected = inspect.type_info(kind)
    node = {} if node in _NOTHING else _without_empty_sections(node, expected)
    try:
        return msgspec.convert(node, kind, dec_hook=_value)
    except msgspec.ValidationError as error:
        fault = _shape_fault(where, node, expected, error)
    raise fault  # without a cause: messages of msgspec quote unknown keys


# YAML ---------------------------------------------------------------------------------------


class _Builder:
    """Builds the tree from the parser's events, so that no scalar is ever interpreted."""

    def __init__(self, where: Where, text: str, loader: Any) -> None:  # noqa: ANN401 -- of libyaml's no type is known
        self._where = where
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)

    def document(self) -> Node:
        node: Node | None = None
        for event in self._events:
            if isinstance(event, events.DocumentStartEvent):
                if node is not None:
                    raise self._fault(event, "a second YAML document begins; keep one")
                node = self._node(next(self._events), depth=0)
        return "" if node is None else node

    def _node(self, event: yaml.Event, *, depth: int) -> Node:
        self._refuse_references(event)
        if depth > _DEEPEST:
            raise self._fault(event, f"nested deeper than {_DEEPEST} levels; nothing here is")
        if isinstance(event, events.ScalarEvent):
            return str(event.value)
        if isinstance(event, events.SequenceStartEvent):
            return [self._node(item, depth=depth + 1) for item in self._until(events.SequenceEndEvent)]
        return self._mapping(depth)

    def _mapping(self, depth: int) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for event in self._until(events.MappingEndEvent):
            self._refuse_references(event)
            if not isinstance(event, events.ScalarEvent):
                raise self._fault(event, "a list or a mapping stands where a key is expected; write a plain key")
            key = str(event.value)
            if key in lines:
                shown = key if _WORD.fullmatch(key) else "this key"
                raise self._fault(event, f"{shown} is already on line {lines[key]}; keep one of the two")
            lines[key] = _line(event)
            mapping[key] = self._node(next(self._events), depth=depth + 1)
        return mapping

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        """Yield the first event of each node up to the end of a collection; the caller takes the rest."""
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _refuse_references(self, event: yaml.Event) -> None:
        tag = getattr(event, "tag", None)
        if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None) or tag not in (None, _TEXT_TAG):
            raise self._fault(
                event,
                "anchors, aliases and tags are not used here; put quotes around a value that begins so",
            )

    def _fault(self, event: yaml.Event, text: str) -> ConfigError:
        return self._where.fault(f"line {_line(event)}: {text}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _content(where: Where, path: Path, flag: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise where.fault(f"there is no such file; correct {flag}, or create it") from None
    except IsADirectoryError:
        raise where.fault("is a directory; name the file in it") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise where.fault(f"cannot be read ({why}); let the exporter's user read it") from None
    if len(content) > _LARGEST_BYTES:
        raise where.fault("is larger than 1 MiB; is it really a configuration?")
    return content


def _text(where: Where, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        position = error.start
    line = content.count(b"\n", 0, position) + 1
    raise where.fault(f"line {line}: is not UTF-8; save the file as UTF-8")


def _syntax_fault(where: Where, text: str, error: Exception) -> ConfigError:
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return where.fault(f"line {line}, column {column}: a control character; remove it")
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return where.fault("not valid YAML: an escape or a directive with a number out of range; correct it")
    # The parser may quote the text, and that may be a token.
    problem = getattr(error, "problem", None) or ""
    detail = f" ({problem})" if problem and not _QUOTED_TEXT.search(problem) else ""
    place = f"line {mark.line + 1}, column {mark.column + 1}"
    return where.fault(f"{place}: not valid YAML{detail}; {_SYNTAX_REMEDY}")


# Records ------------------------------------------------------------------------------------


def _value(kind: type, node: Node) -> object:
    """Return a single value of a type that msgspec does not know; ``{example}`` in an error is filled in later."""
    if not isinstance(node, str):
        raise ValueError("must be a single value, such as {example}")  # noqa: TRY004 -- msgspec adds the place
    if kind is Secret:
        return Secret(node)
    text = node.strip()
    if not text:
        raise ValueError("is empty; write a value, such as {example}, or remove the key")
    return Duration(parse_duration(text)) if kind is Duration else kind(text)


def _without_empty_sections(node: Node, expected: inspect.Type) -> Node:
    if not isinstance(node, dict) or not isinstance(expected, inspect.StructType):
        return node
    types = {field.encode_name: _bare(field.type)[0] for field in expected.fields}
    collections = (inspect.StructType, inspect.CollectionType, inspect.DictType)
    return {
        key: _without_empty_sections(value, types[key]) if key in types else value
        for key, value in node.items()
        if not (value in _NOTHING and isinstance(types.get(key), collections))
    }


def _bare(described: inspect.Type, example: str = "") -> tuple[inspect.Type, str]:
    """Return a type without ``| None`` and ``Annotated``, and its example, else the one given."""
    while isinstance(described, inspect.Metadata | inspect.UnionType):
        if isinstance(described, inspect.UnionType):
            described = next(each for each in described.types if not isinstance(each, inspect.NoneType))
        else:
            example = str(((described.extra_json_schema or {}).get("examples") or [example])[0])
            described = described.type
    return described, getattr(getattr(described, "cls", None), "EXAMPLE", example)


def _shape_fault(where: Where, node: Any, expected: Any, error: msgspec.ValidationError) -> ConfigError:  # noqa: ANN401
    """Return the fault at the place that an error of msgspec names; of its words only the place is used."""
    unknown = _unknown_key(where, node, expected)
    if unknown is not None:  # found without the error's help, since such a key could itself end like a place
        return unknown
    expected, example = _bare(expected)
    path = _PATH.search(str(error))
    for name, position in _STEP.findall(path[1] if path else ""):
        if name:
            where, node = where.child(name), node[name]
            expected, example = _bare(next(each.type for each in expected.fields if each.encode_name == name))
        elif position == "...":  # numbered, since a key of a mapping may be an RFID tag
            number = next(number for number, value in enumerate(node.values()) if not isinstance(value, str))
            return where.item(number).fault(f"must be a single value, as in {example}")
        else:
            where, node = where.item(int(position)), node[int(position)]
            expected, example = _bare(expected.item_type, example)
    if error.__cause__ is not None:
        return where.fault(str(error.__cause__).replace("{example}", example))
    if isinstance(expected, inspect.LiteralType | inspect.EnumType):
        return _not_a_choice(where, node, expected)
    kind = "list" if isinstance(expected, inspect.CollectionType) else "mapping"
    return _unknown_key(where, node, expected) or where.fault(f"must be a {kind}, such as {example}")


def _unknown_key(where: Where, node: Node, expected: inspect.Type) -> ConfigError | None:
    if not isinstance(expected, inspect.StructType) or not isinstance(node, dict):
        return None
    known = [field.encode_name for field in expected.fields]
    key = next((key for key in node if key not in known), None)
    if key is None:
        return None
    meant = nearest(key, known)
    if meant is not None:
        return where.child(key).fault(f"unknown key; did you mean {meant}?")
    known_here = f"known here: {', '.join(known)}"
    if _WORD.fullmatch(key):
        return where.child(key).fault(f"unknown key; {known_here}")
    return where.fault(f"has an unknown key, not shown since it may be a token; {known_here}")


def _not_a_choice(where: Where, node: Node, expected: inspect.LiteralType | inspect.EnumType) -> ConfigError:
    values = [each.value for each in expected.cls] if isinstance(expected, inspect.EnumType) else expected.values
    words = [str(value) for value in values]
    meant = nearest(node, words) if isinstance(node, str) else None
    remedy = f"did you mean {meant}?" if meant else "write one of them"
    return where.fault(f"must be {', '.join(words[:-1])} or {words[-1]}; {remedy}")
