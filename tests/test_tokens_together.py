"""Looks at many files of tokens, in one thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from joulo_exporter.errors import ConfigError
from joulo_exporter.token_files import SharedThread


def refuse():
    raise ConfigError("no such file")


async def test_what_is_asked_for_within_a_moment_runs_in_one_thread_and_not_in_the_loop():
    together = SharedThread(gather_s=0)
    names = await asyncio.gather(*(together(threading.get_ident) for _ in range(100)))
    assert len(set(names)) == 1
    assert names[0] != threading.get_ident()


async def test_each_gets_its_own_answer_or_fault():
    together = SharedThread(gather_s=0)
    answers = await asyncio.gather(
        together(lambda: 1), together(refuse), together(lambda: 3), return_exceptions=True
    )
    assert (answers[0], str(answers[1]), answers[2]) == (1, "no such file", 3)


async def test_one_that_has_gone_away_disturbs_nobody():
    together = SharedThread(gather_s=0)
    gone = asyncio.ensure_future(together(lambda: 1))
    stays = asyncio.ensure_future(together(lambda: 2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 2
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_the_next_moment_has_a_thread_again():
    together = SharedThread(gather_s=0)
    assert [await together(lambda n=n: n) for n in range(3)] == [0, 1, 2]
