"""Bad usage: what was meant is named, and what may be a token is not."""

from __future__ import annotations

import pytest
from support.command_line import run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--no.such"], "there is no flag --no.such"),
        (["--token=joulo_0SECRET"], "there is no flag --token"),
        (["--token", "joulo_0SECRET"], "there is no flag --token"),
        (["--web.listen-adress=:1"], "there is no flag --web.listen-adress; the nearest is --web.listen-address"),
        (["--log.levl", "info"], "there is no flag --log.levl; the nearest is --log.level"),
        (["sessions", "--form=csv"], "there is no flag --form; the nearest is --format"),
        (["-v"], "there is no flag -v"),
        (["--from=2026"], "--from is a flag of sessions and backfill, not of serve"),
        (["sessions", "--web.listen-address=:1"],
         "--web.listen-address is a flag of serve and demo and check, not of sessions"),
        (["sessions", "--version"], "--version is a flag of joulo-exporter itself, not of sessions"),
        (["tags", "joulo_0SECRET"], "'<secret>' is one argument too many"),
        (["--config.check", "--"], "'--' is one argument too many"),
    ],
)  # fmt: skip
def test_the_line_names_what_was_meant(capsys, arguments, says):
    assert run(capsys, *arguments) == (2, "", f"joulo-exporter: {says}; see joulo-exporter --help\n")


@pytest.mark.parametrize(
    "arguments", [["joulo_0SECRET"], ["--log.level=joulo_0SECRET"], ["--shard", "joulo_0SECRET"]]
)
def test_a_token_in_the_wrong_place_is_not_repeated(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "'<secret>'" in err
    assert "SECRET" not in err


def test_a_negative_number_is_a_value_and_no_flag(capsys):
    status, _, err = run(capsys, "--shard", "-1")
    assert status == 2
    assert "argument --shard: '-1'" in err


@pytest.mark.parametrize("flag", ["--config.file", "--storage.path"])
@pytest.mark.parametrize("command", ["serve", "check", "sessions", "tags", "backfill"])
def test_an_empty_path_is_not_the_folder_in_which_one_stands(capsys, command, flag):
    status, out, err = run(capsys, command, f"{flag}=")
    assert (status, out) == (2, "")
    assert err.startswith(f"joulo-exporter: argument {flag}: is empty; write a path, or leave the flag out")


@pytest.mark.parametrize("flags", [["--config.file=joulo.yml"], ["--config.check"]])
def test_the_demo_ignores_no_configuration(capsys, flags):
    assert run(capsys, "demo", *flags) == (
        2,
        "",
        "joulo-exporter: demo has a configuration of its own; leave --config.file and --config.check out\n",
    )


def test_a_demo_without_a_temporary_folder_says_what_to_do(capsys, monkeypatch):
    def refuse(**_kwargs):
        raise FileNotFoundError(2, "none is usable")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    assert run(capsys, "demo") == (
        1,
        "",
        "joulo-exporter: no temporary folder for the ledger (none is usable); name one with --storage.path\n",
    )


@pytest.mark.parametrize("command", ["sessions", "backfill"])
def test_a_span_that_ends_before_it_begins_is_refused(capsys, command):
    assert run(capsys, command, "--from=2026-06", "--to=2026-01") == (
        2,
        "",
        "joulo-exporter: --to: is not after --from, so that nothing lies between them; exchange them\n",
    )
