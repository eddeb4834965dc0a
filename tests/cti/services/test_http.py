"""Requests go where they may, and nowhere else. Real servers on this machine answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web

from cti.services.http import JsonHttp
from cti.services.outside import MOST_BYTES, Allowed, open_session
from ivr.errors import BadSetting, ServiceFailed

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """A server on loopback; its port."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asking(
    *hosts: str, private: tuple[str, ...] = ("127.0.0.0/8",)
) -> AsyncIterator[JsonHttp]:
    allowed = Allowed(hosts, private)
    async with open_session(allowed) as session:
        yield JsonHttp(session, allowed)


async def test_json_goes_out_and_comes_back_exact() -> None:
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, await request.json(), dict(request.headers)))
        return web.Response(text='{"total": 459.90, "ad": "Ayşe"}', status=201)

    async with serving(answer) as port, asking(f"127.0.0.1:{port}") as http:
        body = {"amount": Decimal("1.10"), "name": "Çağla"}
        got = await http.send(
            "POST", f"http://127.0.0.1:{port}/a", body, {"Idempotency-Key": "k"}, 5.0
        )
    assert got.status == 201
    assert got.body == {"total": Decimal("459.90"), "ad": "Ayşe"}
    method, path, sent, headers = seen[0]
    assert (method, path, sent) == ("POST", "/a", {"amount": "1.10", "name": "Çağla"})
    assert headers["Idempotency-Key"] == "k"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://elsewhere.example/", "not among the hosts"),
        ("http://127.0.0.1:1/", "not among the hosts"),
        ("ftp://ok.example/", "not a plain http"),
        ("http://user:pass@ok.example/", "not a plain http"),
        ("http://ok.example:8080/", "not among the hosts"),
        ("http://ok.example.evil.example/", "not among the hosts"),
        ("nonsense", "not a plain http"),
    ],
)
async def test_hosts_that_are_not_listed_are_not_asked(url: str, why: str) -> None:
    async with asking("ok.example") as http:
        with pytest.raises(ServiceFailed, match=why):
            await http.send("GET", url, None, {}, 1.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433"])
async def test_a_private_address_is_refused_unless_it_is_listed(host: str) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({})

    async with serving(answer) as port:
        listed = f"{host.strip('[]')}:{port}"
        async with asking(listed, private=()) as http:
            with pytest.raises(ServiceFailed):
                await http.send("GET", f"http://{host}:{port}/", None, {}, 2.0)
    assert not asked


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "192.168.1.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1%eth0",
     "100.64.0.1", "0.0.0.0", "224.0.0.1", "fd00::1", "2002:7f00:1::"],
)  # fmt: skip
def test_addresses_that_are_not_on_the_open_internet(address: str) -> None:
    assert not Allowed().address(address, "x")
    assert Allowed().address("93.184.216.34", "x")
    assert Allowed(private=("intern.example",)).address(address, "intern.example")


def test_hosts_below_a_name() -> None:
    from yarl import URL

    allowed = Allowed(["*.example.com", "b.example:8443"])
    assert allowed.host(URL("https://api.example.com/"))
    assert allowed.host(URL("https://a.b.example.com/"))
    assert not allowed.host(URL("https://example.com/"))
    assert allowed.host(URL("https://b.example:8443/"))
    assert not allowed.host(URL("https://b.example/"))
    with pytest.raises(BadSetting):
        Allowed(private=["10.0.0.0/99"])


async def test_redirects_stay_with_their_host() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/round":
            raise web.HTTPFound("/round")
        if request.path == "/here":
            raise web.HTTPFound("/there")
        if request.path == "/away":
            raise web.HTTPFound("http://169.254.169.254/latest")
        return web.json_response({"at": request.path})

    async with serving(answer) as port, asking(f"127.0.0.1:{port}") as http:
        base = f"http://127.0.0.1:{port}"
        assert (await http.send("GET", f"{base}/here", None, {}, 5.0)).body == {"at": "/there"}
        assert (await http.send("POST", f"{base}/here", {}, {}, 5.0)).status == 302
        with pytest.raises(ServiceFailed, match="another host"):
            await http.send("GET", f"{base}/away", None, {}, 5.0)
        with pytest.raises(ServiceFailed, match="circles"):
            await http.send("GET", f"{base}/round", None, {}, 5.0)


async def test_what_is_late_too_large_or_no_json_is_a_failure() -> None:
    gone = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await gone.wait()
        if request.path == "/large":
            return web.Response(body=b" " * (MOST_BYTES + 1))
        if request.path == "/empty":
            return web.Response(status=204)
        if request.path == "/html":
            return web.Response(text="<html>", status=200)
        return web.Response(text="<html>", status=500)

    async with serving(answer) as port, asking(f"127.0.0.1:{port}") as http:
        base = f"http://127.0.0.1:{port}"
        with pytest.raises(ServiceFailed, match="no answer in time"):
            await http.send("GET", f"{base}/slow", None, {}, 0.1)
        gone.set()
        with pytest.raises(ServiceFailed, match="more than"):
            await http.send("GET", f"{base}/large", None, {}, 5.0)
        with pytest.raises(ServiceFailed, match="not JSON"):
            await http.send("GET", f"{base}/html", None, {}, 5.0)
        assert (await http.send("GET", f"{base}/empty", None, {}, 5.0)).body is None
        assert (await http.send("GET", f"{base}/broken", None, {}, 5.0)).status == 500
        with pytest.raises(ServiceFailed, match="cannot be sent"):
            await http.send("GET", f"{base}/", None, {"X": "a\r\nHost: b"}, 5.0)
    async with asking(f"127.0.0.1:{port}") as http:
        with pytest.raises(ServiceFailed):
            await http.send("GET", f"{base}/", None, {}, 5.0)
