"""CRC-32 of joined pieces from the CRC-32 of each: arithmetic of polynomials over GF(2).

A CRC is a remainder modulo the polynomial of gzip (RFC 1952, section 8), so ``n`` bytes that follow multiply it by
``x`` to the power of ``8 n``. Bits stand in the order of that CRC: the highest bit is the constant.
"""

from __future__ import annotations

from functools import cache, lru_cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_X_TO_THE_8TH = 1 << 23


def combined(crc: int, following: int, shift: int) -> int:
    """Return the CRC-32 of two pieces.

    Args:
        crc: of the first.
        following: of the second.
        shift: ``shift_of`` the length of the second.
    """
    return _product(crc, shift) ^ following if crc else following


@lru_cache(maxsize=4096)
def shift_of(length: int) -> int:
    """Return what a CRC-32 is multiplied with when so many bytes follow."""
    shift, position = _ONE, 0
    while length:
        if length & 0xFF:
            shift = _product(shift, _powers(position)[length & 0xFF])
        length >>= 8
        position += 1
    return shift


@cache
def _powers(position: int) -> list[int]:
    """Return the shifts of 0 to 255 times ``256 ** position`` bytes."""
    step = _X_TO_THE_8TH if position == 0 else _product(_powers(position - 1)[255], _powers(position - 1)[1])
    powers = [_ONE]
    while len(powers) < 256:  # noqa: PLR2004 -- one for each value of a byte
        powers.append(_product(powers[-1], step))
    return powers


def _product(left: int, right: int) -> int:
    """Return the product of two polynomials modulo that of the CRC."""
    product = 0
    while left:
        if left & _ONE:
            product ^= right
        left = (left << 1) & 0xFFFFFFFF
        right = right >> 1 ^ _POLYNOMIAL if right & 1 else right >> 1
    return product
