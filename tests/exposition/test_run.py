"""What stays as it is and is asked for often is put into a file: the same bytes, for as long as they are right."""

import gc
import gzip
import weakref

import pytest
from fleet import picture
from rendered_by_library import EVERYTHING, generated, process

from joulo_exporter.exposition import Exposition, part, run
from joulo_exporter.exposition.memory_file import MemoryFile
from joulo_exporter.exposition.work import Work

COUNT = 130  # 1.2 MB of lines
OFTEN = {True: 3, False: 2}
"""The first answer that has a file, gzipped or not."""

ENCODINGS = pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
FORMATS = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])


@pytest.fixture(scope="module")
def pictures():
    return [picture(f"account-{number}", 1) for number in range(COUNT)]


@pytest.fixture
def small_ones_too(monkeypatch):
    monkeypatch.setattr(run, "_WORTH_A_FILE", 1)


@pytest.fixture
def exposition(pictures):
    return exposition_of(pictures)


def exposition_of(pictures, clock=lambda: 0.0):
    exposition = Exposition(process(), clock)
    for number, each in enumerate(pictures):
        exposition.publish(f"{number}", each)
    return exposition


async def ask(exposition, times=1, *, openmetrics=False, compressed=True, names=EVERYTHING):
    for _ in range(times):
        answer = await exposition.answer(openmetrics=openmetrics, compressed=compressed, names=names)
    return answer


def lines_of(answer, *, compressed):
    body = answer.whole()
    assert len(body) == answer.length
    return gzip.decompress(body) if compressed else body


@ENCODINGS
@FORMATS
@pytest.mark.parametrize("count", [3, COUNT])
@pytest.mark.usefixtures("small_ones_too")
async def test_an_answer_that_is_asked_for_often_begins_with_a_file_and_has_the_same_bytes(
    pictures, count, compressed, openmetrics
):
    exposition = exposition_of(pictures[:count])
    wanted = generated(*pictures[:count], openmetrics=openmetrics)
    for number in range(1, 9):
        answer = await ask(exposition, openmetrics=openmetrics, compressed=compressed)
        assert (answer.front is not None) == (number >= OFTEN[compressed])
        assert lines_of(answer, compressed=compressed) == wanted
    front = answer.front
    assert front.view == answer.whole()[: front.size]
    assert b"".join((front.view, *answer.rest())) == answer.whole()
    tail = sum(map(len, answer.rest()))
    assert front.size == answer.length - tail
    assert tail < 1_000


@ENCODINGS
async def test_a_short_answer_is_worth_no_file(pictures, compressed):
    exposition = exposition_of(pictures[:100])
    answer = await ask(exposition, 10, compressed=compressed)
    assert (answer.front, answer.length < 1 << 20) == (None, True)


async def test_a_long_answer_is_worth_one(exposition):
    assert (await ask(exposition, 1, compressed=False)).front is None
    assert (await ask(exposition, compressed=False)).front.size > 1 << 20


@ENCODINGS
@pytest.mark.usefixtures("small_ones_too")
async def test_one_file_serves_until_something_changes(exposition, pictures, compressed):
    first = (await ask(exposition, 6, compressed=compressed)).front
    assert (await ask(exposition, 20, compressed=compressed)).front is first
    later = picture("account-7", 1, generation=1)
    exposition.publish("7", later)
    answer = await ask(exposition, compressed=compressed)
    wanted = generated(*pictures[:7], later, *pictures[8:], openmetrics=False)
    assert answer.front is None
    assert lines_of(answer, compressed=compressed) == wanted
    answer = await ask(exposition, 5, compressed=compressed)
    assert answer.front is not first
    assert lines_of(answer, compressed=compressed) == wanted


@ENCODINGS
@pytest.mark.usefixtures("small_ones_too")
async def test_what_changes_from_answer_to_answer_is_never_put_into_a_file(exposition, compressed):
    for generation in range(1, 4):
        exposition.publish("7", picture("account-7", 1, generation=generation))
        assert (await ask(exposition, OFTEN[compressed] - 1, compressed=compressed)).front is None


@ENCODINGS
@pytest.mark.usefixtures("small_ones_too")
async def test_an_answer_on_its_way_stays_what_it_was(exposition, pictures, compressed):
    answer = await ask(exposition, 6, compressed=compressed)
    for generation in (1, 2):
        for number in range(COUNT):
            exposition.publish(f"{number}", picture(f"account-{number}", 1, generation=generation))
        await ask(exposition, 6, compressed=compressed)
    assert lines_of(answer, compressed=compressed) == generated(*pictures, openmetrics=False)


