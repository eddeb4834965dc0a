"""Another machine that takes a flow's requests, in a process of its own; for `bench.crash`.

    python -m bench.other_machine FILE

Says its port on standard output, and appends the idempotency key of each request to FILE before it
answers. It ends when its standard input does. Who starts it has plenty else to do (callers who
listen), and would let a request wait past the step's deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from ivr.errors import NotInTime

STARTS_WITHIN = 30.0  # seconds


@contextlib.asynccontextmanager
async def other_machine(keys: Path) -> AsyncIterator[int]:
    """Its port, while it runs. `posted` reads what it got."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.other_machine", str(keys), stdin=pipe, stdout=pipe
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = await asyncio.wait_for(child.stdout.readline(), STARTS_WITHIN)
        if not line:
            raise NotInTime("The other machine did not start.")
        yield int(line)
    finally:
        child.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), 5.0)
        if child.returncode is None:
            child.kill()
            await child.wait()


def posted(keys: Path) -> list[str]:
    """The keys of all requests so far, in order."""
    return keys.read_text("utf-8").split("\n")[:-1] if keys.exists() else []


async def _serve(file: Path) -> None:
    kept = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def take(request: web.Request) -> web.Response:
        os.write(kept, request.headers["Idempotency-Key"].encode() + b"\n")
        return web.json_response({"ok": True})

    application = web.Application()
    application.router.add_post("/done", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    try:
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()
        os.close(kept)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
