"""YAML files as typed records: PyYAML reads the syntax, msgspec makes the records.

No error quotes a value of the file, or a key that may be a token in the wrong place.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
import yaml
from msgspec import inspect

from joulo_exporter.config.files import Where, nearest, read_file
from joulo_exporter.config.values import NOTHING
from joulo_exporter.errors import ConfigError

Node: TypeAlias = "str | list[Node] | dict[str, Node]"
"""A scalar, a list or a mapping; ``04123456`` and ``12E4567`` are texts, as are ``yes`` and ``null``."""

Record = TypeVar("Record")
_Reader: TypeAlias = "Callable[[str], object] | None"

_LARGEST_BYTES = 1024 * 1024
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""libyaml's parser, where PyYAML was built with it, is ten times as fast."""

_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_SYNTAX_REMEDY = (
    "keep to one document without anchors, and check indentation (blanks, no tabs), quotes, control characters, "
    "and the blank after each colon"
)

# A key that may be shown: a token written in place of a key has digits, or is longer.
_WORD = re.compile(r"(?!(?i:joulo_))[A-Za-z][A-Za-z_.-]{0,23}")
_SECTIONS = (inspect.StructType, inspect.CollectionType, inspect.DictType)
_SHAPES: dict[str, Any] = {"mapping": dict, "list": list, "single value": str}


def read_yaml(path: Path, flag: str) -> Node:
    """Return the content of a YAML file that a flag names, all scalars as texts; an empty text for an empty file.

    A duplicate key is a fault, and so are aliases, tags and several documents, which have no use here.
    """
    where, content = Where(str(path)), read_file(Where(flag), path, _LARGEST_BYTES + 1, "YAML")
    if len(content) > _LARGEST_BYTES:
        raise where.fault("is larger than 1 MiB; is it really a configuration?")
    try:
        node = yaml.compose(content.decode("utf-8-sig"), Loader=_LOADER)
        return "" if node is None else _tree(where, node, set())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fault = f"line {line}: is not UTF-8; save the file as UTF-8"
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        fault = f"{place}not valid YAML; {_SYNTAX_REMEDY}"
    # Raised here, without a cause: PyYAML's own errors quote the lines, and there may be a token in them.
    raise where.fault(fault)


def decode(where: Where, node: Node, kind: type[Record]) -> Record:
    """Return a tree of texts as a record of msgspec.

    Sections, lists and mappings without content count as not given. A section can have an ``EXAMPLE``. A
    ``msgspec.Meta`` can have one too, and in its ``extra`` the function ``read``: given a text that is not empty,
    without blanks around it, it returns the value or raises ``ValueError``. Without it, the text stays as it is.

    Raises:
        ConfigError: the first fault: an unknown key, with the nearest known one, or a wrong shape or value.
    """
    return msgspec.convert(_read(where, {} if node in NOTHING else node, *_bare(inspect.type_info(kind))), kind)


# YAML: the tree is built from the parser's nodes, so that no scalar is ever interpreted --------


def _tree(where: Where, node: yaml.Node, seen: set[yaml.Node]) -> Node:
    """Return a node of YAML and all below it; an alias would be a node that has been seen already."""
    line = f"line {node.start_mark.line + 1}"
    if node in seen or node.tag not in _TAGS:
        raise where.child(line).fault(
            "aliases and tags are not used here; put quotes around a value that begins so"
        )
    seen.add(node)
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_tree(where, each, seen) for each in node.value]
    mapping: dict[str, Node] = {}
    lines: dict[str, str] = {}
    for start, value in node.value:
        key, line = _tree(where, start, seen), f"line {start.start_mark.line + 1}"
        if not isinstance(key, str):
            raise where.child(line).fault("a list or a mapping stands where a key is expected; write a plain key")
        if key in lines:
            shown = key if _WORD.fullmatch(key) else "this key"
            raise where.child(line).fault(f"{shown} is already on {lines[key]}; keep one of the two")
        mapping[key], lines[key] = _tree(where, value, seen), line
    return mapping


# Records ------------------------------------------------------------------------------------


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
    if read is None:
        return node
    if not node.strip():
        raise where.fault(f"is empty; write a value, such as {example}, or remove the key")
    return where.read(read, node.strip())


def _struct(where: Where, node: dict[str, Node], expected: inspect.StructType, example: str) -> dict[str, object]:
    known = {field.encode_name: field for field in expected.fields}
    given = {}
    for key, value in node.items():
        if key not in known:
            raise _unknown(where, key, known)
        bare = _bare(known[key].type)
        # A section whose content is commented out remains as a key without a value.
        skips = isinstance(bare[0], _SECTIONS) or getattr(expected.cls, "BLANK_IS_ABSENT", False)
        if value in NOTHING and skips:
            continue
        given[key] = _read(where.child(key), value, *bare)
    for key, field in known.items():
        if field.required and key not in given:
            raise where.fault(f"has no {key}; write it as in {example}")
    return given


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
    return described, getattr(kind, "EXAMPLE", example), read


def _unknown(where: Where, key: str, known: Iterable[str]) -> ConfigError:
    meant = nearest(key, known)
    remedy = f"did you mean {meant}?" if meant else f"known here: {', '.join(known)}"
    if meant or _WORD.fullmatch(key):
        return where.child(key).fault(f"unknown key; {remedy}")
    return where.fault(f"has an unknown key, not shown since it may be a token; {remedy}")
