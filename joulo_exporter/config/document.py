"""YAML files as typed records: PyYAML's safe loader reads the syntax, msgspec makes the records.

No error quotes a value of the file, or a key that may be a token in the wrong place.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
import yaml
from msgspec import inspect
from yaml import events

from joulo_exporter.config.files import Where, nearest
from joulo_exporter.errors import ConfigError

Node: TypeAlias = "str | list[Node] | dict[str, Node]"
"""A scalar, a list or a mapping; ``04123456`` and ``12E4567`` are texts, as are ``yes`` and ``null``."""

Record = TypeVar("Record")
_Reader: TypeAlias = "Callable[[str], object] | None"

_LARGEST_BYTES = 1024 * 1024
_DEEPEST = 16
_LOADERS = (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader)
"""libyaml's parser, where PyYAML was built with it, is ten times as fast; the other one explains errors better."""

_TEXT_TAG = "tag:yaml.org,2002:str"
_QUOTED_TEXT = re.compile(r"'(?!<)[^']{3,}'")
_SYNTAX_REMEDY = "check indentation (blanks, no tabs), quotes, and the blank after each colon"

# Looks like a word: a token that has slipped to the place of a key has digits, or is longer.
_WORD = re.compile(r"(?!(?i:joulo_))[A-Za-z][A-Za-z_.-]{0,23}")
# A section whose content is commented out remains as a key without a value.
_NOTHING = ("", "~", "null")


