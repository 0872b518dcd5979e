"""Pauses between the requests to an endpoint: pure arithmetic, no sleeping, no I/O.

Between two requests to an endpoint lies at least its interval. Jitter only lengthens the pause, a failure
lengthens it further, and ``Retry-After`` is obeyed.
"""

from __future__ import annotations

import msgspec

JITTER_SHARE = 0.05
"""Regular refreshes come up to this share of their interval late, so that many exporters spread out."""

FAILURE_JITTER_SHARE = 0.25
LONGEST_BACK_OFF_S = 900.0
"""Exponential back-off ends here, or at a longer interval: the end of an outage is soon seen."""

LONGEST_RETRY_AFTER_S = 86_400.0
"""A ``Retry-After`` beyond a day is taken as a day: a slip of a gateway must not end the exporter's work."""

REFUSED_RETRY_S = 86_400.0
"""Pause of an optional endpoint that the API does not have, or not for this token."""


class Pause(msgspec.Struct, frozen=True, gc=False):
    """The last request to an endpoint; kept in the ledger, so that the throttle holds across restarts."""

    requested_at_seconds: float
    """Wall-clock time at which the request went out."""
    length_s: float
    """Seconds from then to the next request, at least."""
    failures: int = 0
    """Failures in a row, this request's included; 0 after a success."""


def pause_after_success(interval_s: float, fraction: float) -> float:
    """Return the seconds from a request that succeeded to the next one; ``fraction``, in [0, 1), is the jitter."""
    return interval_s * (1 + JITTER_SHARE * fraction)


def pause_after_failure(
    interval_s: float,
    failures: int,
    fraction: float,
    retry_after_s: float | None = None,
    *,
    permanent: bool = False,
) -> float:
    """Return the seconds from a request that failed to the next one: exponential, bounded, with jitter.

    Args:
        interval_s: the endpoint's interval, which is the least.
        failures: failures in a row, at least 1; the first is followed by the interval.
        fraction: a random number in [0, 1) for the jitter.
        retry_after_s: the seconds of ``Retry-After``, if the API sent it.
        permanent: whether only a person can mend it, so that one request a day is enough.
    """
    if permanent:
        interval_s = max(interval_s, REFUSED_RETRY_S)
    doublings = min(max(failures, 1) - 1, 20)
    back_off = max(interval_s, min(interval_s * 2.0**doublings, LONGEST_BACK_OFF_S))
    obeyed_s = min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
    return max(back_off * (1 + FAILURE_JITTER_SHARE * fraction), obeyed_s)


def remaining_s(pause: Pause | None, interval_s: float, now_seconds: float) -> float:
    """Return the rest of the pause at a start or reload of the exporter, in seconds.

    The interval in force now may differ from the one of that request, and the wall clock may have jumped since.
    After a jump backwards the whole pause is waited for again, never longer; a jump forwards cannot be seen, and
    the pause counts as over.
    """
    if pause is None:
        return 0.0
    length_s = interval_s if pause.failures == 0 else max(pause.length_s, interval_s)
    since_s = min(max(now_seconds - pause.requested_at_seconds, 0.0), length_s)
    return length_s - since_s
