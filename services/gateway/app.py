"""The application: OpenEnv's routes, the plain REST, the dashboard, and the door before them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from openenv.core.env_server import ConcurrencyConfig, create_fastapi_app
from openenv.core.env_server.http_server import HTTPEnvServer
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from services.common.access import Gate
from services.common.metrics import build_info
from services.common.validation import MAX_ID_CHARACTERS
from services.gateway import api, convert, rest
from services.gateway.door import Door, Rates
from services.gateway.environment import DESCRIPTION, ENV_NAME, VERSION
from services.gateway.errors import Failure, add_handlers
from services.gateway.link import ArenaLink
from services.gateway.metrics import GatewayMetrics
from services.gateway.models import CodeArenaAction, CodeArenaObservation, CodeArenaState
from services.gateway.operations import MetricsSource, Operations
from services.gateway.pages import add_pages
from services.gateway.settings import GatewaySettings
from services.gateway.sockets import SocketGuard
from services.gateway.steps import Streams
from services.gateway.tools import ToolEnvironment

_SESSION_TIMEOUT_SECONDS = 3600.0


class Sessions:
    """What the gateway tells of itself."""

    def __init__(self, server: HTTPEnvServer) -> None:
        self._server = server
        self.version = VERSION
        self.max_sessions = server.max_concurrent_envs

    def sessions(self) -> int:
        """Returns how many sessions there are."""
        return int(self._server.active_sessions)


def make_app(
    settings: GatewaySettings,
    gate: Gate,
    link: ArenaLink,
    registry: CollectorRegistry,
    sources: Mapping[str, MetricsSource],
) -> tuple[ASGIApp, Streams]:
    """Returns the application, and the streams that are to be ended before it stops.

    Args:
        settings: Limits, origins, the dashboard's folder.
        gate: Says who may come in.
        link: The arena.
        registry: Where the gateway's metrics go.
        sources: Where the metrics of the other services are, by name.
    """
    app, server = _openenv(settings, link)
    sessions = Sessions(server)
    streams = Streams(settings.max_streams)
    app.state.link = link
    app.state.streams = streams
    app.state.operations = Operations(link, sources, sessions)
    app.include_router(rest.router)
    app.include_router(api.router)
    _add_metrics(app, registry)
    add_handlers(app)
    add_pages(app, settings.dashboard)
    build_info(registry, "gateway", VERSION)
    _describe(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(GZipMiddleware, minimum_size=2048, compresslevel=5)
    whole: ASGIApp = SocketGuard(app, settings.max_frame_bytes)
    whole = Door(
        whole,
        gate=gate,
        origins=settings.cors_origins,
        rates=Rates(settings.requests_per_second, settings.request_burst),
        max_body_bytes=settings.max_body_bytes,
    )
    return GatewayMetrics(whole, registry, sessions.sessions), streams


def _openenv(settings: GatewaySettings, link: ArenaLink) -> tuple[FastAPI, HTTPEnvServer]:
    """Returns the library's application with its server, which it does not give away by itself."""
    factory = functools.partial(ToolEnvironment, link, settings.step_timeout_seconds)
    app = create_fastapi_app(
        factory,
        CodeArenaAction,
        CodeArenaObservation,
        env_name=ENV_NAME,
        state_cls=CodeArenaState,
        concurrency_config=ConcurrencyConfig(
            max_concurrent_envs=settings.max_sessions, session_timeout=_SESSION_TIMEOUT_SECONDS
        ),
        mode="simulation",
    )
    server = _server_of(app)
    # Its pages load scripts from elsewhere; its /state knows no episode.
    _drop(app, "/docs", "/docs/oauth2-redirect", "/redoc", "/state")
    _add_state(app)
    return app, server


def _server_of(app: FastAPI) -> HTTPEnvServer:
    """Returns the server whose methods the routes are."""
    for route in app.router.routes:
        for cell in getattr(getattr(route, "endpoint", None), "__closure__", None) or ():
            if isinstance(cell.cell_contents, HTTPEnvServer):
                return cell.cell_contents
    raise RuntimeError("this version of openenv is built differently; pin openenv to one that is tested")


def _drop(app: FastAPI, *paths: str) -> None:
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) not in paths]


def _add_state(app: FastAPI) -> None:
    @app.get("/state", tags=["State Management"], summary="An episode as it stands")
    async def state(
        request: Request,
        episode_id: Annotated[str, Query(max_length=MAX_ID_CHARACTERS, description="Empty: an empty state.")] = "",
    ) -> CodeArenaState:
        """Returns an episode as it stands; it can be gone on with."""
        if not episode_id:
            return CodeArenaState()
        link = rest.link(request)
        found = await link.client.get_state(episode_id)
        return convert.state(found, await link.task(found.task_id))


def _add_metrics(app: FastAPI, registry: CollectorRegistry) -> None:
    @app.get("/metrics", tags=["Health"], summary="Prometheus metrics of the gateway", response_class=Response)
    async def metrics() -> Response:
        """Returns the metrics in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _describe(app: FastAPI) -> None:
    """Says in the OpenAPI document what this is, and that any route may answer with an error of one shape."""
    app.title, app.version, app.description = "CodeArena", "1.0.0", DESCRIPTION
    app.contact, app.license_info = None, {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            model = Failure.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= model.pop("$defs", {})
            schemas["Failure"] = model
            answer = {
                "description": "Not done; the body says why.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}},
            }
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
                    operation["responses"].pop("500", None)
                    operation["responses"]["default"] = answer
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
