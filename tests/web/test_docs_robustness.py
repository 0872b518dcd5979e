"""The numbers of docs/robustness.md are those of the code."""

from pathlib import Path

import pytest

from joulo_exporter.web import limits
from joulo_exporter.web.handshake import UNFINISHED
from joulo_exporter.web.limits import Limits

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "robustness.md").read_text().split())
LIMITS = Limits()


@pytest.mark.parametrize(
    "sentence",
    [
        f"connects and says nothing for {LIMITS.head_s:.0f} s",
        f"takes more than {LIMITS.head_s:.0f} s for a request line and headers",
        f"takes more than {LIMITS.body_s:.0f} s for a body",
        f"says nothing for {LIMITS.idle_s:.0f} s after an answer",
        f"does not read its answer for {LIMITS.write_s:.0f} s",
        f"is the {LIMITS.connections + 1}th at the same time",
        f"while {LIMITS.buffered // 2**20} MiB of answers wait",
        f"a URL or a header of more than {limits.MAX_LINE:,} bytes",
        f"more than {limits.MAX_HEADERS} headers, or {limits.MAX_HEAD // 1024} KiB of them",
        f"a body of more than {limits.MAX_BODY:,} bytes",
        f"while no more than {LIMITS.connections // 8} are connected",
        f"is collected after every {UNFINISHED} of them",
        f"TLS handshake may take {LIMITS.handshake_s:.0f} s",
    ],
)
def test_a_number(sentence):
    assert sentence in TEXT
