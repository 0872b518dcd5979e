"""What the tests of listening share."""

from __future__ import annotations

import pytest
from aiohttp import web

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
