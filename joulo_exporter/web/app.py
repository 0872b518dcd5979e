"""The application: paths and their responses, for metrics, people, health checks and reload."""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from joulo_exporter.errors import ConfigError
from joulo_exporter.exposition import Body, Exposition
from joulo_exporter.web.auth import Gate
from joulo_exporter.web.guard import MAX_BODY, guarded
from joulo_exporter.web.negotiation import accepts_gzip, choose_language, content_type, prefers_openmetrics
from joulo_exporter.web.page import LANGUAGES, View, content_security_policy, page_html

_logger = logging.getLogger(__name__)

# No dot segments, no empty segments, and no characters that mean more than a path in a route or a link.
_PATH = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+/?")
_CHARACTERS = "of letters, digits and -._~"
_SHORT_BYTES = 1 << 16
_WRITES_A_STEP = 8
"""Writes, a millisecond or two, after which we yield to the event loop: a fast client never makes us wait."""


@dataclass(frozen=True, slots=True)
class WebPaths:
    """Paths of the application, by default without a prefix; see ``web_paths``."""

    prefix: str = ""
    """Start of all paths, without a trailing slash."""
    telemetry: str = "/metrics"
    """After the prefix."""


@dataclass(frozen=True, slots=True)
class WebServices:
    """Services of the rest of the exporter that the application needs."""

    exposition: Callable[[], Exposition]
    """Returns the exposition without stale values."""
    ready: Callable[[], bool]
    reload: Callable[[], Awaitable[str | None]] | None
    """Re-reads the configuration, and returns the reason of a failure; ``None`` if not enabled over HTTP."""


SERVICES = web.AppKey("services", WebServices)
PATHS = web.AppKey("paths", WebPaths)


def make_application(services: WebServices, gate: Gate, paths: WebPaths) -> web.Application:
    """Return the application with all its paths; if the metrics are at ``/``, there is no page.

    The gate, with rate limit, passwords and headers, applies to every request, whatever its path.
    """
    middlewares = [_one_line_errors, guarded, gate.admit]
    application = web.Application(middlewares=middlewares, client_max_size=MAX_BODY)
    application[SERVICES], application[PATHS] = services, paths
    application.on_response_prepare.append(gate.add_headers)
    router, prefix = application.router, paths.prefix
    router.add_get(prefix + paths.telemetry, _metrics)
    if paths.telemetry != "/":
        router.add_get(f"{prefix}/", _page)
    router.add_get(f"{prefix}/-/healthy", _healthy)
    router.add_get(f"{prefix}/-/ready", _ready)
    for method in (hdrs.METH_POST, hdrs.METH_PUT):  # Prometheus takes both
        router.add_route(method, f"{prefix}/-/reload", _reload)
    if prefix:
        router.add_get("/", _redirect_to_prefix)
        router.add_get(prefix, _redirect_to_prefix)
    return application


async def _metrics(request: web.Request) -> web.StreamResponse:
    openmetrics = prefers_openmetrics(_header(request, hdrs.ACCEPT))
    gzip = accepts_gzip(_header(request, hdrs.ACCEPT_ENCODING))
    # An empty ?name[]= filters nothing, as in Prometheus' Python library.
    names = frozenset(name for name in request.query.getall("name[]", ()) if name)
    headers: dict[str, str] = {hdrs.CONTENT_TYPE: content_type(openmetrics=openmetrics)}
    headers[hdrs.VARY] = "Accept, Accept-Encoding"
    if gzip:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    exposition = request.app[SERVICES].exposition()
    body = await exposition.scrape(openmetrics=openmetrics, compressed=gzip, names=names)
    return await send(request, body, headers)


def _header(request: web.Request, name: str) -> str:
    """Return the header's value; a header repeated on several lines is one list (RFC 9110, section 5.3)."""
    return ", ".join(request.headers.getall(name, ()))


