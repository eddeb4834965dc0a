"""Requests to other machines that cannot be turned against our own (SSRF).

Every address a name resolves to is looked at at the moment it is connected to, so a name cannot
change its mind between the look and the connection. Private, loopback, link-local and other
addresses that are not on the open internet are refused unless the settings list them.
Source: OWASP, Server-Side Request Forgery Prevention; IANA special-purpose registries
(`ipaddress.is_global`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ivr.errors import BadSetting, ServiceFailed

MOST_BYTES: Final = 256_000  # of an answer
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def words(text: str) -> tuple[str, ...]:
    """A setting that is a list: words with commas or spaces between them."""
    return tuple(text.replace(",", " ").lower().split())


class Allowed:
    """Which hosts may be asked. `hosts` are names (`*.example.com` for all below one), with a port
    where it is not the usual one; `private` are hosts and networks that may be private."""

    def __init__(self, hosts: Iterable[str] = (), private: Iterable[str] = ()) -> None:
        self.hosts = frozenset(hosts)
        self._private_names: set[str] = set()
        self._networks: list[Network] = []
        for entry in private:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if "/" in entry:
                    raise BadSetting(f"'{entry}' is no network like 10.0.0.0/8") from None
                self._private_names.add(entry)

    def host(self, url: URL) -> bool:
        """Whether the settings name the host of an address."""
        host = (url.host or "").lower()
        written = {host, f"{host}:{url.port}"} if url.is_default_port() else {f"{host}:{url.port}"}
        parts = host.split(".")
        if url.is_default_port():
            written |= {f"*.{'.'.join(parts[n:])}" for n in range(1, len(parts))}
        return not self.hosts.isdisjoint(written)

    def listed_private(self, host: str) -> bool:
        """Whether the settings name a host, or a network that it is in, as private."""
        try:
            given = ipaddress.ip_address(host)
        except ValueError:
            return host.lower() in self._private_names
        return any(given in net for net in self._networks if net.version == given.version)

    def address(self, address: str, host: str) -> bool:
        """Whether a connection may be made to an address that `host` stands for."""
        try:
            given = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(given, "ipv4_mapped", None) or getattr(given, "sixtofour", None)
        given = mapped or given
        if given.is_global and not given.is_multicast:
            return True
        return host.lower() in self._private_names or any(
            given in net for net in self._networks if net.version == given.version
        )


class _Resolver(AbstractResolver):
    """The system's resolver, with addresses left out that must not be connected to."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        good = [one for one in found if self._allowed.address(one["host"], host)]
        if not good:
            raise OSError(f"the address of {host} is private, and not listed in the settings")
        return good

    async def close(self) -> None:
        await self._resolver.close()


def open_session(allowed: Allowed) -> aiohttp.ClientSession:
    """A session that connects only where it may; no proxies, no cookies."""
    connector = aiohttp.TCPConnector(
        resolver=_Resolver(allowed), use_dns_cache=False, limit=100, limit_per_host=20
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"User-Agent": "santral"},
        trust_env=False,
    )


def checked(url: str, allowed: Allowed, *, listed: bool = True) -> URL:
    """The address, or `ServiceFailed` for one that must not be asked.

    An address written in numbers is looked at here, for no resolver ever sees it.
    """
    try:
        read = URL(url)
        port = read.port
    except ValueError:
        raise ServiceFailed("the address is not a URL") from None
    host = read.host
    if read.scheme not in {"http", "https"} or not host or not port or read.user:
        raise ServiceFailed("the address is not a plain http or https one")
    if listed and not allowed.host(read):
        raise ServiceFailed(f"{host} is not among the hosts that may be asked (http_hosts)")
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return read
    if not allowed.address(host, host):
        raise ServiceFailed(f"{host} is a private address, and not listed in the settings")
    return read


async def reachable(url: str, allowed: Allowed, deadline: float = 3.0) -> None:
    """`ServiceFailed` for an address that must not be asked, or that no name server knows.

    For whoever gives it to us, to tell them at once; what it stands for is looked at again at every
    connection.
    """
    read = checked(url, allowed, listed=False)
    host = read.host or ""
    resolver = _Resolver(allowed)
    try:
        async with asyncio.timeout(deadline):
            await resolver.resolve(host, read.port or 0)
    except socket.gaierror:
        raise ServiceFailed(f"{host} is not known to the name servers") from None
    except UnicodeError:  # a part of more than 63 characters, say
        raise ServiceFailed(f"{host[:80]} is no host name") from None
    except TimeoutError:
        raise ServiceFailed(f"{host}: the name servers have no answer in time") from None
    except OSError as error:
        raise ServiceFailed(str(error)) from None
    finally:
        await resolver.close()


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """What came back, decompressed, up to `MOST_BYTES`; `ServiceFailed` for more."""
    made = bytearray()
    async for part in response.content.iter_chunked(65_536):
        made += part
        if len(made) > MOST_BYTES:
            raise ServiceFailed(f"the answer has more than {MOST_BYTES} bytes")
    return bytes(made)


def told(error: BaseException) -> str:
    """An error for the log and the delivery log; aiohttp's own texts name host and cause only."""
    cause: Any = getattr(error, "os_error", None) or error
    return f"{type(error).__name__}: {cause}"[:200]