@ENCODINGS
@pytest.mark.usefixtures("small_ones_too")
async def test_nothing_is_kept_twice(exposition, compressed, monkeypatch):
    monkeypatch.setattr(part, "SHORT", 500)
    answer = await ask(exposition, 6, compressed=compressed)
    parts = [each for each in answer._run.parts if len(each.blocks or b"") >= 500]
    kept = [each.blocks if compressed else next(each.lines()) for each in parts]
    columns = [column for column in exposition._store._columns if column.part() in parts]
    kept += [column[1].blocks for column in columns if compressed]
    assert len(kept) > 20
    assert {piece.obj for piece in kept} == {answer.front.view.obj}


@ENCODINGS
@pytest.mark.usefixtures("small_ones_too")
async def test_a_file_goes_with_the_last_that_needs_it(exposition, compressed):
    answer = await ask(exposition, 6, compressed=compressed)
    file, pages = weakref.ref(answer.front), weakref.ref(answer.front.view.obj)
    del answer
    for number in range(COUNT):
        exposition.publish(f"{number}", picture(f"account-{number}", 2, generation=1))
    await ask(exposition, compressed=compressed)
    gc.collect()
    assert file() is None
    await ask(exposition, 6, compressed=compressed)
    gc.collect()
    assert pages() is None  # what did not change has moved to the new file


@pytest.mark.usefixtures("small_ones_too")
async def test_lines_that_are_asked_for_seldom_are_not_kept(pictures):
    now_s = 0.0
    exposition = exposition_of(pictures, lambda: now_s)
    for _ in range(4):
        answer = await ask(exposition, compressed=False)
        assert answer.front is None
        assert all(each._lines is None for each in answer._run.parts if each._plain is None)
        now_s += 300.0


@FORMATS
@pytest.mark.usefixtures("small_ones_too")
async def test_lines_go_when_nobody_wants_them_any_more(pictures, openmetrics):
    now_s = 0.0
    exposition = exposition_of(pictures, lambda: now_s)
    file = weakref.ref((await ask(exposition, 6, compressed=False, openmetrics=openmetrics)).front)
    now_s = 299.0
    await ask(exposition)
    gc.collect()
    assert file() is not None
    now_s = 300.0
    await ask(exposition)
    gc.collect()
    assert file() is None
    answer = await ask(exposition, compressed=False, openmetrics=openmetrics)
    assert lines_of(answer, compressed=False) == generated(*pictures, openmetrics=openmetrics)


@pytest.mark.usefixtures("small_ones_too")
async def test_lines_of_what_has_changed_go_at_once_and_the_others_in_time(pictures):
    now_s = 0.0
    exposition = exposition_of(pictures, lambda: now_s)
    former = weakref.ref((await ask(exposition, 6, compressed=False))._run)
    exposition.publish("7", picture("account-7", 1, generation=1))
    parts = (await ask(exposition))._run.parts
    gc.collect()
    assert former() is None
    assert sum(each._lines is not None for each in parts if each._plain is None) > 20
    now_s = 300.0
    await ask(exposition)
    assert sum(each._lines is not None for each in parts if each._plain is None) == 0


@ENCODINGS
@pytest.mark.usefixtures("small_ones_too")
async def test_both_formats_have_their_files(exposition, pictures, compressed):
    for openmetrics in (False, True, False):
        answer = await ask(exposition, 6, openmetrics=openmetrics, compressed=compressed)
        assert answer.front is not None
        assert lines_of(answer, compressed=compressed) == generated(*pictures, openmetrics=openmetrics)


@ENCODINGS
@pytest.mark.usefixtures("small_ones_too")
async def test_a_filtered_answer_has_no_file_and_its_bytes(exposition, pictures, compressed):
    await ask(exposition, 6, compressed=compressed)
    names = frozenset({"joulo_up", "joulo_api_request_duration_seconds_sum"})
    answer = await ask(exposition, 10, compressed=compressed, names=names)
    assert answer.front is None
    assert lines_of(answer, compressed=compressed) == generated(*pictures, openmetrics=False, names=names)


@ENCODINGS
@pytest.mark.usefixtures("small_ones_too")
async def test_where_no_file_can_be_had_answers_are_what_they_were(exposition, pictures, compressed, monkeypatch):
    def refuse(_file, _size):
        raise OSError

    monkeypatch.setattr(MemoryFile, "__init__", refuse)
    answer = await ask(exposition, 10, compressed=compressed)
    assert answer.front is None
    assert lines_of(answer, compressed=compressed) == generated(*pictures, openmetrics=False)


@pytest.mark.usefixtures("small_ones_too")
def test_short_parts_stay_where_they_are():
    short, long = (
        part.Part(Work(), plain=b"a" * 100),
        part.Part(Work(), plain=b"".join(b"%d" % n for n in range(30_000))),
    )
    both = run.Run([short, long])
    for _ in range(5):
        for _ in both.file_blocks():
            pass
    assert (type(short.blocks), type(long.blocks)) == (bytes, memoryview)
