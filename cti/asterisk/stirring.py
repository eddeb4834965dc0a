"""Stops a process and lets it go on at once: every thread of it looks anew at what it waits for.

`python -I -S stirring.py PID`, as a script with nothing imported, and in a session of its own: what
kills the engine between the two signals must not leave Asterisk standing. It says for how many
milliseconds that one stood. `waking.py` has what for.
"""

import contextlib
import os
import signal
import sys
import time

LONGEST = 0.1  # seconds until it has to stand still
LOOK = 0.0005


def main(pid: int) -> None:
    """Raises OSError for a process that is gone or another user's."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = os.pidfd_open(pid)
    began = time.monotonic()
    signal.pidfd_send_signal(process, signal.SIGSTOP)
    try:
        until = began + LONGEST
        while time.monotonic() < until and not _stands(pid):
            time.sleep(LOOK)
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGCONT)
    sys.stdout.write(f"{1000 * (time.monotonic() - began):.1f}\n")


def _stands(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] in "TZ"


if __name__ == "__main__":
    main(int(sys.argv[1]))
