"""The numbers of docs/robustness.md are those of the code."""

from pathlib import Path

import pytest

from joulo_exporter.web.guard import (
    BUFFER,
    FAILED_BEFORE_COLLECTION,
    MAX_BODY,
    MAX_HEADERS,
    MAX_REQUEST,
    TLS_CONNECTIONS,
    Limits,
)

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "robustness.md").read_text().split())
LIMITS = Limits()


@pytest.mark.parametrize(
    "sentence",
    [
        f"connects and says nothing for {LIMITS.request_s:.0f} s",
        f"takes more than {LIMITS.request_s:.0f} s for a request line and headers",
        f"takes more than {LIMITS.request_s:.0f} s for a body",
        f"says nothing for {LIMITS.idle_s:.0f} s after a response",
        f"next {BUFFER // 1024} KiB of its response for {LIMITS.write_s:.0f} s",
        f"is the {LIMITS.connections + 1}th at the same time",
        f"for more than {LIMITS.grace_s:.0f} s",
        f"while the responses of {LIMITS.stalled} others stand still",
        f"more than {MAX_HEADERS} headers",
        f"more than {MAX_REQUEST // 1024} KiB for one request",
        f"a body of more than {MAX_BODY:,} bytes",
        f"after every {FAILED_BEFORE_COLLECTION} of them",
        f"With TLS there are {TLS_CONNECTIONS} places",
        f"TLS handshake may take {LIMITS.handshake_s:.0f} s",
    ],
)
def test_a_number(sentence):
    assert sentence in TEXT
