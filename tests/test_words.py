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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_summaries_have_a_subject_and_one_thing_has_one_word(path):
    source = path.read_text()
    nodes = list(ast.walk(ast.parse(source)))
    constants = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    strings = [(node.lineno, node.value) for node in constants if not SQL.match(node.value)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    found = [
        (path.name, line, why, text.strip()[:80])
        for line, text in strings + comments
        for why, word in REPLACED.items()
        if word.search(text)
    ]
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}  # those of attributes too
    found += [
        (path.name, node.lineno, "a summary has a subject", node.value.splitlines()[0])
        for node in constants
        if node in docstrings and HEADLESS.match(node.value)
    ]
    assert found == []