def read_yaml(path: Path, flag: str) -> Node:
    """Return the content of a YAML file that a flag names, all scalars as texts; an empty text for an empty file.

    Raises:
        ConfigError: the file cannot be read, is no YAML, has a key twice, or uses anchors, tags or several
            documents, which have no use here.
    """
    where = Where(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise where.fault(f"there is no such file; correct {flag}, or create it") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise where.fault(f"cannot be read ({why}); name a file that the exporter's user can read") from None
    if len(content) > _LARGEST_BYTES:
        raise where.fault("is larger than 1 MiB; is it really a configuration?")
    for loader in _LOADERS:
        try:
            return _Builder(where, content.decode("utf-8-sig"), loader).document()
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            fault = _syntax_fault(where, content, error)
    # Raised here, without a cause: PyYAML's own errors quote the lines, and there may be a token in them.
    raise fault


def decode(where: Where, node: Node, kind: type[Record]) -> Record:
    """Return a tree of texts as a record of msgspec.

    Sections, lists and mappings without content count as not given. A class can have an ``EXAMPLE``; a
    ``msgspec.Meta`` an example too, and in its ``extra`` the function ``read``, which returns the value of a text
    without blanks around it, never empty, or raises ``ValueError``. Without one, the class of the value does.

    Args:
        where: the place of the tree.
        node: the tree, from ``read_yaml``.
        kind: a struct of values, literals, ``str``, structs, tuples and ``dict[str, …]``.

    Raises:
        ConfigError: the first fault: an unknown key, with the nearest known one, or a wrong shape or value.
    """
    return msgspec.convert(_read(where, {} if node in _NOTHING else node, *_bare(inspect.type_info(kind))), kind)


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
        tag = getattr(event, "tag", None)
        if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None) or tag not in (None, _TEXT_TAG):
            remedy = "put quotes around a value that begins so"
            raise self._fault(event, f"anchors, aliases and tags are not used here; {remedy}")
        if depth > _DEEPEST:
            raise self._fault(event, f"nested deeper than {_DEEPEST} levels; nothing here is")
        if isinstance(event, events.ScalarEvent):
            return str(event.value)
        if isinstance(event, events.SequenceStartEvent):
            return [self._node(item, depth=depth + 1) for item in self._until(events.SequenceEndEvent)]
        mapping: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for start in self._until(events.MappingEndEvent):
            key = self._node(start, depth=depth + 1)
            if not isinstance(key, str):
                raise self._fault(start, "a list or a mapping stands where a key is expected; write a plain key")
            if key in lines:
                shown = key if _WORD.fullmatch(key) else "this key"
                raise self._fault(start, f"{shown} is already on line {lines[key]}; keep one of the two")
            lines[key] = _line(start)
            mapping[key] = self._node(next(self._events), depth=depth + 1)
        return mapping

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        """Yield the first event of each node up to the end of a collection; the caller takes the rest."""
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _fault(self, event: yaml.Event, text: str) -> ConfigError:
        return self._where.fault(f"line {_line(event)}: {text}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _syntax_fault(where: Where, content: bytes, error: Exception) -> ConfigError:
    if isinstance(error, UnicodeDecodeError):
        line = content.count(b"\n", 0, error.start) + 1
        return where.fault(f"line {line}: is not UTF-8; save the file as UTF-8")
    if isinstance(error, yaml.reader.ReaderError):
        line = content.decode("utf-8-sig").count("\n", 0, error.position) + 1
        return where.fault(f"line {line}: a control character; remove it")
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return where.fault("not valid YAML: an escape or a directive with a number out of range; correct it")
    # The parser may quote the text, and that may be a token.
    problem = getattr(error, "problem", None) or ""
    detail = f" ({problem})" if problem and not _QUOTED_TEXT.search(problem) else ""
    return where.fault(f"line {mark.line + 1}, column {mark.column + 1}: not valid YAML{detail}; {_SYNTAX_REMEDY}")


# Records ------------------------------------------------------------------------------------

_SECTIONS = (inspect.StructType, inspect.CollectionType, inspect.DictType)
_SHAPES: dict[str, Any] = {"mapping": dict, "list": list, "single value": str}


def _read(where: Where, node: Any, expected: Any, example: str, read: _Reader) -> Any:  # noqa: ANN401
    noun = "mapping" if isinstance(expected, _SECTIONS) else "single value"
    noun = "list" if isinstance(expected, inspect.CollectionType) else noun
    if not isinstance(node, _SHAPES[noun]):
        raise where.fault(f"must be a {noun}, such as {example}")
    if isinstance(expected, inspect.StructType):
        return _struct(where, node, expected, example)
    if isinstance(expected, inspect.CollectionType):
        item = _bare(expected.item_type, example, read)
        return tuple(_read(where.item(position), each, *item) for position, each in enumerate(node))
    if isinstance(expected, inspect.DictType):
        value = _bare(expected.value_type, example, read)  # numbered, since a key can be an RFID tag
        return {key: _read(where.item(position), node[key], *value) for position, key in enumerate(node)}
    if isinstance(expected, inspect.LiteralType):
        return _word(where, node, [str(value) for value in expected.values])
    if read is None:
        return node
    text = node.strip()
    if not text:
        raise where.fault(f"is empty; write a value, such as {example}, or remove the key")
    return where.read(read, text)


def _struct(where: Where, node: dict[str, Node], expected: inspect.StructType, example: str) -> dict[str, object]:
    known = {field.encode_name: field for field in expected.fields}
    _require_known(where, node, known)
    given = {}
    for key, value in node.items():
        bare = _bare(known[key].type)
        if value not in _NOTHING or not isinstance(bare[0], _SECTIONS):
            given[key] = _read(where.child(key), value, *bare)
    for key, field in known.items():
        if field.required and key not in given:
            raise where.fault(f"has no {key}; write it as in {example}")
    return given


def _word(where: Where, text: str, words: list[str]) -> str:
    if text not in words:
        meant = nearest(text, words)
        remedy = f"did you mean {meant}?" if meant else "write one of them"
        raise where.fault(f"must be {', '.join(words[:-1])} or {words[-1]}; {remedy}")
    return text


def _bare(described: inspect.Type, example: str = "", read: _Reader = None) -> tuple[inspect.Type, str, _Reader]:
    """Return a type without ``| None`` and ``Annotated``, an example, and the function that reads its texts."""
    while isinstance(described, inspect.Metadata | inspect.UnionType):
        if isinstance(described, inspect.UnionType):
            described = next(each for each in described.types if not isinstance(each, inspect.NoneType))
        else:
            example = (described.extra_json_schema or {}).get("examples", [example])[0]
            read = (described.extra or {}).get("read", read)
            described = described.type
    if isinstance(described, inspect.StructType):
        example = "{" + ", ".join(f"{field.encode_name}: …" for field in described.fields) + "}"
    kind = getattr(described, "cls", None)
    return described, getattr(kind, "EXAMPLE", example), read or kind


def _require_known(where: Where, node: dict[str, Node], known: Iterable[str]) -> None:
    key = next((key for key in node if key not in known), None)
    if key is None:
        return
    meant = nearest(key, known)
    remedy = f"did you mean {meant}?" if meant else f"known here: {', '.join(known)}"
    if meant or _WORD.fullmatch(key):
        raise where.child(key).fault(f"unknown key; {remedy}")
    raise where.fault(f"has an unknown key, not shown since it may be a token; {remedy}")
