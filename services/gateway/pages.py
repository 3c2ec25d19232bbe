"""The dashboard's files: a single page, whose paths the browser chooses, and its assets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

_PAGES = ("/arena", "/sandbox", "/training", "/operations")
_FILES = ("/favicon.svg", "/robots.txt")
_HOW_TO_BUILD = """\
CodeArena's gateway is up; its dashboard is not built.

Build it with `make dashboard` (needs Node 20 or newer), then start the gateway again.
The API needs no dashboard: /openapi.json describes it, /health tells whether it is up.
"""


def is_page(path: str) -> bool:
    """Returns whether a path is one of the page's, which holds no data of anybody."""
    return (
        path == "/"
        or path in _FILES
        or path.startswith("/assets/")
        or any(path == page or path.startswith(f"{page}/") for page in _PAGES)
    )


def add_pages(app: FastAPI, folder: Path) -> None:
    """Serves the dashboard from a folder; without one, says how to build it."""
    index = folder / "index.html"
    if not index.is_file():

        async def missing(_: Request) -> Response:
            return PlainTextResponse(_HOW_TO_BUILD, headers={"Cache-Control": "no-store"})

        for path in ("/", *_PAGES):
            app.add_route(path, missing, methods=["GET"], include_in_schema=False)
        return

    async def page(_: Request) -> Response:
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    app.add_route("/", page, methods=["GET"], include_in_schema=False)
    for path in _PAGES:
        app.add_route(path, page, methods=["GET"], include_in_schema=False)
        app.add_route(f"{path}/{{rest:path}}", page, methods=["GET"], include_in_schema=False)
    app.mount("/assets", _Assets(directory=folder / "assets"), name="assets")
    for path in _FILES:
        file = folder / path.lstrip("/")
        if file.is_file():
            app.add_route(path, _one(file), methods=["GET"], include_in_schema=False)


def _one(file: Path) -> Callable[[Request], Awaitable[Response]]:
    async def served(_: Request) -> Response:
        return FileResponse(file)

    return served


class _Assets(StaticFiles):
    """Files whose names change with their content."""

    def file_response(self, *args: object, **keywords: object) -> Response:
        response = super().file_response(*args, **keywords)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
