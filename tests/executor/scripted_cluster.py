"""A cluster whose API server speaks the real protocol (JSON, watch, attach over WebSocket) and does what a test says.

Behind it there are no nodes: a pod runs as soon as it is made, unless `fates` says otherwise, and the program in it
greets like the harness and answers each frame with what `answer` returns. Claims get a pod of `pool_spec` if they name
the pool, as from agent-sandbox's controller.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.protocol import READY, frame
from tests.executor.tcp_proxy import TcpProxy

NAMESPACE = "codearena-sandboxes"
POOL = "the-pool"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_CLAIMS = f"/apis/extensions.agents.x-k8s.io/v1beta1/namespaces/{NAMESPACE}/sandboxclaims"
_ALWAYS = 1 << 62
RUNNING = {
    "phase": "Running",
    "podIP": "10.1.2.3",
    "containerStatuses": [{"name": "sandbox", "imageID": "docker://sha256:one", "state": {"running": {}}}],
}
Json = dict[str, Any]


def ended(end: str, exit_code: int, **status: Any) -> Json:
    """The status of a pod whose container has ended."""
    state = {"terminated": {"reason": end, "exitCode": exit_code}}
    return {"phase": "Failed", "containerStatuses": [{"name": "sandbox", "state": state}]} | status


def waiting(reason: str, message: str = "") -> Json:
    """The status of a pod whose container does not start."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "sandbox", "state": state}]}


@dataclass
class Fault:
    """An answer in the place of the right one.

    Attributes:
        call: Matches "METHOD path?query".
        status: HTTP status.
        reason: Kubernetes's word for it.
        message: For people.
        left: How many calls it still meets.
        done: Whether the call is carried out nevertheless, and only its answer is lost.
        headers: Of the answer.
        text: A whole answer, in the place of what the others say.
    """

    call: re.Pattern[str]
    status: int
    reason: str
    message: str
    left: int
    done: bool
    headers: Mapping[str, str]
    text: str = ""


