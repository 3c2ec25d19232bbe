"""The calls to an engine that an executor needs, put into words anew: no request is passed on as it came.

Source: Docker Engine API, versions 1.40 to 1.5x.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from docker import APIClient

from services.executor.docker_container import container_config
from services.executor.docker_options import DockerOptions
from services.executor.docker_owner import this_process
from services.executor.labels import NAME_PREFIX, ROLE, ROLE_LABEL

_SANDBOX = rf"{re.escape(NAME_PREFIX)}[0-9a-f]{{32}}"
_VERSION = re.compile(r"(/v(1\.[45]\d))?(/.*)")
_DEFAULT_VERSION = "1.40"
_LABEL_CHARACTERS = 128


class Refused(Exception):
    """A call that no sandbox takes; the message says what of it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the engine.

    Attributes:
        method: HTTP method.
        target: Path and query.
        body: JSON, or nothing.
        streams: Whether the connection becomes a container's streams.
    """

    method: str
    target: str
    body: bytes = b""
    streams: bool = False


class Calls:
    """Turns requests into calls.

    Args:
        image: The only image that containers are made of.
        options: Their limits and runtime: those of the executor.
    """

    def __init__(self, image: str, options: DockerOptions) -> None:
        self._image = image
        self._options = options
        one = rf"/containers/(?P<name>{_SANDBOX})"
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[[_Request], Call]], ...] = (
            ("GET", re.compile("/_ping|/version|/info"), lambda r: r.call(r.path)),
            # As the client library writes a name into a path: "/" and ":" as they are, a digest's "@" as "%40".
            ("GET", re.compile(f"/images/{re.escape(quote(image, safe='/:'))}/json"), lambda r: r.call(r.path)),
            ("GET", re.compile("/containers/json"), _list),
            ("POST", re.compile("/containers/create"), self._create),
            ("POST", re.compile(f"{one}/attach"), _attach),
            ("POST", re.compile(f"{one}/(start|wait)"), lambda r: r.call(r.path)),
            ("GET", re.compile(f"{one}/json"), lambda r: r.call(r.path)),
            ("DELETE", re.compile(one), lambda r: r.call(r.path, v="1", force="1")),
        )

    def allow(self, method: str, target: str, body: bytes) -> Call:
        """Returns the call that a request asks for.

        Raises:
            Refused: It is none that a sandbox takes.
        """
        parts = urlsplit(target)
        versioned = _VERSION.fullmatch(parts.path)
        if versioned is not None:
            prefix, version, path = versioned.groups()
            for allowed, pattern, make in self._routes:
                if method == allowed and pattern.fullmatch(path):
                    return make(_Request(method, prefix or "", version or _DEFAULT_VERSION, path, parts.query, body))
        raise Refused(f"{method} {parts.path[:200]!r} is no call that a sandbox takes")

    def _create(self, request: _Request) -> Call:
        name = parse_qs(request.query).get("name", [""])[-1]
        if not re.fullmatch(_SANDBOX, name):
            raise Refused(f"a sandbox is named {NAME_PREFIX} and 32 hexadecimal digits")
        asked = request.json()
        client = APIClient(version=request.version)
        config = container_config(client, self._image, _labels(asked.get("Labels")), self._options, seccomp=True)
        if differing := _differing(asked, config):
            raise Refused(
                f"no sandbox is made with this {', '.join(differing)}; executor and proxy take the same image, runtime "
                "and version"
            )
        return request.call(request.path, json.dumps(config).encode(), name=name)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    prefix: str
    version: str
    path: str
    query: str
    body: bytes

    def call(self, path: str, body: bytes = b"", *, streams: bool = False, **query: str) -> Call:
        target = f"{self.prefix}{path}" + (f"?{urlencode(query)}" if query else "")
        return Call(self.method, target, body, streams)

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Refused("the body is no JSON") from error
        if not isinstance(value, dict):
            raise Refused("the body is no JSON object")
        return value


def _list(request: _Request) -> Call:
    return request.call(request.path, all="1", filters=json.dumps({"label": [f"{ROLE_LABEL}={ROLE}"]}))


def _attach(request: _Request) -> Call:
    return request.call(request.path, streams=True, stream="1", stdin="1", stdout="1", stderr="1")


def _labels(value: object) -> dict[str, str]:
    """Returns an owner's labels, the only part of a container that an executor chooses."""
    names = this_process().labels().keys()
    if not isinstance(value, Mapping) or value.keys() != names or value[ROLE_LABEL] != ROLE:
        raise Refused(f"a sandbox has the labels {', '.join(sorted(names))}, with {ROLE_LABEL}={ROLE}")
    if not all(isinstance(text, str) and len(text) <= _LABEL_CHARACTERS for text in value.values()):
        raise Refused(f"a label is a text of at most {_LABEL_CHARACTERS} characters")
    return dict(value)


def _differing(asked: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Names the fields of two bodies that are not the same; those of HostConfig one by one."""
    differing = sorted(key for key in asked.keys() | made.keys() if asked.get(key) != made.get(key))
    host = asked.get("HostConfig")
    if "HostConfig" not in differing or not isinstance(host, Mapping):
        return differing
    differing.remove("HostConfig")
    return differing + [f"HostConfig.{key}" for key in _differing(host, made["HostConfig"])]
