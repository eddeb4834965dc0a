"""Becomes another program that dies with its parent. Started as a script, with nothing imported.

`python -I -S child.py PARENT PROGRAM ARGUMENT...` asks the kernel to end it when the parent
goes (PR_SET_PDEATHSIG, prctl(2); it outlives execve) and keeps its files private. It is no
`preexec_fn`, as that is not safe beside threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Does not come back: the program takes over, or the process ends."""
    parent, program = int(arguments[0]), arguments[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before we asked
        raise SystemExit(0)
    os.umask(0o077)
    try:
        os.execv(program[0], program)  # noqa: S606
    except OSError as error:
        raise SystemExit(f"{program[0]}: {error.strerror}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
