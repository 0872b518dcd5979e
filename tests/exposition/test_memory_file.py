"""Files in memory: their bytes, how long they last, and systems that have none or no large pages for them."""

import errno
import gc
import itertools
import mmap
import os
import sys
from pathlib import Path
from random import Random

import pytest

from joulo_exporter.exposition import large_pages
from joulo_exporter.exposition.memory_file import MemoryFile, filed

CONTENT = Random(1).randbytes(5_000_000)
CUTS = [0, 0, 1, 4_096, 70_000, 70_000, 2_097_151, 2_097_153, len(CONTENT)]
PIECES = [CONTENT[start:end] for start, end in itertools.pairwise(CUTS)]
SIZES = [1, 4_096, large_pages.SIZE - 1, large_pages.SIZE, large_pages.SIZE + 1, len(CONTENT)]


def finished(steps):
    """Return what the steps lead to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture(autouse=True)
def nothing_of_other_tests():
    gc.collect()


def mappings():
    return Path("/proc/self/maps").read_text().count("memfd:joulo_exporter")


def descriptors():
    return [link for link in Path("/proc/self/fd").iterdir() if "memfd:joulo_exporter" in str(link.resolve())]


@pytest.mark.parametrize("size", SIZES)
def test_it_has_the_bytes_at_its_beginning(size):
    file = finished(filed([CONTENT[:size]], size))
    assert file.size == size
    assert file.view == CONTENT[:size]
    assert os.pread(file.fileno(), size, 0) == CONTENT[:size]


def test_pieces_of_any_size_and_kind_follow_one_another():
    file = finished(filed([*PIECES[:4], *map(memoryview, PIECES[4:])], len(CONTENT)))
    assert file.view == CONTENT


def test_it_takes_as_many_steps_as_it_has_pieces_and_large_pages():
    assert len(PIECES) <= sum(1 for _ in filed(PIECES, len(CONTENT))) <= len(PIECES) + 3


def test_it_lasts_as_long_as_somebody_refers_to_it():
    before = len(descriptors()), mappings()
    file = finished(filed(PIECES, len(CONTENT)))
    piece = file.view[4_000_000:4_000_100]
    assert (len(descriptors()), mappings()) > before
    del file
    gc.collect()
    assert piece == CONTENT[4_000_000:4_000_100]
    del piece
    gc.collect()
    assert (len(descriptors()), mappings()) == before


def test_one_that_is_given_up_leaves_nothing_behind():
    before = len(descriptors()), mappings()
    steps = filed(PIECES, len(CONTENT))
    next(steps)
    del steps
    gc.collect()
    assert (len(descriptors()), mappings()) == before


def test_what_is_in_it_cannot_be_changed_through_its_view():
    file = finished(filed(PIECES, len(CONTENT)))
    with pytest.raises(TypeError, match="read-only"):
        file.view[0] = 0


def test_without_such_files_there_is_none(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    assert finished(filed(PIECES, len(CONTENT))) is None


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EPERM, errno.ENOSYS])
def test_where_they_are_refused_there_is_none(monkeypatch, code):
    def refuse(_name):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "memfd_create", refuse)
    assert finished(filed(PIECES, len(CONTENT))) is None


def test_where_it_cannot_be_mapped_there_is_none(monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(large_pages, "reserve", lambda *_: iter(()))
    monkeypatch.setattr(mmap, "mmap", refuse)
    assert finished(filed(PIECES, len(CONTENT))) is None


def test_a_python_without_ctypes_has_small_pages(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert sum(1 for _ in MemoryFile(len(CONTENT)).reserve()) == 0
    assert finished(filed(PIECES, len(CONTENT))).view == CONTENT


def test_without_memory_there_is_none(monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(os, "write", refuse)
    before = len(descriptors())
    assert finished(filed(PIECES, len(CONTENT))) is None
    gc.collect()
    assert len(descriptors()) == before


def test_the_system_is_asked_for_large_pages():
    file = MemoryFile(len(CONTENT))
    steps = sum(1 for _ in file.reserve())
    given = os.fstat(file.fileno()).st_blocks * 512
    # A system that declines has made one small page by then, which is what it was asked to enlarge.
    assert (steps, given) in [(3, 3 * large_pages.SIZE), (0, mmap.PAGESIZE)]
    file.append(CONTENT)
    assert file.view == CONTENT


def test_where_large_pages_are_declined_the_bytes_are_there_all_the_same(monkeypatch):
    monkeypatch.setattr(large_pages, "_COLLAPSE", -1)  # no advice that there is
    assert sum(1 for _ in MemoryFile(len(CONTENT)).reserve()) == 0
    assert finished(filed(PIECES, len(CONTENT))).view == CONTENT


def test_a_file_that_cannot_be_mapped_has_small_pages(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(large_pages.SIZE))
    descriptor = os.open(path, os.O_WRONLY)  # to map it one must be allowed to read it
    try:
        assert sum(1 for _ in large_pages.reserve(descriptor, large_pages.SIZE)) == 0
    finally:
        os.close(descriptor)


def test_no_memory_stays_reserved():
    def reserved():
        return sum(
            int(line.split()[1])
            for line in Path("/proc/self/smaps").read_text().splitlines()
            if "Size:" in line[:5]
        )

    before = reserved()
    for _ in range(3):
        file = MemoryFile(64 << 20)
        for _ in file.reserve():
            pass
    assert reserved() - before < 64 << 10  # in KiB: what three would take, and more


@pytest.mark.parametrize(
    ("length", "pages"), [(0, 0), (1, 1), (mmap.PAGESIZE, 1), (large_pages.SIZE, 1), (large_pages.SIZE + 1, 2)]
)
def test_lengths_in_whole_pages(length, pages):
    assert large_pages.whole(length) == pages * large_pages.SIZE
