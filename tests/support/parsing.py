"""The parsers of the API's responses with bounds that take every value of a test for plausible."""

from __future__ import annotations

from functools import partial

from joulo_exporter import models
from joulo_exporter.models import ApiResponse, Plausibility, SessionPage

ANYTHING = Plausibility(now_seconds=4e9, max_power_kw=1e9)

parse_chargers = partial(models.parse_chargers, plausibility=ANYTHING)
parse_sessions = partial(models.parse_sessions, plausibility=ANYTHING)
parse_energy = partial(models.parse_energy, plausibility=ANYTHING)
parse_ere_position = partial(models.parse_ere_position, plausibility=ANYTHING)
parse_ere_price = partial(models.parse_ere_price, plausibility=ANYTHING)


def page_of(sessions, malformed=(), limit=None):
    """Return the API response of ``/sessions`` with these records."""
    return ApiResponse(SessionPage(tuple(sessions), limit), tuple(malformed))
