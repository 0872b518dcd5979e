"""A column has the lines of its blobs, in whatever order they are put in, joined, moved and thinned out."""

import zlib

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from joulo_exporter.exposition import column, part
from joulo_exporter.exposition.column import EMPTY, Column, blob
from joulo_exporter.exposition.work import Work

LINES = st.sampled_from([b"", b"a 1\n", b"b 22\n" * 7, bytes(range(256)) * 40])


class AnyOrder(RuleBasedStateMachine):
    """A column, and what has to be in it: the lines of each block."""

    def __init__(self):
        super().__init__()
        self.work = Work()
        self.column, self.lines = Column(self.work), []
        self.given = []

    @rule(index=st.integers(0, 6), plain=LINES)
    def replace(self, index, plain):
        self.column.replace(index, blob(plain, self.work))
        self.lines += [b""] * (index + 1 - len(self.lines))
        self.lines[index] = plain

    @rule(chosen=st.sets(st.integers(0, 8)))
    def kept(self, chosen):
        former = self.column, list(self.lines)
        self.column = self.column.kept(sorted(chosen))
        self.lines = [self.lines[index] if index < len(self.lines) else b"" for index in sorted(chosen)]
        self.check(*former)  # a scrape may still be at work on it

    @rule(moved=st.booleans())
    def join(self, moved):
        joined, wanted = self.column.part(), b"".join(self.lines)
        if moved:  # as into a file; what is short stays
            joined.move_blocks(memoryview(bytes(joined.blocks)))
        self.given.append((joined, wanted))

    @rule()
    def join_without_memory(self):
        def refuse(*_, **__):
            raise MemoryError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(column, "Part", refuse)
            if not self.column._up_to_date:
                with pytest.raises(MemoryError):
                    self.column.part()

    @invariant()
    def it_has_the_lines_of_each_block(self):
        self.check(self.column, self.lines)

    @invariant()
    def what_was_given_away_stays_what_it_was(self):
        for joined, wanted in self.given:
            assert b"".join(joined.lines()) == wanted
            assert (joined.crc, joined.length) == (zlib.crc32(wanted), len(wanted))

    @staticmethod
    def check(of, lines):
        assert [of[index].plain for index in range(len(lines))] == lines
        assert of[len(lines)] == EMPTY

    def teardown(self):
        assert b"".join(self.column.part().lines()) == b"".join(self.lines)


class WithShortOnes(AnyOrder):
    """The same, where short parts move as well."""

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(part, "SHORT", 0)

    def teardown(self):
        super().teardown()
        self.patch.undo()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
TestWithShortOnes = WithShortOnes.TestCase
TestWithShortOnes.settings = TestAnyOrder.settings
