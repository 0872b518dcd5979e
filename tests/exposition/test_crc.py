"""The CRC-32 of joined bytes, against zlib."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.exposition.crc import combined, shift_of


@given(first=st.binary(max_size=600), second=st.binary(max_size=600))
def test_crc_of_two_pieces(first, second):
    crc = combined(zlib.crc32(first), zlib.crc32(second), shift_of(len(second)))
    assert crc == zlib.crc32(first + second)


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 65_535, 65_536, 3_000_001])
def test_crc_of_any_length(length):
    second = bytes(length)
    assert combined(zlib.crc32(b"first"), zlib.crc32(second), shift_of(length)) == zlib.crc32(b"first" + second)
