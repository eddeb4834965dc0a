"""Where workers are born: a process that has everything imported, and forks when it is asked to.

An import of the engine takes seconds on a busy machine, a fork some milliseconds. It runs no thread
and no event loop, and opens nothing, so that a child has nothing of it but the modules.

    stdin   serve             a worker is wanted; it ends when stdin and its last child have
    stdout  standby           it can fork
            forked PID        a worker begins
            ready PID PORT    (from the worker) it takes calls
            gone PID CODE     it has ended; below 0: by that signal
"""

from __future__ import annotations

import gc
import os
import random
import select
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from ivr.speech.parent import die_with_parent

Serve = Callable[[], int]


def run(serve: Serve) -> None:
    """Fork a child for each request; it returns `serve`'s exit code. Returns when all is over."""
    wake, waker = os.pipe()
    for end in (wake, waker):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.collect()
    gc.freeze()  # a child's collector need not look at the modules, nor copy their pages
    _tell("standby")
    children, wanted, text = set[int](), [0, wake], b""
    while children or 0 in wanted:
        readable, _, _ = select.select(wanted, [], [])
        if wake in readable:
            os.read(wake, 512)
            _bury(children)
        if 0 in readable:
            data = os.read(0, 512)
            if not data:
                wanted.remove(0)
            text += data
            for _ in range(text.count(b"serve\n")):
                children.add(_bear(serve, (wake, waker)))
            text = text.rpartition(b"\n")[2]


def _bear(serve: Serve, ours: tuple[int, int]) -> int:
    child = os.fork()
    if not child:
        _live(serve, ours)
    _tell(f"forked {child}")
    return child


def _live(serve: Serve, ours: tuple[int, int]) -> NoReturn:
    code = 1
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in ours:
            os.close(end)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        random.seed()
        code = serve()
    except BaseException:
        traceback.print_exc()
    # What belongs to the nursery is not run again at the end of its child.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _bury(children: set[int]) -> None:
    for child in [*children]:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            children.discard(child)
            _tell(f"gone {child} {os.waitstatus_to_exitcode(status)}")


def _tell(line: str) -> None:
    """In one write, as the children write to the same pipe."""
    os.write(1, f"{line}\n".encode())
