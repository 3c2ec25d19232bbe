"""Objects of one kind in one namespace, by calls to the API server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from services.executor.kubernetes_failure import ApiRefused
from services.executor.kubernetes_transport import ApiServer, Query

T = TypeVar("T")


class Objects:
    """One kind of objects. Every failure is a `SandboxLost`; an answer that is one is an `ApiRefused`.

    Args:
        server: The cluster's API server.
        path: Where they are.
        kind: What one is called in an error's text: "pod".
    """

    def __init__(self, server: ApiServer, path: str, kind: str) -> None:
        self._server = server
        self._path = path
        self._kind = kind

    async def create(self, manifest: Mapping[str, Any], parse: Callable[[dict[str, Any]], T]) -> T:
        """Makes an object. One of that name that is there already was made by an attempt whose answer was lost."""
        try:
            return await self.call(f"create a {self._kind}", "POST", parse, body=manifest)
        except ApiRefused as error:
            if error.reason != "AlreadyExists":
                raise
            return await self.call(f"read a {self._kind}", "GET", parse, manifest["metadata"]["name"])

    async def read(self, name: str, parse: Callable[[dict[str, Any]], T]) -> T | None:
        """Returns an object as it is; None if it does not exist."""
        try:
            return await self.call(f"read a {self._kind}", "GET", parse, name)
        except ApiRefused as error:
            if error.status != 404:
                raise
            return None

    async def delete(self, name: str, query: Query = ()) -> None:
        """Deletes an object, if there is one."""
        try:
            await self.call(f"delete a {self._kind}", "DELETE", lambda _: None, name, query=query)
        except ApiRefused as error:
            if error.status != 404:
                raise

    async def call(
        self,
        what: str,
        method: str,
        parse: Callable[[dict[str, Any]], T],
        name: str = "",
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
    ) -> T:
        """Calls the API server about all of them, or the one of a name; see `ApiServer.call`."""
        path = f"{self._path}/{name}" if name else self._path
        return await self._server.call(what, method, path, parse, query=query, body=body, content=content)
