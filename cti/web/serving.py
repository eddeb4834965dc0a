"""One page for every address of the pages, and the bundle below `/static`."""

from __future__ import annotations

import asyncio
import html
import mimetypes
import re
from pathlib import Path
from typing import Final

from aiohttp import web

from cti.web.auth import open_to_all
from cti.web.site import site

KINDS: Final = frozenset({".html", ".js", ".css", ".svg", ".map", ".txt"})
LASTING: Final = re.compile(r"-[A-Z0-9]{8}\.(js|css)\Z")  # named by the hash of what is in it
BEING_MADE: Final = "The pages are being made; this takes some seconds at the first start."
NOT_THERE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Santral</title>
<h1>Santral</h1>
<p>{told}</p>
"""


@open_to_all
async def page(request: web.Request) -> web.StreamResponse:
    here = site(request)
    if here.pages is None:
        told = NOT_THERE.format(told=html.escape(here.no_pages or BEING_MADE))
        again = {} if here.no_pages else {"Refresh": "2"}
        return web.Response(text=told, status=503, content_type="text/html", headers=again)
    return await _send(request, "index.html")


@open_to_all
async def static(request: web.Request) -> web.StreamResponse:
    return await _send(request, request.match_info["path"])


async def _send(request: web.Request, name: str) -> web.StreamResponse:
    """A file of the bundle, and nothing else. What is not named by its hash is asked for again each
    time (`no-cache`), and sent again only when it has changed."""
    folder = site(request).pages
    if folder is None:
        reason = "The pages are being made; try again in some seconds."
        raise web.HTTPServiceUnavailable(reason=reason, headers={"Retry-After": "3"})
    path = await asyncio.to_thread(_found, folder, name)
    if path is None:
        raise web.HTTPNotFound(reason="There is no such page.")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind.endswith("javascript")
    return web.FileResponse(
        path,
        headers={
            "Cache-Control": (
                "public, max-age=31536000, immutable" if LASTING.search(path.name) else "no-cache"
            ),
            "Content-Type": kind + ("; charset=utf-8" if text else ""),
        },
    )


def _found(folder: Path, name: str) -> Path | None:
    path = (folder / name).resolve()
    inside = path.is_relative_to(folder.resolve()) and path.is_file()
    return path if inside and path.suffix in KINDS else None


ROUTES: Final = (
    web.get("/", page),
    web.get("/{area:desk|floor|flows|outbound|reports|staffing|users}", page),
    web.get("/flows/{rest:.+}", page),
    web.get("/reports/{rest:[a-z_]+}", page),
    web.get("/static/{path:.+}", static),
)
