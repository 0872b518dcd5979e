"""Five thousand accounts in simulated time: each within its interval, and never many at once."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from poller_rig import SETTINGS, inline

from joulo_exporter.accounts import _spread
from joulo_exporter.ledger import Walk
from joulo_exporter.models.book import Book
from joulo_exporter.poller import Poller, Turns
from joulo_exporter.poller.tasks import Outcome
from joulo_exporter.schedule import JITTER_SHARE, Pause
