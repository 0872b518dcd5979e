"""Colours are told apart by everybody, and can be read on white and on black."""

import itertools
import math

import pytest
from boards import colours

# What each kind of colour blindness makes of linear red, green and blue (Machado, Oliveira and Fernandes, 2009).
SIGHTS = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.1523, 1.0526, -0.2049), (0.1145, 0.7863, 0.0992), (-0.0039, -0.0481, 1.0520)),
    "deuteranopia": ((0.3673, 0.8606, -0.2280), (0.2801, 0.6725, 0.0474), (-0.0118, 0.0429, 0.9689)),
    "tritanopia": ((1.2555, -0.0767, -0.1788), (-0.0784, 0.9308, 0.1476), (0.0047, 0.6914, 0.3039)),
}
TO_XYZ = ((0.4339, 0.3763, 0.1899), (0.2126, 0.7152, 0.0722), (0.0177, 0.1095, 0.8729))  # white is 1, 1, 1
MEANINGS = [colours.CHARGING, colours.IDLE, colours.ATTENTION, colours.WRONG, colours.CREDITS]
WHITE, BLACK = "#FFFFFF", "#181B1F"
"""Backgrounds of panels in Grafana's light and dark theme."""


def linear(colour):
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def lab(colour, sight):
    """Return a colour in CIELAB as somebody sees it."""
    seen = [min(1.0, max(0.0, part)) for part in times(SIGHTS[sight], linear(colour))]
    x, y, z = (math.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in times(TO_XYZ, seen))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def contrast(one, other):
    """Return the contrast as WCAG has it."""
    lights = sorted(times(TO_XYZ, linear(colour))[1] + 0.05 for colour in (one, other))
    return lights[1] / lights[0]


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize(
    ("shown", "least"), [(MEANINGS, 15), (list(colours.ENDPOINTS.values()), 12)], ids=["meanings", "endpoints"]
)
def test_they_are_told_apart(shown, least, sight):
    """Two colours that differ by less than 10 look alike where they do not touch."""
    distances = {pair: math.dist(*(lab(one, sight) for one in pair)) for pair in itertools.combinations(shown, 2)}
    assert {pair: distance for pair, distance in distances.items() if distance < least} == {}


@pytest.mark.parametrize("colour", MEANINGS)
@pytest.mark.parametrize("ground", [WHITE, BLACK])
def test_they_can_be_read(colour, ground):
    """3 is what WCAG asks of large text, as in tiles, and of graphics."""
    assert contrast(colour, ground) >= 3
