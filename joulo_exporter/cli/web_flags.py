"""The flags of the web server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_web_config_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--web.config.file``; an empty value is none, as in other exporters."""
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=lambda text: Path(text) if text else None,
        metavar="FILE",
        help="TLS, basic authentication and headers, in the format that all Prometheus exporters share",
    )
