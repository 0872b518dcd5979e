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


HISTOGRAM = (
    b'h_bucket{le="1",x="a"} 1.0\nh_count{x="a"} 2.0\n'
    b'h_bucket{le="1",x="b"} 3.0\nh_count{x="b"} 4.0\n'
    b'h_bucket{le="1",x="c"} 5.0\nh_count{x="c"} 6.0\n'
)


@pytest.mark.parametrize(
    ("new", "patched"),
    [
        (
            b'h_bucket{le="1",x="b"} 30.5\nh_count{x="b"} 40.0\n',
            HISTOGRAM.replace(b"3.0", b"30.5").replace(b"4.0", b"40.0"),
        ),
        (
            b'h_bucket{le="1",x="a"} 1.5\nh_count{x="a"} 2.5\nh_bucket{le="1",x="c"} 5.5\nh_count{x="c"} 6.5\n',
            HISTOGRAM.replace(b"1.0", b"1.5")
            .replace(b"2.0", b"2.5")
            .replace(b"5.0", b"5.5")
            .replace(b"6.0", b"6.5"),
        ),
    ],
)
def test_lines_of_one_sample_are_exchanged_together(new, patched):
    assert Patch(new, 2).applied(HISTOGRAM) == patched


@pytest.mark.parametrize(
    "new",
    [b'h_bucket{le="1",x="d"} 1.0\nh_count{x="a"} 1.0\n', b'h_bucket{le="1",x="a"} 1.0\nh_count{x="d"} 1.0\n'],
)
def test_a_sample_whose_first_or_last_line_is_not_there_is_noticed(new):
    assert Patch(new, 2).applied(HISTOGRAM) is None


def test_a_patch_is_as_long_as_its_lines():
    assert len(Patch(HISTOGRAM, 2)) == len(HISTOGRAM)
