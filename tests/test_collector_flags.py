"""The flags of the collectors override the file, before and after the command."""

import pytest

from joulo_exporter.cli.parser import make_parser
from joulo_exporter.cli.serving import collectors


@pytest.mark.parametrize(
    ("arguments", "switches"),
    [
        ([], {}),
        (["--collector.ere-position"], {"ere_position": True}),
        (
            ["serve", "--collector.ere-price", "--no-collector.ere-position"],
            {"ere_price": True, "ere_position": False},
        ),
        (["--collector.ere-price", "serve"], {"ere_price": True}),
        (["--collector.ere-price", "demo", "--no-collector.ere-price"], {"ere_price": False}),
    ],
)
def test_flags(arguments, switches):
    assert collectors(make_parser().parse_args(arguments)) == switches
