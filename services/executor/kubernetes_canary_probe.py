"""What runs in the network canary's pods, without any filter of system calls. Standard library only.

`listen PORT` takes connections; `reach TARGETS` tries them, a JSON object from probe to lists of [host, port], and
tells which it could try, and which answered. Either waits for a frame on stdin, answers with one frame of JSON on
stdout, and ends when stdin does.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading

PATIENCE_SECONDS = 1.0
# "." of type NS: what any name server answers.
_QUESTION = struct.pack(">6H", 0xCA7A, 0x0100, 1, 0, 0, 0) + b"\x00" + struct.pack(">2H", 2, 1)
_HEADER = struct.Struct(">I")


def listen(port: int) -> dict[str, bool]:
    """Takes connections from now on. Tells whether they arrive, by one of its own."""
    dual = socket.has_dualstack_ipv6()
    server = socket.create_server(
        ("::" if dual else "", port), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual
    )
    threading.Thread(target=_accept_forever, args=(server,), daemon=True).start()
    return {"listening": _answers("127.0.0.1", port) is True}


def reach(targets: dict[str, list[list[str | int]]]) -> dict[str, dict[str, list[str]]]:
    """Tries the targets, and what this pod knows besides: the API server and the name servers."""
    targets.setdefault("api_server", []).extend(_api_server())
    tried: dict[str, list[str]] = {"dns": _name_servers()}
    reached = {"dns": [server for server in tried["dns"] if _resolves(server) or _answers(server, 53)]}
    for probe, addresses in targets.items():
        answers = {f"{host}:{port}": _answers(str(host), int(port)) for host, port in addresses}
        tried[probe] = [address for address, answer in answers.items() if answer is not None]
        reached[probe] = [address for address, answer in answers.items() if answer]
    return {"tried": tried, "reached": reached}


def _accept_forever(server: socket.socket) -> None:
    while True:
        server.accept()[0].close()


def _api_server() -> list[list[str | int]]:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return [[host, int(port)]] if host else []


def _name_servers() -> list[str]:
    try:
        with open("/etc/resolv.conf", encoding="utf-8") as file:
            lines = [line.split() for line in file]
    except OSError:
        return []
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _answers(host: str, port: int) -> bool | None:
    """Whether somebody takes connections there; None for a name that nobody resolves, which tells nothing."""
    try:
        socket.create_connection((host, port), PATIENCE_SECONDS).close()
    except (socket.gaierror, UnicodeError):
        return None
    except OSError:
        return False
    return True


def _resolves(server: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_SECONDS)
            sock.sendto(_QUESTION, (server, 53))
            return sock.recv(512)[:2] == _QUESTION[:2]
    except OSError:
        return False


def main() -> None:
    """Does what the arguments say."""
    what, argument = sys.argv[1:3]
    found = listen(int(argument)) if what == "listen" else reach(json.loads(argument))
    sys.stdin.buffer.read(_HEADER.size)
    payload = json.dumps(found).encode()
    sys.stdout.buffer.write(_HEADER.pack(len(payload)) + payload)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
