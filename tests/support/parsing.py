"""The parsers of the API's responses with bounds that take every value of a test for plausible."""

import copy
from functools import partial

from joulo_exporter.models import charger, ere, session
from joulo_exporter.models.session import SessionPage
from joulo_exporter.models.wire import ApiResponse, Plausibility

MISSING = object()
ANYTHING = Plausibility(now_seconds=4e9, max_power_kw=1e9)

parse_chargers = partial(charger.parse_chargers, plausibility=ANYTHING)
parse_sessions = partial(session.parse_sessions, plausibility=ANYTHING)
parse_energy = partial(session.parse_energy, plausibility=ANYTHING)
parse_ere_position = partial(ere.parse_ere_position, plausibility=ANYTHING)
parse_ere_price = partial(ere.parse_ere_price, plausibility=ANYTHING)


def page_of(sessions, malformed=()):
    """Return the API response of ``/sessions`` with these records."""
    return ApiResponse(SessionPage(tuple(sessions)), tuple(malformed))


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
