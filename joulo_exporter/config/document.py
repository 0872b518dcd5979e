"""The configuration file as a tree of texts, as its author typed them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from joulo_exporter.config.faults import Where, looks_like_a_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from joulo_exporter.errors import ConfigError

Node: TypeAlias = "str | list[Node] | dict[str, Node]"
"""A scalar, a list or a mapping; ``04123456`` and ``12E4567`` are texts, as are ``yes`` and ``null``."""

LARGEST_BYTES = 1024 * 1024
_DEEPEST = 16

_FAST = getattr(yaml, "CSafeLoader", None)
"""libyaml's parser, where PyYAML was built with it: ten times as fast, but it explains errors less well."""

_TEXT_TAG = "tag:yaml.org,2002:str"
_QUOTED_TEXT = re.compile(r"'(?!<)[^']{3,}'")
_SYNTAX_REMEDY = "check indentation (blanks, no tabs), quotes, and the blank after each colon"


def read_document(path: Path, flag: str = "--config.file") -> Node:
    """Return what a YAML file says; an empty text for an empty file.

    Args:
        path: the file.
        flag: what names the file on the command line, for the remedy.

    Raises:
        ConfigError: it cannot be read, or is not YAML as far as it is used here.
    """
    where = Where(str(path))
    return parse_document(where, _text(where, _content(where, path, flag)))


def parse_document(where: Where, text: str) -> Node:
    """Return what a YAML text says.

    Raises:
        ConfigError: it is no YAML, or uses what has no use here: anchors, tags, several documents.
    """
    if _FAST is not None:
        try:
            return _Builder(where, text, _FAST).document()
        except (yaml.YAMLError, ValueError, OverflowError):
            pass  # what is wrong is for the other parser to say, or to accept
    try:
        return _Builder(where, text, yaml.SafeLoader).document()
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        fault = _syntax_fault(where, text, error)
    # Raised here, without a cause: PyYAML's own errors quote the lines, and there may be a token in them.
    raise fault


class _Builder:
    """Builds the tree from the parser's events, so that no scalar is ever interpreted."""

    def __init__(self, where: Where, text: str, loader: Any) -> None:  # noqa: ANN401 -- of libyaml's no type is known
        self._where = where
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)

    def document(self) -> Node:
        node: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if node is not None:
                    raise self._fault(event, "a second YAML document begins; keep one")
                node = self._node(next(self._events), depth=0)
        return "" if node is None else node

    def _node(self, event: yaml.Event, *, depth: int) -> Node:
        self._refuse_references(event)
        if depth > _DEEPEST:
            raise self._fault(event, f"nested deeper than {_DEEPEST} levels; nothing here is")
        if isinstance(event, ScalarEvent):
            return str(event.value)
        if isinstance(event, SequenceStartEvent):
            return [self._node(item, depth=depth + 1) for item in self._until(SequenceEndEvent)]
        return self._mapping(depth)

    def _mapping(self, depth: int) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for event in self._until(MappingEndEvent):
            key = self._key(event)
            if key in lines:
                shown = key if looks_like_a_key(key) else "this key"
                raise self._fault(event, f"{shown} is already on line {lines[key]}; keep one of the two")
            lines[key] = _line(event)
            mapping[key] = self._node(next(self._events), depth=depth + 1)
        return mapping

    def _key(self, event: yaml.Event) -> str:
        self._refuse_references(event)
        if not isinstance(event, ScalarEvent):
            raise self._fault(event, "a list or a mapping stands where a key is expected; write a plain key")
        return str(event.value)

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        """Yield the first event of each node up to the end of a collection; the caller takes the rest."""
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _refuse_references(self, event: yaml.Event) -> None:
        tag = getattr(event, "tag", None)
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) or tag not in (None, _TEXT_TAG):
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
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise where.fault(f"there is no such file; correct {flag}, or create it") from None
    except IsADirectoryError:
        raise where.fault("is a directory; name the file in it") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise where.fault(f"cannot be read ({why}); let the exporter's user read it") from None
    if len(content) > LARGEST_BYTES:
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
    # The parser may quote what it has read; that may be a token.
    problem = getattr(error, "problem", None) or ""
    detail = f" ({problem})" if problem and not _QUOTED_TEXT.search(problem) else ""
    place = f"line {mark.line + 1}, column {mark.column + 1}"
    return where.fault(f"{place}: not valid YAML{detail}; {_SYNTAX_REMEDY}")