class ScriptedCluster:
    """See the module.

    Attributes:
        pods: By name, as the API sends them.
        claims: The same, claims on the warm pool.
        pool_spec: What the pods of the warm pool are made of; None as long as the pool has none.
        calls: "METHOD path" of every call, in order.
        proxy: The way to it, which can be cut.
        kubeconfig: The file of a client's credentials.
        fates: The status of the next pods, in order; `RUNNING` where there is none.
        greeting: What the program in a pod says to the first frame.
        answer: What it says to each further one; None: it says nothing.
        silent: Whether watches tell nothing.
        oldest: Watches from an earlier version are told 410.
    """

    def __init__(self) -> None:
        self.pods: dict[str, Json] = {}
        self.claims: dict[str, Json] = {}
        self.pool_spec: Json | None = None
        self.calls: list[str] = []
        self.fates: list[Json] = []
        self.greeting: Callable[[Json], bytes] = lambda pod: READY
        self.answer: Callable[[str, bytes], bytes | None] = lambda _, payload: payload
        self.silent = False
        self.oldest = 0
        self._faults: list[Fault] = []
        self._version = 1000
        self._history: list[tuple[int, str, Json]] = []
        self._news = asyncio.Condition()
        self._attached: dict[str, web.WebSocketResponse] = {}

    def fail(
        self, call: str, status: int, reason: str = "", message: str = "", times: int = _ALWAYS, *, done: bool = False,
        **headers: str,
    ) -> None:  # fmt: skip
        """Answers the next calls that match with an error."""
        self._faults.append(Fault(re.compile(call), status, reason, message, times, done, headers))

    def garble(self, call: str, text: str, times: int) -> None:
        """Answers the next calls that match with a text."""
        self._faults.append(Fault(re.compile(call), 200, "", "", times, done=False, headers={}, text=text))

    def mend(self) -> None:
        """Answers everything again."""
        self._faults.clear()

    def count(self, call: str) -> int:
        """How many calls matched so far."""
        return sum(bool(re.search(call, made)) for made in self.calls)

    async def add(self, name: str, labels: Mapping[str, str], created: datetime, status: Json) -> None:
        """Puts a pod there that somebody else made."""
        metadata = {"name": name, "labels": dict(labels), "uid": name, "creationTimestamp": _stamp(created)}
        self.pods[name] = {"metadata": metadata, "status": status}
        await self._tell("ADDED", self.pods[name])

    async def set_status(self, name: str, status: Json) -> None:
        """Lets something become of a pod."""
        self.pods[name]["status"] = self.pods[name].get("status", {}) | status
        await self._tell("MODIFIED", self.pods[name])

    async def set_labels(self, name: str, labels: Mapping[str, str]) -> None:
        """Lets somebody else label a pod."""
        self.pods[name]["metadata"]["labels"] |= labels
        await self._tell("MODIFIED", self.pods[name])

    async def remove(self, name: str) -> None:
        """Deletes a pod, and what runs in it."""
        pod = self.pods.pop(name, None)
        await self.hang_up(name)
        if pod is not None:
            await self._tell("DELETED", pod)

    async def hang_up(self, name: str) -> None:
        """Ends the streams of a pod."""
        socket = self._attached.pop(name, None)
        if socket is not None:
            await socket.close()

    @contextlib.asynccontextmanager
    async def running(self, folder: Path) -> AsyncIterator[None]:
        """Serves while the block runs."""
        application = web.Application(middlewares=[self._middleware])
        application.router.add_get(_PODS, self._list)
        application.router.add_post(_PODS, self._create)
        application.router.add_get(f"{_PODS}/{{name}}", self._read)
        application.router.add_patch(f"{_PODS}/{{name}}", self._patch)
        application.router.add_delete(f"{_PODS}/{{name}}", self._delete)
        application.router.add_get(f"{_PODS}/{{name}}/attach", self._attach)
        application.router.add_get(_CLAIMS, self._list_claims)
        application.router.add_post(_CLAIMS, self._claim)
        application.router.add_get(f"{_CLAIMS}/{{name}}", self._read_claim)
        application.router.add_delete(f"{_CLAIMS}/{{name}}", self._unclaim)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.proxy = TcpProxy("127.0.0.1", runner.addresses[0][1])
        await self.proxy.up()
        try:
            self.kubeconfig = write_kubeconfig(folder / "kubeconfig", f"http://127.0.0.1:{self.proxy.port}")
            yield
        finally:
            await self.proxy.down()
            await runner.cleanup()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        line = f"{request.method} {request.path_qs}"
        self.calls.append(line)
        fault = next((fault for fault in self._faults if fault.left > 0 and fault.call.search(line)), None)
        if fault is None:
            return await handler(request)
        fault.left -= 1
        if fault.done:
            await handler(request)
        if fault.text:
            return web.Response(text=fault.text, content_type="application/json")
        return _failure(fault.status, fault.reason, fault.message, fault.headers)

    async def _create(self, request: web.Request) -> web.Response:
        pod = await request.json()
        name = pod["metadata"]["name"]
        if name in self.pods:
            return _failure(409, "AlreadyExists", f'pods "{name}" already exists')
        pod["metadata"] |= {"uid": f"uid-{self._version}", "creationTimestamp": _stamp(datetime.now(UTC))}
        pod["status"] = {"phase": "Pending"}
        self.pods[name] = pod
        await self._tell("ADDED", pod)
        made = json.dumps(pod)
        await self.set_status(name, self.fates.pop(0) if self.fates else RUNNING)
        return web.Response(text=made, status=201, content_type="application/json")

    async def _claim(self, request: web.Request) -> web.Response:
        claim = await request.json()
        name, spec = claim["metadata"]["name"], claim["spec"]
        if name in self.claims:
            return _failure(409, "AlreadyExists", f'sandboxclaims "{name}" already exists')
        claim["metadata"]["creationTimestamp"] = _stamp(datetime.now(UTC))
        self.claims[name] = claim
        made = json.dumps(claim)
        if spec["warmPoolRef"]["name"] != POOL:
            self.tell_claim(name, "WarmPoolNotFound", f'SandboxWarmPool "{spec["warmPoolRef"]["name"]}" not found')
        elif self.pool_spec is not None:
            pod = f"{POOL}-{len(self.calls)}"
            await self.add(pod, spec["additionalPodMetadata"]["labels"], datetime.now(UTC), RUNNING)
            self.pods[pod]["spec"] = self.pool_spec
            claim["status"] = {"sandbox": {"name": pod}, "conditions": [{"type": "Ready", "status": "True"}]}
        return web.Response(text=made, status=201, content_type="application/json")

    def tell_claim(self, name: str, reason: str, message: str) -> None:
        """Says why a claim gets nothing."""
        condition = {"type": "Ready", "status": "False", "reason": reason, "message": message}
        self.claims[name]["status"] = {"conditions": [condition]}

    async def _list_claims(self, request: web.Request) -> web.Response:
        items = [claim for claim in self.claims.values() if _fits(claim, request.query["labelSelector"])]
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    async def _read_claim(self, request: web.Request) -> web.Response:
        claim = self.claims.get(request.match_info["name"])
        return _not_found() if claim is None else web.json_response(claim)

    async def _unclaim(self, request: web.Request) -> web.Response:
        claim = self.claims.pop(request.match_info["name"], None)
        if claim is None:
            return _not_found()
        await self.remove(claim.get("status", {}).get("sandbox", {}).get("name", ""))
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _read(self, request: web.Request) -> web.Response:
        pod = self.pods.get(request.match_info["name"])
        return _not_found() if pod is None else web.json_response(pod)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            return await self._watch(request)
        items = [pod for pod in self.pods.values() if _fits(pod, request.query["labelSelector"])]
        return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        seen = int(request.query["resourceVersion"])
        if seen < self.oldest:
            status = {
                "kind": "Status",
                "code": 410,
                "reason": "Expired",
                "message": f"too old resource version: {seen}",
            }
            await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
            return response
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(float(request.query["timeoutSeconds"])):
                while True:
                    async with self._news:
                        await self._news.wait_for(lambda after=seen: self._version > after and not self.silent)
                    for version, kind, pod in [event for event in self._history if event[0] > seen]:
                        seen = version
                        if _fits(pod, request.query["labelSelector"]):
                            await response.write(json.dumps({"type": kind, "object": pod}).encode() + b"\n")
        return response

    async def _patch(self, request: web.Request) -> web.Response:
        pod = self.pods.get(request.match_info["name"])
        if pod is None:
            return _not_found()
        patch = json.loads(await request.read())
        assert request.content_type == "application/merge-patch+json"
        if patch["metadata"]["resourceVersion"] != pod["metadata"]["resourceVersion"]:
            return _failure(409, "Conflict", "the object has been modified")
        pod["metadata"]["labels"] |= patch["metadata"]["labels"]
        await self._tell("MODIFIED", pod)
        return web.json_response(pod)

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.pods:
            return _not_found()
        await self.remove(name)
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), autoping=True)
        await socket.prepare(request)
        self._attached[name] = socket
        received, greeted = b"", False
        async for message in socket:
            if message.type is not WSMsgType.BINARY or message.data[:1] != b"\0":
                break
            received += message.data[1:]
            while len(received) >= 4 and len(received) >= 4 + int.from_bytes(received[:4], "big"):
                length = int.from_bytes(received[:4], "big")
                payload, received = received[4 : 4 + length], received[4 + length :]
                reply = self.answer(name, payload) if greeted else self.greeting(self.pods[name])
                greeted = True
                if reply is not None:
                    await socket.send_bytes(b"\2a word on stderr\n")
                    await socket.send_bytes(b"\1" + frame(reply))
        return socket

    async def _tell(self, kind: str, pod: Json) -> None:
        self._version += 1
        pod["metadata"]["resourceVersion"] = str(self._version)
        self._history.append((self._version, kind, json.loads(json.dumps(pod))))
        async with self._news:
            self._news.notify_all()


def settings_for(cluster: ScriptedCluster, **changes: Any) -> KubernetesSettings:
    """What an executor is told of a cluster."""
    defaults: dict[str, Any] = {
        "kubernetes_kubeconfig": cluster.kubeconfig,
        "kubernetes_image": "codearena-sandbox:test",
        "kubernetes_timeout_seconds": 5,
        "kubernetes_boot_seconds": 10,
    }
    return KubernetesSettings(**(defaults | changes))


def write_kubeconfig(path: Path, server: str, user: Json | None = None, cluster: Json | None = None) -> Path:
    """Writes a file of credentials."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": server} | (cluster or {})}],
        "users": [{"name": "me", "user": user or {"token": "no secret"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "current-context": "it",
    }
    path.write_text(json.dumps(config))
    return path


def _fits(pod: Json, selector: str) -> bool:
    wanted = dict(part.split("=") for part in selector.split(","))
    return wanted.items() <= pod["metadata"]["labels"].items()


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _not_found() -> web.Response:
    return _failure(404, "NotFound", "pods not found")


def _failure(status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": message}
    return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in (headers or {}).items()})
