"""The answers to what is no proper request: one line, the right status, nothing of the inside.

Statuses: RFC 9110, section 15, and RFC 9112, sections 3 and 6.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong

from joulo_exporter.web.limits import MAX_LINE

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})
"""The methods of RFC 9110 and RFC 5789: 405 where they are not allowed. Any other is 501, and so is CONNECT."""
SERVER = "joulo-exporter"
"""The ``Server`` header, without versions: those are for ``joulo_exporter_build_info``."""

REASONS = {
    400: "this is no proper HTTP request",
    408: "the request took too long to arrive",
    413: "no request here needs a body of that size",
    414: "the URL is too long",
    417: "nothing but 100-continue can be expected",
    431: "the headers are too large",
    500: "internal server error; the exporter's log tells more",
    501: "this method or transfer coding is not implemented",
    503: "too many connections; try again in a moment",
    505: "only HTTP/1.0 and HTTP/1.1 are spoken here",
}

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_METHOD = re.compile(rb"(" + _TOKEN + rb") [!-~]")
_VERSION = re.compile(_TOKEN + rb" [!-~]+(?: HTTP/(\d\.\d))?\r?\n")


def refusal(status: int) -> web.Response:
    """Return the answer; the connection is closed after it, because nobody knows where a next request begins."""
    response = web.Response(status=status, text=REASONS[status] + "\n", headers={hdrs.SERVER: SERVER})
    response.force_close()
    return response


def raw_refusal(status: int, reason: str | None = None) -> bytes:
    """Return the same answer as it goes over the wire, for where no request was read to answer."""
    body = (reason or REASONS[status]) + "\n"
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"Server: {SERVER}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n"
        f"\r\n{body}"
    ).encode()


def status_of(error: BaseException | None, head: bytes) -> int:
    """Return the status for what aiohttp could not parse; its own is always 400.

    Args:
        error: what one of its two parsers (in C, in Python) has raised.
        head: the request's first bytes.
    """
    if isinstance(error, LineTooLong):
        return 431 if b"\n" in head[:MAX_LINE] else 414
    if "Too many headers" in str(error):
        return 431
    version = _VERSION.match(head)
    if version is not None and version[1] not in (b"1.0", b"1.1"):
        return 505
    method = _METHOD.match(head)
    if isinstance(error, BadHttpMethod) and method is not None and method[1].decode() not in METHODS:
        return 501
    return 400
