"""What a change and a scrape cost, counted in pieces of work: the same on any machine."""

import dataclasses

import msgspec
import pytest
from fleet import picture
from rendered_by_library import EVERYTHING, process

from joulo_exporter.exposition import Exposition, Work
from joulo_exporter.exposition.block import SIZE

ACCOUNTS = 1_000


def work_of(exposition, step) -> Work:
    """Return the work that a step takes."""
    before = dataclasses.asdict(exposition.work)
    step()
    return Work(**{name: value - before[name] for name, value in dataclasses.asdict(exposition.work).items()})


def scrape(exposition, *, openmetrics=False, compressed=True):
    return exposition.render(openmetrics=openmetrics, compressed=compressed, names=EVERYTHING)


@pytest.fixture(scope="module")
def exposition():
    exposition = Exposition(process())
    for number in range(ACCOUNTS):
        exposition.publish(f"{number}", picture(f"account-{number}", 1))
    scrape(exposition)
    return exposition


def changed_families(exposition, before, after):
    """Return the families that differ: all their lines, and those that have changed."""
    pairs = zip(exposition._families.render(before), exposition._families.render(after), strict=True)
    changed = [(old.splitlines(keepends=True), new.splitlines(keepends=True)) for old, new in pairs if old != new]
    return [(new, [line for line in new if line not in old]) for old, new in changed]


def test_a_scrape_at_rest_compresses_the_process_only(exposition):
    work = work_of(exposition, lambda: scrape(exposition))
    assert (work.accounts_rendered, work.blobs_deflated, work.columns_joined) == (0, 1, 0)
    assert work.bytes_deflated < 1_000


def test_the_other_format_compresses_the_headers_only(exposition):
    families = len(exposition._families)
    work = work_of(exposition, lambda: scrape(exposition, openmetrics=True))
    assert (work.accounts_rendered, work.columns_joined) == (0, 0)
    assert 1 < work.blobs_deflated <= families + 1


def test_a_change_of_one_account_touches_its_blobs_only(exposition):
    before, after = picture("account-500", 1), picture("account-500", 1, generation=1)
    changed = changed_families(exposition, before, after)
    families, size = len(changed), len(b"".join(line for lines, _ in changed for line in lines))
    rendered = len(b"".join(line for _, lines in changed for line in lines))
    exposition.publish("500", after)
    work = work_of(exposition, lambda: scrape(exposition))
    assert 3 <= families < 15
    assert work.accounts_rendered == 1
    assert 0 < rendered <= work.bytes_rendered < size / 2  # a histogram's unchanged buckets come along
    assert work.blobs_deflated == families + 1
    assert work.columns_joined == families
    assert work.bytes_deflated < 1.2 * SIZE * size


def test_a_charger_of_many_that_changes_is_rendered_alone():
    exposition = Exposition(process())
    for number in range(20):
        exposition.publish(f"{number}", picture(f"account-{number}", 40))
    scrape(exposition)
    before = picture("account-3", 40)
    charging = next(live for live in before.chargers if live.charger.charging)
    later = tuple(
        msgspec.structs.replace(live, power_watts=live.power_watts + 1) if live is charging else live
        for live in before.chargers
    )
    exposition.publish("3", msgspec.structs.replace(before, chargers=later))
    work = work_of(exposition, lambda: scrape(exposition))
    line = (
        f'joulo_charger_power_watts{{account="account-3",charger="{charging.label}"}} {charging.power_watts + 1}\n'
    )
    assert work.bytes_rendered == len(line)
    assert line in exposition.render(openmetrics=False, compressed=False, names=EVERYTHING).decode()


def test_a_picture_that_shows_nothing_new_touches_no_blob(exposition):
    exposition.publish("7", picture("account-7", 1))
    work = work_of(exposition, lambda: scrape(exposition))
    assert (work.accounts_rendered, work.blobs_deflated, work.columns_joined) == (1, 1, 0)
    assert work.bytes_rendered == 0


def test_pictures_that_nobody_scrapes_cost_nothing(exposition):
    def publish():
        for generation in range(5):
            for number in range(20):
                exposition.publish(f"{number}", picture(f"account-{number}", 1, generation=generation))

    assert work_of(exposition, publish) == Work()
    assert work_of(exposition, lambda: scrape(exposition)).accounts_rendered == 20


def test_an_account_that_leaves_renders_its_block_only(exposition):
    exposition.keep_only([f"{number}" for number in range(ACCOUNTS) if number != 70])
    work = work_of(exposition, lambda: scrape(exposition))
    assert work.accounts_rendered == SIZE - 1


def test_a_single_account_is_compressed_as_one():
    exposition = Exposition(process())
    exposition.publish("", picture(None, 1))
    work = work_of(exposition, lambda: scrape(exposition))
    assert (work.accounts_rendered, work.blobs_deflated) == (1, 2)
    work = work_of(exposition, lambda: scrape(exposition))
    assert (work.accounts_rendered, work.blobs_deflated) == (0, 1)
    work = work_of(exposition, lambda: scrape(exposition, compressed=False))
    assert work == Work()


def test_lines_are_kept_plain_only_while_somebody_wants_them_so():
    now_s = 0.0
    exposition = Exposition(process(), lambda: now_s)
    for number in range(70):
        exposition.publish(f"{number}", picture(f"account-{number}", 1))

    def kept():
        parts = exposition._store._runs[False].parts
        return sum(part._lines is not None for part in parts if part._plain is None)

    scrape(exposition, compressed=False)
    assert kept() == 0
    now_s += 299
    scrape(exposition, compressed=False)
    assert kept() > 30
    now_s += 299
    scrape(exposition)
    assert kept() > 30
    now_s += 1
    scrape(exposition)
    assert kept() == 0
