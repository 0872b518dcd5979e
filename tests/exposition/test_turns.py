"""Rendering many accounts takes turns with everything else, and a scrape in the middle of it is whole."""

import asyncio
import gzip
import itertools

import pytest
from fleet import picture
from rendered_by_library import EVERYTHING, generated, process

from joulo_exporter.exposition import Exposition
from joulo_exporter.exposition import exposition as exposition_module


@pytest.fixture
def every_step_is_a_turn(monkeypatch):
    monkeypatch.setattr(exposition_module, "_TURN_S", -1.0)


def exposition_of(pictures):
    exposition = Exposition(process())
    for name, each in pictures.items():
        exposition.publish(name, each)
    return exposition


def fleet(count, generation=0):
    return {f"{number}": picture(f"account-{number}", 1, generation=generation) for number in range(count)}


async def scrape(exposition, *, openmetrics=False, names=EVERYTHING):
    answer = await exposition.answer(openmetrics=openmetrics, compressed=True, names=names)
    body = b"".join(answer.pieces())
    assert len(body) == answer.length
    return gzip.decompress(body)


@pytest.mark.usefixtures("every_step_is_a_turn")
async def test_others_have_their_turns_while_accounts_are_rendered():
    exposition = exposition_of(fleet(70))
    scraping = asyncio.create_task(scrape(exposition))
    turns = 0
    while not scraping.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 70  # at least one an account


@pytest.mark.usefixtures("every_step_is_a_turn")
@pytest.mark.parametrize("count", [3, 70])
async def test_scrapes_at_the_same_time_share_the_work(count):
    pictures = fleet(count)
    exposition = exposition_of(pictures)
    bodies = await asyncio.gather(*(scrape(exposition, openmetrics=openmetrics) for openmetrics in (0, 1, 0)))
    assert bodies == [generated(*pictures.values(), openmetrics=openmetrics) for openmetrics in (0, 1, 0)]
    assert exposition.work.accounts_rendered == count


@pytest.mark.usefixtures("every_step_is_a_turn")
@pytest.mark.parametrize("count", [3, 70])
async def test_pictures_that_come_in_the_middle_are_shown_whole_or_not_at_all(count):
    old, new = fleet(count), fleet(count, generation=1)
    exposition = exposition_of(old)
    scraping = asyncio.create_task(scrape(exposition))
    names = itertools.cycle(new)
    for _ in range(count * 2):
        await asyncio.sleep(0)
        name = next(names)
        exposition.publish(name, new[name])
    lines = set((await scraping).splitlines())
    for name in old:
        shown = [set(generated(each[name], openmetrics=False).splitlines()) <= lines for each in (old, new)]
        assert any(shown), f"account {name} is shown in parts"
    assert await scrape(exposition) == generated(*new.values(), openmetrics=False)


@pytest.mark.usefixtures("every_step_is_a_turn")
@pytest.mark.parametrize(("count", "kept"), [(100, 100), (100, 60), (100, 10), (100, 0), (5, 5), (5, 2), (5, 0)])
async def test_a_reload_in_the_middle_is_followed(count, kept):
    pictures = fleet(count)
    exposition = exposition_of(pictures)
    scraping = asyncio.create_task(scrape(exposition))
    for _ in range(count // 3):
        await asyncio.sleep(0)
    order = list(reversed(pictures))[:kept]
    exposition.keep_only(order)
    wanted = generated(*(pictures[name] for name in order), openmetrics=False)
    assert await scraping == wanted
    assert await scrape(exposition) == wanted


@pytest.mark.usefixtures("every_step_is_a_turn")
@pytest.mark.parametrize("turns", [1, 30, 75])
async def test_what_a_reload_leaves_as_it_was_shows_what_came_before_it(turns):
    """Most blocks go over to the new store as they are, while the old one is at work on them."""
    pictures = fleet(130)
    exposition = exposition_of(pictures)
    await scrape(exposition)
    for name, each in fleet(70, generation=1).items():
        pictures[name] = each
        exposition.publish(name, each)
    scraping = asyncio.create_task(scrape(exposition))
    for _ in range(turns):
        await asyncio.sleep(0)
    del pictures["129"]
    exposition.keep_only(pictures)
    await scraping
    assert await scrape(exposition) == generated(*pictures.values(), openmetrics=False)


@pytest.mark.usefixtures("every_step_is_a_turn")
@pytest.mark.parametrize("count", [3, 70])
async def test_a_scrape_that_is_given_up_loses_nothing(count):
    pictures = fleet(count)
    exposition = exposition_of(pictures)
    for steps in (1, 5, count + 3, count + 30):
        scraping = asyncio.create_task(scrape(exposition))
        for _ in range(steps):
            await asyncio.sleep(0)
        scraping.cancel()
        await asyncio.wait([scraping])
    assert await scrape(exposition) == generated(*pictures.values(), openmetrics=False)


async def test_an_answer_stays_what_it_was_while_it_is_written():
    pictures = fleet(70)
    exposition = exposition_of(pictures)
    answer = await exposition.answer(openmetrics=False, compressed=False, names=EVERYTHING)
    pieces = iter(answer.pieces())
    first = next(pieces)
    for name, each in fleet(70, generation=1).items():
        exposition.publish(name, each)
    await scrape(exposition)
    assert first + b"".join(pieces) == generated(*pictures.values(), openmetrics=False)
