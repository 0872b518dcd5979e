"""The header strings that clients send, as their sources and captures show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.web.negotiation import accepts_gzip, choose_language, prefers_openmetrics

TEXT, OPENMETRICS = False, True

PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
OM, UTF8 = "application/openmetrics-text", "escaping=allow-utf-8"

# Grafana Agent and Alloy, and OpenTelemetry's Prometheus receiver, scrape with Prometheus' own package:
# they send what the Prometheus that they are built with sends.
CLIENTS = {
    "no header": ("", TEXT),
    "Prometheus 1 to 2.4, Telegraf": (f"{PROTOBUF};q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", TEXT),
    "Prometheus 2 before OpenMetrics, VictoriaMetrics, netdata": ("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT),
    "Prometheus 2.5": (f"{OM}; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", TEXT),
    "Prometheus 2.38, Datadog": (
        f"{OM};version=1.0.0,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS,
    ),
    "Prometheus 3, Alloy, OpenTelemetry": (
        (f"{OM};version=1.0.0;{UTF8};q=0.6,{OM};version=0.0.1;q=0.5,text/plain;version=1.0.0;{UTF8};q=0.4,"
         "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"), OPENMETRICS,
    ),
    "Prometheus 3 with native histograms": (
        (f"{PROTOBUF};q=0.6,{OM};version=1.0.0;{UTF8};q=0.5,{OM};version=0.0.1;q=0.4,"
         f"text/plain;version=1.0.0;{UTF8};q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"), OPENMETRICS,
    ),
    "Prometheus 3, scrape_protocols: [PrometheusText0.0.4]": ("text/plain;version=0.0.4;q=0.5,*/*;q=0.4", TEXT),
    "Firefox": ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
    "old Java": ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", TEXT),
}  # fmt: skip


@pytest.mark.parametrize(("accept", "expected"), CLIENTS.values(), ids=CLIENTS)
def test_real_clients(accept, expected):
    assert prefers_openmetrics(accept) is expected


RULES = {
    TEXT: [
        # the weight of a format is that of the most specific range, not of the heaviest
        f"*/*;q=0.9, {OM};q=0.1, text/plain;q=0.2",
        # equal weights: specificity, then the older format
        f"{OM}, text/plain;version=0.0.4",
        f"{OM}, text/plain",
        # q=0 excludes
        f"{OM};q=0, */*;q=0.1",
        f"text/plain;q=0, {OM};q=0.000",
        # versions that are not ours
        f"{OM};version=2.0.0",
        # malformed pieces are ignored
        f"{OM};q=1.5, text/plain;q=0.1",
        f"{OM};version",
        "application / openmetrics-text",
    ],
    OPENMETRICS: [
        f"text/plain;q=.2, {OM};q=.3",
        f"text/plain;q=0., {OM};q=1.",
        f"text/*;q=0.9, text/plain;q=0.1, {OM};q=0.5",
        f"text/plain, {OM};version=1.0.0",
        "*/*;q=0.5, application/*;q=0.5",
        "text/plain;q=0, */*;q=0.1",
        f"{OM};version=2.0.0, {OM};q=0.1",
        f"text/plain;version=1.0.0, {OM};q=0.1",
        f"{OM};version=1.0.0;version=2.0.0",
        "APPLICATION/OpenMetrics-Text;VERSION=1.0.0;Q=0.9, text/plain;q=0.8",
        f'{OM};version="1.0.0"',
        f"\t{OM} ; version=1.0.0 ; charset=utf-8 ;, ",
        f";;q=1,,{OM}",
    ],
}


@pytest.mark.parametrize(
    ("expected", "accept"), [(expected, each) for expected in RULES for each in RULES[expected]]
)
def test_rules(accept, expected):
    assert prefers_openmetrics(accept) is expected


CODINGS = {
    True: [
        "GZip", "x-gzip", "*", "br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip;q=0.001", "gzip, *;q=0",
        "identity;q=0, gzip;q=0.1", "identity;q=0.5, gzip;q=0.5", "gzip;q=much, *", "gzip, gzip;q=0",
    ],
    False: [
        "", "deflate, br", "identity", "gzip; q=0.0", "x-gzip;q=0", "*;q=0", "*, gzip;q=0", "gzip;q=0, x-gzip",
        "identity;q=0, gzip;q=0", "identity;q=0.9, *;q=0.5", "identity, gzip;q=0.5", "gzip;q=much", "gzipped",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "accept_encoding"), [(expected, each) for expected in CODINGS for each in CODINGS[expected]]
)
def test_gzip(accept_encoding, expected):
    assert accepts_gzip(accept_encoding) is expected


WORDS = ("text/plain", "application/openmetrics-text", "*/*", "gzip", ";q=", ".5", ";version=", "1.0.0")
SIGNS = tuple('"\\,;=/ \t*01\0é')
HEADER_PIECES = st.sampled_from(WORDS + SIGNS)
HEADERS = st.text() | st.lists(HEADER_PIECES, max_size=40).map("".join)


@given(HEADERS)
def test_any_header_gets_a_response_and_an_excluded_coding_is_never_used(header):
    assert isinstance(prefers_openmetrics(header), bool)
    assert accepts_gzip(f"gzip;q=0,{header}") is False


@given(*[st.integers(1, 1000)] * 2)
def test_the_greater_weight_wins_wherever_it_stands(text_q, openmetrics_q):
    pieces = [f"text/plain;q={text_q / 1000}", f"{OM};q={openmetrics_q / 1000}"]
    preferred = {prefers_openmetrics(",".join(pieces)), prefers_openmetrics(",".join(reversed(pieces)))}
    if text_q != openmetrics_q:
        assert preferred == {openmetrics_q > text_q}


@pytest.mark.parametrize(
    ("language", "headers"),
    [
        ("nl", ["NL-be", "nl-NL,nl;q=0.9,en-US;q=0.8,en;q=0.7", "de,nl;q=0.3,en;q=0.2", "nl,en"]),
        ("en", ["", "en-US,en;q=0.9,nl;q=0.8", "en,nl", "en;q=0.1, nl;q=0", "nl;q=0", "de, *", "nlx", "nl;q=x,,"]),
    ],
)
def test_the_language_that_is_wanted_most(headers, language):
    assert [choose_language(header, ("en", "nl")) for header in headers] == [language] * len(headers)
