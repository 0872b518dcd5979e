"""What rendering has cost so far, counted: a test can hold it, whatever the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Work:
    """Sums since the exposition was made."""

    accounts_rendered: int = 0
    bytes_rendered: int = 0
    blobs_deflated: int = 0
    """Also those of the process, one a gzipped scrape."""
    bytes_deflated: int = 0
    """Before compression."""
    columns_joined: int = 0
