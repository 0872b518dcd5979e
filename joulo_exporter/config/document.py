"""YAML files as typed records: PyYAML reads the syntax, msgspec makes the records.

No error quotes a value of the file, or a key that may be a token in the wrong place.
"""

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
import yaml
from msgspec import inspect

from joulo_exporter.config.files import Where, read_file
from joulo_exporter.config.values import NOTHING

Record = TypeVar("Record")
_Reader: TypeAlias = Callable[[str], object]

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""libyaml's parser, where PyYAML was built with it, is ten times as fast."""

_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_SYNTAX_REMEDY = (
    "keep to one document in UTF-8, and check indentation (blanks, no tabs), quotes, control characters, "
    "and the blank after each colon"
)

# A key that may be shown: a token written in place of a key has digits, or is longer.
_WORD = re.compile(r"(?!(?i:joulo_))[A-Za-z][A-Za-z_.-]{0,23}")
_SECTIONS = (inspect.StructType, inspect.CollectionType, inspect.DictType)
_SHAPES = {"mapping": yaml.MappingNode, "list": yaml.SequenceNode, "single value": yaml.ScalarNode}


def read_record(path: Path, flag: str, kind: type[Record]) -> Record:
    """Return the YAML file that a flag names as a record of msgspec; no scalar is interpreted by YAML's own rules.

    Sections, lists and mappings without content count as not given. A ``msgspec.Meta`` can have an example, and in
    its ``extra`` the function ``read``: given a text that is not empty, without blanks around it, it returns the
    value or raises ``ValueError``.

    Raises:
        ConfigError: the first fault: no YAML, an unknown key, with the nearest known one, a duplicate key, or a
            wrong shape or value.
    """
    where, content = Where(str(path)), read_file(Where(flag), path, "YAML")
    try:
        node = yaml.compose(content, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        if isinstance(error, yaml.reader.ReaderError):  # a byte that is not UTF-8, or a control character
            line = 1 + content.count(b"\n", 0, error.position)
            place = f"line {line}: "
        fault = f"{place}not valid YAML; {_SYNTAX_REMEDY}"
    else:
        if node is None or node.value in NOTHING:
            return kind()
        return msgspec.convert(_read(where, node, *_bare(inspect.type_info(kind))), kind)
    # Raised here, without a cause: PyYAML's own errors quote the lines, and there may be a token in them.
    raise where.fault(fault)


def _read(where: Where, node: yaml.Node, expected: Any, example: str, read: _Reader) -> Any:  # noqa: ANN401
    noun = "mapping" if isinstance(expected, _SECTIONS) else "single value"
    noun = "list" if isinstance(expected, inspect.CollectionType) else noun
    if node.tag not in _TAGS:
        raise where.fault("has a YAML tag, which is not used here; put quotes around a value that begins so")
    if not isinstance(node, _SHAPES[noun]):
        raise where.fault(f"must be a {noun}, such as {example}")
    if isinstance(expected, inspect.StructType):
        return _struct(where, _pairs(where, node), expected)
    if isinstance(expected, inspect.CollectionType):
        item = _bare(expected.item_type, example, read)
        return tuple(_read(where.item(position), each, *item) for position, each in enumerate(node.value))
    if isinstance(expected, inspect.DictType):
        value = _bare(expected.value_type, example, read)  # numbered, since a key can be an RFID tag
        pairs = enumerate(_pairs(where, node).items())
        return {key: _read(where.item(position), each, *value) for position, (key, each) in pairs}
    if not node.value.strip():
        raise where.fault(f"is empty; write a value, such as {example}, or remove the key")
    return where.read(read, node.value.strip())


def _pairs(where: Where, mapping: yaml.Node) -> dict[str, yaml.Node]:
    pairs: dict[str, yaml.Node] = {}
    for key, value in mapping.value:
        place = Where(where.source, f"line {key.start_mark.line + 1}")
        if not isinstance(key, yaml.ScalarNode):
            raise place.fault("a list or a mapping stands where a key is expected; write a plain key")
        if key.value in pairs:
            shown = key.value if _WORD.fullmatch(key.value) else "this key"
            raise place.fault(f"{shown} stands here for the second time; keep one of the two")
        pairs[key.value] = value
    return pairs


def _struct(where: Where, pairs: dict[str, yaml.Node], expected: inspect.StructType) -> dict[str, object]:
    known = {field.encode_name: field for field in expected.fields}
    given = {}
    for key, value in pairs.items():
        if key not in known:
            meant = difflib.get_close_matches(key, known, n=1)
            remedy = f"did you mean {meant[0]}?" if meant else f"known here: {', '.join(known)}"
            if meant or _WORD.fullmatch(key):
                raise where.child(key).fault(f"unknown key; {remedy}")
            raise where.fault(f"has an unknown key, not shown since it may be a token; {remedy}")
        bare = _bare(known[key].type)
        # A section whose content is commented out remains as a key without a value.
        skips = isinstance(bare[0], _SECTIONS) or getattr(expected.cls, "BLANK_IS_ABSENT", False)
        if value.value in NOTHING and skips:
            continue
        given[key] = _read(where.child(key), value, *bare)
    for key, field in known.items():
        if field.required and key not in given:
            raise where.fault(f"has no {key}; add one, such as {key}: {_bare(field.type)[1]}")
    return given


def _bare(described: inspect.Type, example: str = "", read: _Reader = str) -> tuple[inspect.Type, str, _Reader]:
    """Return a type without ``| None`` and ``Annotated``, an example, and the function that reads its texts."""
    if isinstance(described, inspect.UnionType):
        described = next(each for each in described.types if not isinstance(each, inspect.NoneType))
    if isinstance(described, inspect.Metadata):
        example = (described.extra_json_schema or {}).get("examples", [example])[0]
        read = (described.extra or {}).get("read", read)
        described = described.type
    if isinstance(described, inspect.StructType):
        example = "{" + ", ".join(f"{field.encode_name}: …" for field in described.fields) + "}"
    return described, example, read
