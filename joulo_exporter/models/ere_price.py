"""The market price of a credit, from the public feed ``GET https://joulo.nl/api/ere-price``."""

from __future__ import annotations

from typing import Any

import msgspec

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.models.fields import Fields
from joulo_exporter.models.wire import decode_object


class ErePrice(msgspec.Struct, frozen=True, gc=False):
    """What a credit is worth on the market."""

    euros: float | None = None
    """Per credit, the middle of bid and offer."""
    at_seconds: float | None = None
    """When the feed was updated, Unix seconds."""
    malformed: tuple[str, ...] = ()
    """One line for each field that could not be read."""


def parse_ere_price(body: bytes) -> ErePrice:
    """Read an answer of the public feed.

    Raises:
        ApiResponseError: it is no JSON object, says that it is not in order, or gives no price.
    """
    malformed: list[str] = []
    fields = Fields(decode_object(body, dict[str, Any]), "", malformed)
    if fields.truth("ok") is False:
        raise ApiResponseError("the price feed says that it is out of order")
    current = fields.section("current")
    price = ErePrice(current.number("mid_eur"), current.moment("updated_at"))
    if price == ErePrice():
        raise ApiResponseError("the answer gives no price")
    return msgspec.structs.replace(price, malformed=tuple(malformed))
