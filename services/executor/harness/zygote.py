"""Makes sandboxes out of processes: a warm interpreter that forks supervisors into fresh namespaces.

Two programs in one. `launch` (on the host, argument "launch") enters namespaces of its own, makes the read-only
sandbox root its root, gives up root's rights and becomes the zygote. The zygote holds one socket to the executor and
serves requests, each one datagram of JSON:

    {"spawn": id} with descriptors: the supervisor's stream, then `cgroup.procs` files for its children
                                                             ->  {"spawned": id} or {"failed": id, "why": text}
    {"kill": id}                                             ->  {"ended": id, "status": wait status}

A supervisor that ends by itself is announced by the same "ended". Each one gets new user, pid, mount, ipc and uts
namespaces, and so does each child of it, once more; the network namespace is the zygote's own, which has no device,
and no socket can be had in it. With a supervisor the kernel ends its children, and with the zygote every supervisor:
each is process 1 of a pid namespace around them.
"""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any, NoReturn

from . import boot, lockdown, supervisor
from . import namespaces as ns
from .template import TemplateGone

CONTROL = 3
_DEVICES = ("null", "zero", "full", "random", "urandom")
_MAX_MESSAGE = 4096
_MAX_RIGHTS = 8
_MAX_DESCRIPTOR = 1 << 16
# What programs under repair import most, and what explains their exceptions: each import saved is milliseconds a fix.
_PRELOADED = (
    *("bisect", "collections.abc", "dataclasses", "functools", "heapq", "itertools", "math", "operator", "random"),
    *("re", "string", "traceback", "typing"),
)
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1", "LANG": "C.UTF-8"}


def main() -> None:
    """Runs one of the two programs: `zygote launch CONFIG` or `zygote serve CONFIG`."""
    config = json.loads(sys.argv[3])
    if sys.argv[2] == "launch":
        launch(config)
    serve(config)


def launch(config: dict[str, Any]) -> NoReturn:
    """Becomes the zygote. Writes why on stderr and exits with status 1 where the kernel refuses.

    Args:
        config: `root`, the sandbox's root filesystem; `python`, the interpreter in it; `uid` and `gid`, who to
            become where we are root; `tmp_bytes`, the size of each sandbox's /tmp.
    """
    try:
        os.closerange(CONTROL + 1, _MAX_DESCRIPTOR)
        lockdown.die_with_parent()
        uid, gid = os.geteuid(), os.getegid()
        ours = ns.NEW_NS | ns.NEW_PID | ns.NEW_NET | ns.NEW_IPC | ns.NEW_UTS
        ns.unshare(ours | (0 if uid == 0 else ns.NEW_USER))
        if uid != 0:
            ns.map_identity(uid, gid)
        pid = os.fork()
        if pid == 0:
            _become_zygote(config, is_root=uid == 0)
        os.close(CONTROL)
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    os._exit(1)


def _become_zygote(config: dict[str, Any], *, is_root: bool) -> NoReturn:
    try:
        _build_root(config["root"])
        if is_root:
            os.setgroups([])
            os.setresgid(config["gid"], config["gid"], config["gid"])
            os.setresuid(config["uid"], config["uid"], config["uid"])
        lockdown.die_with_parent()
        flags = ("-S", "-P", "-s", "-B")
        arguments = [config["python"], *flags, "/codearena/harness", "zygote", "serve"]
        arguments.append(json.dumps({"tmp_bytes": config["tmp_bytes"]}))  # no path of the host: /proc shows it
        os.execve(config["python"], arguments, _ENVIRONMENT)  # noqa: S606  no shell is wanted
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    os._exit(1)


def _build_root(root: str) -> None:
    """Makes the sandbox's root the root: read-only, with a few devices and the /proc of this pid namespace."""
    ns.make_private()
    ns.bind(root, root)
    ns.mount("tmpfs", f"{root}/dev", "tmpfs", ns.NOSUID | ns.NOEXEC, "size=64k,mode=755")
    for name in _DEVICES:
        os.close(os.open(f"{root}/dev/{name}", os.O_CREAT | os.O_WRONLY))
        ns.bind(f"/dev/{name}", f"{root}/dev/{name}", writable=True)
    ns.mount("", f"{root}/dev", "", ns.REMOUNT | ns.BIND | ns.RDONLY | ns.NOSUID | ns.NOEXEC)
    ns.mount("proc", f"{root}/proc", "proc", ns.NOSUID | ns.NODEV | ns.NOEXEC)
    ns.enter_root(root)


def serve(config: dict[str, Any]) -> NoReturn:
    """Forks supervisors until the executor closes the control socket."""
    for name in _PRELOADED:
        importlib.import_module(name)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    gc.collect()
    gc.freeze()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, CONTROL)
    _Zygote(control, config).run()
    os._exit(0)


class _Zygote:
    """The sandboxes that live, by the executor's ids."""

    def __init__(self, control: socket.socket, config: dict[str, Any]) -> None:
        self._control = control
        self._isolation = boot.Isolation(os.getuid(), os.getgid(), config["tmp_bytes"])
        self._pids: dict[int, int] = {}
        self._watched: dict[int, int] = {}
        self._poller = select.poll()
        self._poller.register(control.fileno(), select.POLLIN)

    def run(self) -> None:
        """Serves requests and announces sandboxes that end."""
        self._send({"ready": True})
        while True:
            for descriptor, _ in self._poller.poll():
                if descriptor != self._control.fileno():
                    self._ended(descriptor)
                elif not self._request():
                    return

    def _request(self) -> bool:
        data, ancillary, _, _ = self._control.recvmsg(_MAX_MESSAGE, socket.CMSG_SPACE(4 * _MAX_RIGHTS))
        if not data:
            return False
        message = json.loads(data)
        if "spawn" in message:
            stream, *cgroups = array.array("i", ancillary[0][2])
            self._spawn(message["spawn"], stream, cgroups)
        elif message["kill"] in self._pids:
            os.kill(self._pids[message["kill"]], signal.SIGKILL)
        return True

    def _spawn(self, identity: int, stream: int, cgroups: list[int]) -> None:
        try:
            pid = ns.fork_into(ns.SANDBOX)
            if pid == 0:
                _become_supervisor(stream, cgroups, [self._control.fileno(), *self._watched], self._isolation)
        except OSError as error:
            self._send({"failed": identity, "why": str(error)})
            return
        finally:
            for descriptor in (stream, *cgroups):
                os.close(descriptor)
        self._pids[identity] = pid
        watch = os.pidfd_open(pid)
        self._watched[watch] = identity
        self._poller.register(watch, select.POLLIN)
        self._send({"spawned": identity})

    def _ended(self, watch: int) -> None:
        identity = self._watched.pop(watch)
        self._poller.unregister(watch)
        os.close(watch)
        _, status = os.waitpid(self._pids.pop(identity), 0)
        self._send({"ended": identity, "status": status})

    def _send(self, message: dict[str, Any]) -> None:
        self._control.send(json.dumps(message).encode())


def _become_supervisor(stream: int, cgroups: list[int], private: list[int], isolation: boot.Isolation) -> NoReturn:
    """Process 1 of a new namespace, still with all rights inside its own user namespace."""
    status = 1
    try:
        for descriptor in private:
            os.close(descriptor)
        lockdown.show()
        boot.enter(isolation)
        os.dup2(stream, 0)
        os.dup2(stream, 1)
        os.close(stream)
        supervisor.main(isolation, cgroups)
        status = 0
    except (OSError, TemplateGone) as error:
        os.write(2, f"sandbox: {error}\n".encode())
    os._exit(status)
