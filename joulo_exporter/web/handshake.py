"""A TLS handshake that tells the client why it has failed, as Go's does; asyncio's closes without a word."""

from __future__ import annotations

import gc
import logging
import ssl

from joulo_exporter.web.refusals import raw_refusal

_logger = logging.getLogger(__name__)

_PLAIN_HTTP = "HTTP_REQUEST"
_NO_TLS = "Client sent an HTTP request to an HTTPS server."  # Go's words, which people search for

UNFINISHED = 128
"""Handshakes that do not succeed between two collections of garbage.

asyncio's side of each has a buffer of 256 KiB, and hangs in a cycle of references when it has failed. Python's own
collector counts objects and not bytes: it would let a storm of them take gigabytes.
"""


class Unfinished:
    """Counts handshakes that do not succeed, and has them collected before they are too many."""

    def __init__(self) -> None:
        self.count = 0

    def begun(self) -> None:
        """Count one more."""
        self.count += 1
        if self.count >= UNFINISHED:
            self.count = 0
            gc.collect()

    def succeeded(self) -> None:
        """Count one less."""
        self.count = max(self.count - 1, 0)


class Handshake(ssl.SSLObject):
    """A connection whose failure reaches the client: as an alert of TLS, or as an answer to plain HTTP.

    asyncio closes a connection on the error of a handshake, and does not send the alert that OpenSSL has prepared.
    Told that the handshake goes on, it sends it; then the client closes, or the time for handshakes runs out.
    """

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO | None = None
    """Set by ``CurrentContext``, as the others; without it a failure is an error at once."""
    unfinished: Unfinished | None = None
    _failed = False

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        if self._failed:
            self.incoming.read()  # and forgotten: the client may not know yet
            raise ssl.SSLWantReadError
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._fail(error)
        else:
            if self.unfinished is not None:
                self.unfinished.succeeded()

    def _fail(self, error: ssl.SSLError) -> None:
        """Prepare what the client gets.

        Raises:
            ssl.SSLWantReadError: there is something to send.
            ssl.SSLError: there is not.
        """
        _logger.debug("a TLS handshake failed: %s", (error.reason or "no reason").lower().replace("_", " "))
        if self.outgoing is None:
            raise error
        if error.reason == _PLAIN_HTTP:
            self.outgoing.write(raw_refusal(400, _NO_TLS))
        if not self.outgoing.pending:
            raise error
        self._failed = True
        raise ssl.SSLWantReadError from None
