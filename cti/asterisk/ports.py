"""Ports that nobody uses, below those the kernel gives to outgoing connections."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack

from ivr.errors import BadInput

LOWEST, HIGHEST = 10_000, 32_000
TRIES = 200
_random = random.SystemRandom()


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Distinct ports, each free for TCP and UDP a moment ago. `BadInput` when there are none."""
    with ExitStack() as held:
        found: list[int] = []
        for _ in range(TRIES + count):
            if len(found) == count:
                return found
            port = _random.randrange(LOWEST, HIGHEST)
            if _take(held, host, port, socket.SOCK_STREAM, socket.SOCK_DGRAM):
                found.append(port)
    raise BadInput(f"There are no {count} free ports on {host}.")


def free_port_range(count: int, host: str = "127.0.0.1") -> tuple[int, int]:
    """The first and last of `count` UDP ports in a row, from an even one, as RTP wants them.

    A few of them may be in use: Asterisk takes another of the range then (res_rtp_asterisk.c).
    """
    for _ in range(TRIES):
        first = _random.randrange(LOWEST, HIGHEST - count, 2)
        free = sum(_is_free(host, port) for port in range(first, first + count))
        if free >= 0.95 * count:
            return first, first + count - 1
    raise BadInput(f"There are no {count} free ports in a row on {host}.")


def are_free(ports: Iterable[int], host: str = "127.0.0.1") -> bool:
    """Whether each is free for TCP and UDP now."""
    with ExitStack() as held:
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        return all(_take(held, host, port, *kinds) for port in ports)


def _is_free(host: str, port: int) -> bool:
    with ExitStack() as held:
        return _take(held, host, port, socket.SOCK_DGRAM)


def _take(held: ExitStack, host: str, port: int, *kinds: socket.SocketKind) -> bool:
    """Bind the port for each kind and hold it; False when it is in use."""
    for kind in kinds:
        try:
            held.enter_context(socket.socket(socket.AF_INET, kind)).bind((host, port))
        except OSError:
            return False
    return True
