"""The pages' own files: HTML by name, and the bundle below `/static`."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path
from typing import Final

from aiohttp import web

from cti.web.auth import open_to_all
from cti.web.site import site

KINDS: Final = frozenset(
    {".html", ".js", ".css", ".svg", ".png", ".ico", ".woff2", ".map", ".webmanifest", ".wav"}
)


@open_to_all
async def page(request: web.Request) -> web.StreamResponse:
    return await _send(request, "index.html")


@open_to_all
async def static(request: web.Request) -> web.StreamResponse:
    return await _send(request, request.match_info["path"])


async def _send(request: web.Request, name: str) -> web.StreamResponse:
    """A file of the bundle, and nothing else. It is asked for again each time (`no-cache`), and
    sent again only when it has changed."""
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
            "Cache-Control": "no-cache",
            "Content-Type": kind + ("; charset=utf-8" if text else ""),
        },
    )


def _found(folder: Path, name: str) -> Path | None:
    path = (folder / name).resolve()
    inside = path.is_relative_to(folder.resolve()) and path.is_file()
    return path if inside and path.suffix in KINDS else None


ROUTES: Final = (
    web.get("/", page),
    web.get("/{area:desk|supervisor|flows|wallboard|sign-in}", page),
    web.get("/static/{path:.+}", static),
)