async def send(request: web.Request, body: Body, headers: Mapping[str, str]) -> web.StreamResponse:
    """Return a response with this body; a long body has already been sent."""
    if body.length <= _SHORT_BYTES:
        return web.Response(body=b"".join(body.parts), headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_length = body.length
    try:
        await response.prepare(request)
        for writes, part in enumerate(() if request.method == hdrs.METH_HEAD else body.parts, 1):
            await response.write(part)
            if writes % _WRITES_A_STEP == 0:
                await asyncio.sleep(0)
    except BaseException as error:
        if request.transport is not None:  # else the client would take what follows for the rest of this body
            request.transport.abort()
        if not isinstance(error, ConnectionError):  # a client may disconnect at any time
            raise
        error.__traceback__ = None  # aiohttp's drain keeps the error, and the traceback would keep the body
    return response


async def _page(request: web.Request) -> web.Response:
    language = choose_language(_header(request, hdrs.ACCEPT_LANGUAGE), LANGUAGES)
    # From the page on, so that they lead to the same place behind a proxy.
    links = {"metrics": f".{request.app[PATHS].telemetry}", "health": "./-/healthy", "readiness": "./-/ready"}
    view = View(language, request.query.get("account"), request.query.get("refresh") != "off")
    # In a thread: the first page loads Jinja, and one of many accounts takes some milliseconds.
    snapshots = list(request.app[SERVICES].exposition().snapshots())
    html = await asyncio.to_thread(page_html, snapshots, links, view, now_seconds=time.time())
    return web.Response(
        body=html.encode(errors="replace"),
        headers={
            hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
            hdrs.CONTENT_LANGUAGE: language,
            hdrs.VARY: hdrs.ACCEPT_LANGUAGE,
            hdrs.CACHE_CONTROL: "no-store",
            "Content-Security-Policy": content_security_policy(),
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        },
    )


async def _redirect_to_prefix(request: web.Request) -> web.Response:
    """Redirect to the page, as Prometheus does from ``/``."""
    location = f"{request.app[PATHS].prefix}/"
    return _line(302, "the exporter's page is under its prefix", {hdrs.LOCATION: location})


async def _healthy(_request: web.Request) -> web.Response:
    return _line(200, "joulo-exporter is healthy")


async def _ready(request: web.Request) -> web.Response:
    if request.app[SERVICES].ready():
        return _line(200, "joulo-exporter is ready")
    return _line(503, "not ready: not every endpoint of every account has been tried yet")


async def _reload(request: web.Request) -> web.Response:
    """Respond as Prometheus does: 403 unless enabled, 500 with the reason of a failure. A web page gets 403."""
    # Browsers send it with a POST of any web page (https://fetch.spec.whatwg.org/#origin-header), others do not.
    if hdrs.ORIGIN in request.headers:
        return _line(403, "a web page may not reload the configuration")
    reload = request.app[SERVICES].reload
    if reload is None:
        return _line(403, "Lifecycle API is not enabled: start joulo-exporter with --web.enable-lifecycle")
    failure = await reload()
    return _line(200, "configuration reloaded") if failure is None else _line(500, f"failed to reload: {failure}")


def _line(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response of one line of plain text."""
    return web.Response(status=status, text=" ".join(text.split()) + "\n", headers=headers)


@web.middleware
async def _one_line_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn any error into one line that reveals no internals."""
    paths = request.app[PATHS]
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return _line(405, f"{request.method} is not allowed here; use {allowed}", {hdrs.ALLOW: allowed})
    except web.HTTPNotFound:
        return _line(404, f"nothing is here; the metrics are at {paths.prefix}{paths.telemetry}")
    except web.HTTPException as error:
        return _line(error.status, error.reason)
    except Exception:
        _logger.exception("answering %s %s failed", request.method, request.path)
        return _line(500, "internal server error; the exporter's log tells more")


# Paths ------------------------------------------------------------------------------------------


def web_paths(external_url: str | None, route_prefix: str | None, telemetry_path: str) -> WebPaths:
    """Return the paths that the flags ask for; ``None`` is a flag that is not given.

    The external URL is where people reach the exporter. Its path is the prefix unless one is given, such as ``/``
    behind a proxy that strips the path. Source: Prometheus' ``cmd/prometheus/main.go`` (``computeExternalURL``).

    Raises:
        ConfigError: one of them cannot be used.
    """
    if f"{telemetry_path}/".startswith("/-/"):
        raise ConfigError(
            f"--web.telemetry-path: {telemetry_path!r} is taken by health and reload; choose another than /-/…"
        )
    prefix = _external_path(external_url) if external_url else ""
    if route_prefix:
        prefix = _checked("--web.route-prefix", "/" + route_prefix.strip("/"), "/joulo").rstrip("/")
    return WebPaths(prefix, _checked("--web.telemetry-path", telemetry_path, "/metrics"))


def _checked(flag: str, path: str, example: str) -> str:
    if not _PATH.fullmatch(path):
        raise ConfigError(f"{flag}: {path!r} is not a plain path; write one such as {example}, {_CHARACTERS}")
    return path


def _external_path(url: str) -> str:
    """Return the path of the URL without the slash at its end."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        path = "/" + parts.path.strip("/")
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        rest = parts.query or parts.fragment or "@" in parts.netloc
        if (whole or not (parts.scheme or parts.netloc)) and not rest and _PATH.fullmatch(path):
            return path.rstrip("/")
    shown = repr(url) if "@" not in url else "the value"  # a password may stand before the @
    raise ConfigError(
        f"--web.external-url: {shown} is not a URL to link to; write one such as https://example.org/joulo, "
        f"with a path {_CHARACTERS}"
    )
