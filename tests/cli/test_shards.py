"""Shards on the command line: which accounts the commands see, and whose tokens they read."""

import pytest
from support.command_line import run

from joulo_exporter.accounts import plans
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.schema import load_config
from joulo_exporter.poller.endpoint import account_endpoints
from joulo_exporter.sharding import Shard

NAMES = ("home", "office", "huis", "zoë")
HELD = [["huis"], ["office", "zoë"], ["home"]]


@pytest.fixture
def file(tmp_path):
    """Accounts whose tokens are in files; only those of shard 1 of 3 are there."""
    path = tmp_path / "joulo.yml"
    lines = [f"  - {{name: {name}, token_file: {name}}}\n" for name in NAMES]
    path.write_text(f"accounts:\n{''.join(lines)}collectors: {{ere_price: true, ere_position: true}}\n")
    for name in HELD[1]:
        (tmp_path / name).write_text(f"joulo_t0k3n_{ord(name[0])}")
    return path


def asked_for(plan):
    return [state.name for state in account_endpoints(plan, SystemClock())]


def test_the_accounts_are_divided_and_only_the_first_shard_asks_for_the_public_price(file):
    parts = [load_config(file, {}, shard=Shard(ordinal, 3)) for ordinal in range(3)]
    assert [[account.name for account in part.accounts] for part in parts] == HELD
    assert [part.shard.ordinal for part in parts] == [0, 1, 2]
    own = plans(parts[1])  # which reads its own tokens alone: the others are not there
    assert [(plan.key, asked_for(plan)[-1]) for plan in own] == [(name, "ere_position") for name in HELD[1]]


def test_a_first_shard_without_accounts_asks_for_the_public_price_all_the_same(file):
    (plan,) = plans(load_config(file, {}, shard=Shard(0, 7)))
    assert (asked_for(plan), plan.account, plan.token) == (["ere_price"], None, None)
    assert plan.api.url == "https://joulo.nl/api"
    assert plans(load_config(file, {}, shard=Shard(4, 7))) == ()


@pytest.mark.parametrize("command", [[], ["serve"], ["check"]])
@pytest.mark.parametrize(("flags", "pod_name"), [(["--shard=1"], ""), ([], "joulo-exporter-1")])
def test_config_check_says_how_many_are_its_own(capsys, monkeypatch, file, command, flags, pod_name):
    monkeypatch.setenv("POD_NAME", pod_name)
    arguments = [*command, "--total-shards=3", *flags, "--config.check", f"--config.file={file}"]
    printed = f"{file}: the configuration is valid\nshard 1 (of 3, counted from 0) has 2 of the accounts\n"
    assert run(capsys, *arguments) == (0, printed, "")


@pytest.mark.usefixtures("answers")  # there are none: a token that cannot be read is found before the API is asked
@pytest.mark.parametrize(
    ("total", "status", "accounts"),
    [
        (3, 1, ["Account office", "Account zoë"]),
        (19, 0, ["No account belongs to shard 1 (of 19, counted from 0): there is nothing to check."]),
    ],
)
def test_check_of_the_others_is_left_to_them(capsys, file, tmp_path, total, status, accounts):
    for name in HELD[1]:
        (tmp_path / name).write_text('"quoted"')
    arguments = ("check", f"--config.file={file}", "--shard=1", f"--total-shards={total}")
    ended, out, _ = run(capsys, *arguments, f"--storage.path={tmp_path / 'ledger'}")
    named = [
        line.partition(", file")[0] for line in out.splitlines() if line.startswith(("Account", "No account"))
    ]
    assert (ended, named) == (status, accounts)
