"""A network of the tests' own: WebRTC sends no sound between loopback addresses.

The thread that asks goes into a new network namespace with `lo` and one more address, and every
process it starts goes with it; nothing that is sent there leaves it. Source: unshare(2), setns(2),
network_namespaces(7); `CLONE_NEWNET` from linux/sched.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator

CLONE_NEWNET = 0x40000000
ADDRESS = "10.213.7.1"  # of the test's own namespace, and of nothing else


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """For the block; raises OSError where the kernel, or a missing `ip`, does not allow it."""
    if shutil.which("ip") is None:
        raise OSError("there is no `ip` (iproute2) to set a network up with")
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "a network namespace cannot be made here")
        try:
            for command in (
                "link set lo up",
                "link add santral0 type veth peer name santral1",
                f"addr add {ADDRESS}/24 dev santral0",
                "link set santral0 up",
                "link set santral1 up",
            ):
                subprocess.run(["ip", *command.split()], check=True, timeout=10)
            yield
        except subprocess.CalledProcessError as error:
            raise OSError(f"the network cannot be set up: {error}") from error
        finally:
            if libc.setns(before, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "the way back to the first network is lost")
    finally:
        os.close(before)
