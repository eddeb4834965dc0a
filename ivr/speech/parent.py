"""What a process of ours does first: bind its life to its parent's, and read its settings."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to kill this process when its parent ends; where it cannot, do nothing.

    With SIGTERM, which it has to take, a process ends what it has begun first.

    Called first thing in the child. Linux only; elsewhere the end of stdin is what ends us.
    """
    if not sys.platform.startswith("linux"):
        return
    before = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, by)
    if os.getppid() != before:
        sys.exit(1)  # the parent was gone before we could ask


def first_line() -> bytes:
    """One line of stdin, unbuffered: what comes after it belongs to the event loop."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            break
        line += piece
    return line
