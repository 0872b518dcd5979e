"""Lines that take the place of others."""

import pytest

from joulo_exporter.exposition.patch import Patch

LINES = b'a{x="1"} 1.0\na{x="12"} 2.0\na{x="2\r"} 3.0\n'


@pytest.mark.parametrize(
    ("new", "patched"),
    [
        (b'a{x="1"} 1.5\n', b'a{x="1"} 1.5\na{x="12"} 2.0\na{x="2\r"} 3.0\n'),
        (b'a{x="12"} 1.780000123e+09\n', b'a{x="1"} 1.0\na{x="12"} 1.780000123e+09\na{x="2\r"} 3.0\n'),
        (b'a{x="2\r"} 0.0\n', b'a{x="1"} 1.0\na{x="12"} 2.0\na{x="2\r"} 0.0\n'),
        (b'a{x="1"} 9.0\na{x="2\r"} 8.0\n', b'a{x="1"} 9.0\na{x="12"} 2.0\na{x="2\r"} 8.0\n'),
        (b"", LINES),
    ],
)
def test_lines_of_the_same_series_are_exchanged(new, patched):
    assert Patch(new).applied(LINES) == patched


def test_a_series_that_is_not_there_is_noticed():
    assert Patch(b'a{x="3"} 1.0\n').applied(LINES) is None


def test_a_label_that_spells_a_series_is_none():
    piece = b'a{x="a{x=\\"1\\"} "} 1.0\na{x="1"} 2.0\n'
    assert Patch(b'a{x="1"} 5.0\n').applied(piece) == b'a{x="a{x=\\"1\\"} "} 1.0\na{x="1"} 5.0\n'
