"""An HTTP server on loopback whose responses are JSON that a test makes."""

import contextlib
from collections.abc import Callable, Iterator

from aiohttp import web
from aiohttp.test_utils import TestServer
from support.simulator import in_thread


@contextlib.contextmanager
def json_server(respond: Callable[[str, bytes], tuple[int, object]]) -> Iterator[str]:
    """Serve ``respond(path, body)``, which returns (status, content), in a thread; yield the URL."""

    async def handle(request: web.Request) -> web.Response:
        status, content = respond(request.path, await request.read())
        return web.json_response(content, status=status)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    with in_thread(TestServer(application)) as server:
        yield str(server.make_url("")).rstrip("/")
