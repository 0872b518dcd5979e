"""The metrics of the process are those of prometheus-client."""

import os

import pytest
from prometheus_client import ProcessCollector

from joulo_exporter.collector.proc import ProcessMetrics


def values(metrics):
    return {sample.name: sample.value for metric in metrics for sample in metric.samples}


def test_families_are_those_of_the_library():
    ours, library = list(ProcessMetrics().collect()), list(ProcessCollector(registry=None).collect())
    described = [[(each.name, each.documentation, each.type) for each in families] for families in (ours, library)]
    assert described[0] == described[1]
    assert len(ours) == 6


def test_values_are_those_of_the_library():
    ours, library = values(ProcessMetrics().collect()), values(ProcessCollector(registry=None).collect())
    for name in ("process_start_time_seconds", "process_max_fds", "process_open_fds"):
        assert ours[name] == library[name]
    assert ours["process_cpu_seconds_total"] == pytest.approx(library["process_cpu_seconds_total"], abs=0.1)
    assert ours["process_resident_memory_bytes"] == pytest.approx(
        library["process_resident_memory_bytes"], rel=0.05
    )
    assert ours["process_virtual_memory_bytes"] == pytest.approx(library["process_virtual_memory_bytes"], rel=0.05)
    assert ours["process_resident_memory_bytes"] > 2**20


def test_an_open_file_is_counted(tmp_path):
    before = values(ProcessMetrics().collect())["process_open_fds"]
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert values(ProcessMetrics().collect())["process_open_fds"] == before + 1
    finally:
        os.close(descriptor)


def test_a_command_with_blanks_and_brackets(tmp_path):
    (tmp_path / "stat").write_text("cpu 1 2\nbtime 1000\n")
    folder = tmp_path / "self"
    folder.mkdir()
    fields = [str(number) for number in range(3, 53)]
    (folder / "stat").write_text(f"77 (a) (b c)) S {' '.join(fields[1:])}\n")
    ticks = os.sysconf("SC_CLK_TCK")
    found = values(ProcessMetrics(str(tmp_path)).collect())
    assert found["process_cpu_seconds_total"] == pytest.approx((14 + 15) / ticks)  # fields 14 and 15 of proc(5)
    assert found["process_start_time_seconds"] == pytest.approx(1000 + 22 / ticks)
    assert found["process_virtual_memory_bytes"] == 23
    assert found["process_resident_memory_bytes"] == 24 * os.sysconf("SC_PAGE_SIZE")
    assert "process_open_fds" not in found


def test_nothing_without_proc(tmp_path):
    assert list(ProcessMetrics(str(tmp_path)).collect()) == []
