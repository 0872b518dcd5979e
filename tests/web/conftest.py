"""What the tests of the web application share."""

import contextlib

import aiohttp
import pytest
from support.web import serving


@pytest.fixture
async def connect():
    """Serve the application with some services replaced; give a client that decompresses nothing by itself."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**services):
            address = await stack.enter_async_context(serving(**services))
            client = aiohttp.ClientSession(
                f"http://{address}", auto_decompress=False, skip_auto_headers=["Accept-Encoding"]
            )
            return await stack.enter_async_context(client)

        yield start
