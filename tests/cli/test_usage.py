"""Bad usage: the line names the fault, and repeats nothing that may be a token. Dates that are understood."""

from datetime import datetime, timedelta, timezone
from unittest.mock import Mock

import pytest
from support.command_line import refusal

from joulo_exporter.clock import parse_span

NO_SPAN = "--to: is not after --from, so that nothing lies between them; exchange them"
OWN_CONFIG = "demo has a configuration of its own; leave --config.file and --config.check out"
NO_SHARD = "--shard: 3 is not among 3, counted from 0; correct it, or their number with --total-shards"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--no.such", "serve has no '--no.such'; a command comes before all flags; see joulo-exporter --help"),
        ("--token=joulo_0SECRET", "serve has no '--token'; a command "),
        ("--token joulo_0SECRET", "serve has no '--token'; a command "),
        ("--config.fil=x", "serve has no '--config.fil'; a command "),
        ("sessions --form=csv", "sessions has no '--form'; a command comes before all flags; see joulo-"),
        ("-v", "serve has no '-v'; a command "),
        ("tags --charger oprit", "tags has no '--charger'; a command "),
        ("--log.level=debug demo", "serve has no 'demo'; a command "),
        ("--from 2026", "serve has no '--from'; a command "),
        ("--web.enable-lifecycle=true", "argument --web.enable-lifecycle: takes no value; leave out 'true'; see"),
        ("tags joulo_0SECRET", "tags has no '<secret>'; a command "),
        ("joulo_0SECRET", "serve has no '<secret>'; a command "),
        ("--log.level=joulo_0SECRET", "argument --log.level: invalid choice: '<secret>' (choose from "),
        ("--log.format=xml", "argument --log.format: "),
        ("--web.listen-address", "argument --web.listen-address: "),
        ("--shard joulo_0SECRET", "argument --shard: must be a whole number; write one such as 10"),
        ("--shard -1", "argument --shard: must be a whole number; write one "),  # a value, and no flag
        ("--total-shards=0", "--shard: 0 is not among 0, counted from 0; correct it, or their number with"),
        ("check --total-shards=1_0", "argument --total-shards: must be a whole number; write one "),
        ("backfill --total-shards=٣", "argument --total-shards: must be a whole number; write one "),
        ("statement --price=0,27", "argument --price: is not a price; write euros a kWh with a decimal point, "),
        ("statement --price=27", "argument --price: is more than 5 euros a kWh; write euros, not cents, such as "),
        ("backfill --label=job=", "argument --label: 'job=' is not a label; write it as in job=joulo"),
        ("backfill --label=vehicle=tesla", "argument --label: vehicle is a label of the exporter's or"),
        ("backfill --label=session_id=1", "argument --label: session_id is a label of the exporter's or"),
        ("serve --config.file=", "argument --config.file: is empty; write a path, or leave the flag out"),
        ("sessions --storage.path=", "argument --storage.path: is empty; write a path, or leave the flag out"),
        ("--storage.path=~/ledger", "argument --storage.path: begins with ~, which stands for no folder"),
        ("check --config.file=~/joulo.yml", "argument --config.file: begins with ~, which stands for no folder"),
        ("--web.external-url=ftp://x/", "--web.external-url"),
        ("--web.route-prefix=/a:b", "--web.route-prefix"),
        ("demo --config.file=joulo.yml", OWN_CONFIG),
        ("demo --config.check", OWN_CONFIG),
        ("sessions --from=2026-06 --to=2026-01", NO_SPAN),
        ("backfill --from=2026-06-01T12:00 --to=2026-06-01T12:00", NO_SPAN),
        *((f"{command} --shard=3 --total-shards=3", NO_SHARD)
          for command in ("", "serve", "check", "demo", "backfill", "--config.check")),
    ],
)  # fmt: skip
def test_bad_usage_is_one_line_that_repeats_no_token(capsys, monkeypatch, tmp_path, arguments, says):
    monkeypatch.chdir(tmp_path)
    status, line = refusal(capsys, *arguments.split())
    assert status == 2
    assert line.startswith(says)
    assert "SECRET" not in line
    assert list(tmp_path.iterdir()) == []


def test_a_demo_without_a_temporary_folder_says_what_to_do(capsys, monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryDirectory", Mock(side_effect=FileNotFoundError(2, "none is usable")))
    says = "a temporary folder cannot be written (none is usable); name another folder with --storage.path"
    assert refusal(capsys, "demo") == (1, says)


@pytest.mark.parametrize("name", ["GMT+0100", "CET-1CEST-0200,M3.5.0,M10.5.0"])
def test_a_zone_a_day_from_utc_is_refused_before_any_date_is_read(capsys, zone, name):
    zone(name)
    status, line = refusal(capsys, "sessions", "--from=2026-06")
    assert status == 2
    assert line == (
        f"environment: TZ: '{name}' is a day or more from UTC; "
        "write the name of a zone, such as Europe/Amsterdam, or hours alone, such as CET-1"
    )


# Dates: a year, month or day at --to is included, whatever the time zone ----------------------------


@pytest.mark.usefixtures("far_from_utc")
@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("2024-02", (2024, 2, 1), (2024, 3, 1)),
        ("2024-02-29", (2024, 2, 29), (2024, 3, 1)),
        ("2026-12-31", (2026, 12, 31), (2027, 1, 1)),
        ("2026-06-17T18:30", (2026, 6, 17, 18, 30), (2026, 6, 17, 18, 30)),
        ("2026-06-17 18:30:05", (2026, 6, 17, 18, 30, 5), (2026, 6, 17, 18, 30, 5)),
        ("2026-06-17T18:30+02:00", (2026, 6, 18, 2, 15), (2026, 6, 18, 2, 15)),  # the same moment everywhere
        ("2026-06-17T16:30Z", (2026, 6, 18, 2, 15), (2026, 6, 18, 2, 15)),
    ],
)
def test_a_span_begins_and_ends_at_local_borders(text, begins, ends):
    local = timezone(timedelta(hours=9, minutes=45))  # which far_from_utc sets
    assert parse_span(text) == tuple(datetime(*parts, tzinfo=local).timestamp() for parts in (begins, ends))


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13", "2026-02-30", "2026-6-1", "20260617", "2026-W25", "2026-W25-3",
             "20260617T18:30", "2026-06-17T", "2026-06-17T25:00", "0000", "9999", "\uff12\uff10\uff12\uff16"],
)  # fmt: skip
def test_other_spellings_are_refused_and_never_taken_for_a_midnight(text):
    with pytest.raises(ValueError, match="write 2026, 2026-06, 2026-06-17 or 2026-06-17T18:30"):
        parse_span(text)
