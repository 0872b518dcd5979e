"""What the tests of listening share."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from joulo_exporter.web import make_runner


@pytest.fixture
async def runner():
    async def hello(_request):
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/", hello)
    runner = make_runner(application)
    await runner.setup()
    yield runner
    await runner.cleanup()


@pytest.fixture
async def connect_to():
    """Start an application; give a client that decompresses nothing by itself."""
    clients = []

    async def start(application):
        client = TestClient(TestServer(application), auto_decompress=False, skip_auto_headers=["Accept-Encoding"])
        clients.append(client)
        await client.start_server()
        return client

    yield start
    for client in clients:
        await client.close()
