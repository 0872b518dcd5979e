"""The words of the package: summaries have a subject, and one thing has one word."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "joulo_exporter"
FILES = sorted(PACKAGE.rglob("*.py"))

HEADLESS = re.compile(r"(What|Who|Whom|Whose|How|Which|One that|Those that|That which)\b")
SQL = re.compile(r"\s*(ALTER|CREATE|DELETE|DROP|INSERT|SELECT|UPDATE)\b")
"""Tables of ledgers that are out there keep their names."""
REPLACED = {
    "a snapshot is no picture": re.compile(r"\bpictures?\b", re.IGNORECASE),
    "a response is no answer": re.compile(r"\banswers?\b|\banswered\b", re.IGNORECASE),
    "an event-loop iteration or a request slot is no turn": re.compile(r"\bturns\b|\b(a|its|their|the) turn\b"),
    "nobody is told": re.compile(r"\b(is|are|was|be) told\b", re.IGNORECASE),
    "nobody has a say": re.compile(r"\bhas its say\b|\bhangs? in the air\b|\btakes? its turn\b", re.IGNORECASE),
    "a CA signs": re.compile(r"\bvouch", re.IGNORECASE),
}


def _docstrings(tree):
    """Yield (line, text) of each docstring, those of attributes too."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.lineno, node.value.value


def _prose(path):
    """Yield (line, text) of each docstring, comment and message."""
    source = path.read_text()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not SQL.match(node.value):
            yield node.lineno, node.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_summaries_have_a_subject(path):
    found = [
        f"{path.name}:{line}: {text.splitlines()[0]}"
        for line, text in _docstrings(ast.parse(path.read_text()))
        if HEADLESS.match(text)
    ]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_one_thing_has_one_word(path):
    found = [
        f"{path.name}:{line}: {why}: {text.strip()[:80]}"
        for line, text in _prose(path)
        for why, word in REPLACED.items()
        if word.search(text)
    ]
    assert found == []
