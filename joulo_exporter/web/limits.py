"""How much one client, and all of them together, may take of this process; every number with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the HTTP server. Times are in seconds, sizes in bytes."""

    connections: int = 512
    """At the same time. As Prometheus' own ``--web.max-connections``; half of the usual 1024 descriptors."""
    head_s: float = 10.0
    """From the first byte of a request, or from the connection, to the end of its headers: a Go client needs
    milliseconds, a person with ``telnet`` does not matter."""
    idle_s: float = 330.0
    """Between two requests. Prometheus drops its own idle connections after 5 minutes: it shall be the first."""
    write_s: float = 60.0
    """How long a client may take for an answer. The longest scrape timeout that makes sense is a minute."""
    grace_s: float = 1.0
    """How long a client that sends nothing, or reads nothing, keeps its place when others want it."""
    buffered: int = 64 * 1024 * 1024
    """Of answers that clients have not read yet, all together; past it, whoever reads slowest is dropped."""
    body_s: float = 10.0
    """From the headers to the end of a request's body."""
    linger_s: float = 1.0
    """How long what a refused client still sends is read and thrown away: a connection that is closed before
    is reset, and the client may never see why. Go takes half a second."""
    handshake_s: float = 5.0
    """For a TLS handshake, in place of asyncio's 60 s."""
    sweep_s: float = 1.0
    """Between two looks at all connections: how late a time limit may be noticed."""


MAX_PIPELINED = 2
"""Requests in a row before the first of them is answered; neither Go nor curl nor a browser sends a second."""
MAX_LINE = 8190
"""Bytes of the target of a request, or of one header; RFC 9112, section 3, recommends 8000 or more."""
MAX_HEAD = 32 * 1024
"""Bytes of a request line and all headers. What a proxy adds to a scrape fits many times."""
MAX_HEADERS = 64
"""Number of headers; Prometheus sends about eight."""
MAX_BODY = 4096
"""Bytes of a request's body: nothing here reads one, and some clients send a small one with a POST."""
