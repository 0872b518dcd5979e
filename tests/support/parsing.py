"""Parsers that take every value of a test for plausible, and JSON documents with other values in them."""

import copy
from functools import partial

from joulo_exporter.models import charger, ere, session
from joulo_exporter.models.wire import Plausibility, read_response

MISSING = object()
ANYTHING = Plausibility(now_seconds=4e9, max_power_kw=1e9)

parse_chargers = partial(read_response, plausibility=ANYTHING, parse=charger.parse_chargers)
parse_sessions = partial(read_response, plausibility=ANYTHING, parse=session.parse_sessions)
parse_energy = partial(read_response, plausibility=ANYTHING, parse=session.parse_energy)
parse_ere_position = partial(read_response, plausibility=ANYTHING, parse=ere.parse_ere_position)
parse_ere_price = partial(read_response, plausibility=ANYTHING, parse=ere.parse_ere_price)


def changed(document, path, value):
    """Return a copy of a JSON document with another value at a path of keys; without it for ``MISSING``."""
    document = copy.deepcopy(document)
    *steps, last = path
    place = document
    for step in steps:
        place = place[step]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return document


def leaves(node, path=()):
    """Return the path and the value of everything in a document but its sections and lists."""
    if not isinstance(node, dict | list):
        return {path: node}
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    return {place: leaf for key, value in inner for place, leaf in leaves(value, (*path, key)).items()}
