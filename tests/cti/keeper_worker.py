"""A worker for the keeper's tests: tells whoever connects which process it is.

`broken` in the working directory lets the next one die instead of serving, `slow` lets it take its
time. `hold` as the first word of a connection keeps it open until the worker ends or is told `go`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from cti import nursery
from ivr.speech.parent import die_with_parent


async def serve(sock: socket.socket) -> None:
    stop, talks = asyncio.Event(), set[asyncio.Task[None]]()
    for signal_ in (signal.SIGTERM, signal.SIGUSR1):
        asyncio.get_running_loop().add_signal_handler(signal_, stop.set)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        writer.write(b"%d\n" % os.getpid())
        if await reader.readline() == b"hold\n":
            await reader.readline()
        writer.close()

    server = await asyncio.start_server(talk, sock=sock, backlog=100)
    print(f"ready {os.getpid()} {sock.getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()
    if talks:
        await asyncio.wait(talks, timeout=20)


def main() -> None:
    die_with_parent()

    def one() -> int:
        if Path("broken").exists():
            return 3
        asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
        return 0

    nursery.run(one)


if __name__ == "__main__":
    main()
