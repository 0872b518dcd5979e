"""The HTTP server's answers: metrics, a page for people, health, reload."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from joulo_exporter.web.landing_html import content_security_policy, render_landing_page
from joulo_exporter.web.negotiation import Format, accepts_gzip, choose_format
from joulo_exporter.web.paths import WebPaths, checked_telemetry_path
from joulo_exporter.web.refusals import SERVER
from joulo_exporter.web.sending import Body, send
from joulo_exporter.web.well_formed import expect_continue, well_formed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from joulo_exporter.web.landing import LandingPage
    from joulo_exporter.web.security import Gate

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebServices:
    """What the application needs from the rest of the exporter; ``metrics`` and ``reload`` may take their time."""

    metrics: Callable[[Format, bool, frozenset[str]], Awaitable[Body]]
    """The exposition in a format, gzipped or not, of the named metrics or, with no names, of all."""
    page: Callable[[], LandingPage]
    ready: Callable[[], bool]
    reload: Callable[[], Awaitable[str | None]]
    """Re-reads the configuration; the answer says why that failed, ``None`` that it did not."""
    lifecycle_enabled: bool
    telemetry_path: str
    """After the prefix."""
    paths: WebPaths = field(default_factory=WebPaths)


SERVICES = web.AppKey("services", WebServices)


def make_application(services: WebServices, gate: Gate | None = None) -> web.Application:
    """Return the application with all its paths; with the metrics on ``/`` there is no page.

    Args:
        services: what it serves.
        gate: what every request has to pass, whatever its path.

    Raises:
        ConfigError: the telemetry path cannot be one.
    """
    application = web.Application(middlewares=[well_formed, *((gate.admit,) if gate else ()), _one_line_errors])
    application[SERVICES] = services
    application.on_response_prepare.append(_set_common_headers)
    if gate is not None:
        application.on_response_prepare.append(gate.add_headers)
    router, prefix = application.router, services.paths.prefix

    def get(path: str, handler: Handler) -> None:
        router.add_get(path, handler, expect_handler=expect_continue)

    get(prefix + checked_telemetry_path(services.telemetry_path), _metrics)
    if services.telemetry_path != "/":
        get(f"{prefix}/", _page)
    get(f"{prefix}/-/healthy", _healthy)
    get(f"{prefix}/-/ready", _ready)
    for method in (hdrs.METH_POST, hdrs.METH_PUT):  # Prometheus takes both
        router.add_route(method, f"{prefix}/-/reload", _reload, expect_handler=expect_continue)
    if prefix:
        get("/", _to_the_prefix)
        get(prefix, _to_the_prefix)
    return application


async def _metrics(request: web.Request) -> web.StreamResponse:
    format_ = choose_format(_header(request, hdrs.ACCEPT))
    gzip = accepts_gzip(_header(request, hdrs.ACCEPT_ENCODING))
    # An empty ?name[]= filters nothing, as in Prometheus' Python library.
    names = frozenset(name for name in request.query.getall("name[]", ()) if name)
    headers: dict[str, str] = {hdrs.CONTENT_TYPE: format_.content_type, hdrs.VARY: "Accept, Accept-Encoding"}
    if gzip:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return await send(request, await request.app[SERVICES].metrics(format_, gzip, names), headers)


def _header(request: web.Request, name: str) -> str | None:
    """Return the header's value; one that stands on several lines is one list (RFC 9110, section 5.3)."""
    return ", ".join(request.headers.getall(name, ())) or None


async def _page(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    return web.Response(
        body=render_landing_page(services.page(), services.telemetry_path, services.paths.links).encode(
            errors="replace"
        ),
        headers={
            hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
            hdrs.CACHE_CONTROL: "no-store",
            "Content-Security-Policy": content_security_policy(),
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        },
    )


async def _to_the_prefix(request: web.Request) -> web.Response:
    """Lead to the page, as people see it; Prometheus does so from ``/`` too."""
    paths = request.app[SERVICES].paths
    response = _line(302, "the exporter's page is under its prefix")
    response.headers[hdrs.LOCATION] = (paths.prefix if paths.links == "." else paths.links) + "/"
    return response


async def _healthy(_request: web.Request) -> web.Response:
    return _line(200, "joulo-exporter is healthy")


async def _ready(request: web.Request) -> web.Response:
    if request.app[SERVICES].ready():
        return _line(200, "joulo-exporter is ready")
    return _line(503, "not ready: not every endpoint of every account has been tried yet")


async def _reload(request: web.Request) -> web.Response:
    """Answer as Prometheus does: 403 while not enabled, 500 with the reason of a failure."""
    services = request.app[SERVICES]
    if not services.lifecycle_enabled:
        return _line(403, "Lifecycle API is not enabled: start joulo-exporter with --web.enable-lifecycle")
    failure = await services.reload()
    return _line(200, "configuration reloaded") if failure is None else _line(500, f"failed to reload: {failure}")


def _line(status: int, text: str) -> web.Response:
    """Return an answer of one line of plain text."""
    return web.Response(status=status, text=" ".join(text.split()) + "\n")


@web.middleware
async def _one_line_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a handler or the router raises into one line that gives nothing of the inside away."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        response = _line(error.status, f"{request.method} is not allowed here; use {allowed}")
        response.headers[hdrs.ALLOW] = allowed
        return response
    except web.HTTPNotFound as error:
        services = request.app[SERVICES]
        return _line(
            error.status, f"nothing is here; the metrics are at {services.paths.prefix}{services.telemetry_path}"
        )
    except web.HTTPException as error:
        return _line(error.status, error.reason)
    except Exception:
        _logger.exception("answering %s %s failed", request.method, request.path)
        return _line(500, "internal server error; the exporter's log tells more")


async def _set_common_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Replace aiohttp's ``Server``, which tells versions to everybody."""
    response.headers[hdrs.SERVER] = SERVER
    response.headers["X-Content-Type-Options"] = "nosniff"
