"""Asks a server on this machine for its health: `python -m services.common.probe PORT`, exit status 0 if it serves.

gRPC's health protocol over as much of HTTP/2 (RFC 9113, RFC 7541) as one call without a body takes. A health check runs
every few seconds in every container, and a whole gRPC client would cost ten times the CPU time. Plaintext only.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import BinaryIO

_SECONDS = 8.0
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_STREAM = 1
_NO_MESSAGE = b"\0\0\0\0\0"
_SERVING = b"\0\0\0\0\x02\x08\x01"  # a message of two bytes: field 1 is 1


def serves(port: int) -> bool:
    """Returns whether the server on a port of 127.0.0.1 reports SERVING for the whole of it.

    Raises:
        OSError: Nobody listens there, or no answer comes in time.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, b"")
            + _frame(_HEADERS, _END_HEADERS, _STREAM, _request_headers())
            + _frame(_DATA, _END_STREAM, _STREAM, _NO_MESSAGE)
        )
        with connection.makefile("rb") as answer:
            return _message(answer) == _SERVING


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _request_headers() -> bytes:
    """Each field is an entry of HPACK's static table, or a literal that no table is to keep."""
    post, http = b"\x83", b"\x86"
    return (
        post
        + http
        + b"\x04" + _text("/grpc.health.v1.Health/Check")  # :path
        + b"\x01" + _text("localhost")  # :authority
        + b"\x0f\x10" + _text("application/grpc")  # content-type
        + b"\x00" + _text("te") + _text("trailers")
    )  # fmt: skip


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def _message(answer: BinaryIO) -> bytes:
    """Returns what the answer says, b"" if it ends without saying anything."""
    message = b""
    while len(head := answer.read(9)) == 9:
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = answer.read(length)
        if stream == _STREAM and kind == _DATA:
            message += payload
        if message == _SERVING or (stream == _STREAM and flags & _END_STREAM and kind in (_DATA, _HEADERS)):
            break
    return message


def main() -> None:
    """Says what it found, and exits."""
    try:
        serving = serves(int(sys.argv[1]))
    except OSError as error:
        sys.exit(f"no answer: {error}")
    sys.exit(0 if serving else "not serving")


if __name__ == "__main__":
    main()
