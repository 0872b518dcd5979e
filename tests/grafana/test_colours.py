"""Colours are told apart by everybody, and can be read on white and on black."""

import itertools

import pytest
from boards import colours
from coloraide import Color

MEANINGS = [colours.CHARGING, colours.IDLE, colours.ATTENTION, colours.WRONG, colours.CREDITS]
WHITE, BLACK = "#FFFFFF", "#181B1F"
"""Backgrounds of panels in Grafana's light and dark theme."""


def seen(colour, sight):
    """Return a colour as somebody sees it (Machado, Oliveira and Fernandes, 2009)."""
    return Color(colour).filter(sight, method="machado") if sight != "usual" else Color(colour)


@pytest.mark.parametrize("sight", ["usual", "protan", "deutan", "tritan"])
@pytest.mark.parametrize(
    ("shown", "least"), [(MEANINGS, 15), (list(colours.ENDPOINTS.values()), 12)], ids=["meanings", "endpoints"]
)
def test_they_are_told_apart(shown, least, sight):
    """Two colours that differ by less than 10 in CIELAB look alike where they do not touch."""
    pairs = itertools.combinations(shown, 2)
    distances = {pair: seen(pair[0], sight).delta_e(seen(pair[1], sight), method="76") for pair in pairs}
    assert {pair: distance for pair, distance in distances.items() if distance < least} == {}


@pytest.mark.parametrize("colour", MEANINGS)
@pytest.mark.parametrize("ground", [WHITE, BLACK])
def test_they_can_be_read(colour, ground):
    """3 is what WCAG asks of large text, as in tiles, and of graphics."""
    assert Color(colour).contrast(ground) >= 3
