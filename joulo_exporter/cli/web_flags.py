"""The flags of the web server, as Prometheus spells them."""

from __future__ import annotations

import argparse
from pathlib import Path

DEFAULT_LISTEN_ADDRESS = ":9973"

WEB_DEFAULTS: dict[str, object] = {
    "listen_addresses": None,
    "systemd_socket": False,
    "telemetry_path": "/metrics",
    "external_url": None,
    "route_prefix": None,
    "web_config_file": None,
    "lifecycle": False,
}
"""What holds for flags that are not given."""


def add_web_flags(parser: argparse.ArgumentParser) -> None:
    """Add them; ``WEB_DEFAULTS`` are for the parser of all commands to set."""
    add = parser.add_argument
    add(
        "--web.listen-address",
        dest="listen_addresses",
        action="append",
        metavar="ADDRESS",
        help=f"address to serve on, or unix:/path, can be repeated (default: {DEFAULT_LISTEN_ADDRESS})",
    )
    add("--web.systemd-socket", dest="systemd_socket", action="store_true", default=argparse.SUPPRESS,
        help="serve on the sockets that systemd passes, not on addresses")  # fmt: skip
    add("--web.telemetry-path", dest="telemetry_path", metavar="PATH",
        help="path of the metrics (default: /metrics)")  # fmt: skip
    add("--web.external-url", dest="external_url", metavar="URL",
        help="where people find the exporter behind a proxy; for links and redirects")  # fmt: skip
    add("--web.route-prefix", dest="route_prefix", metavar="PATH",
        help="what all paths begin with (default: the path of --web.external-url)")  # fmt: skip
    add("--web.config.file", dest="web_config_file", type=_file, metavar="FILE",
        help="TLS, basic authentication and headers, in the format of all Prometheus exporters")  # fmt: skip
    add("--web.enable-lifecycle", dest="lifecycle", action="store_true", default=argparse.SUPPRESS,
        help="allow a reload by POST /-/reload")  # fmt: skip


def _file(text: str) -> Path | None:
    """Return the path; an empty value is none, as in other exporters."""
    return Path(text) if text else None
