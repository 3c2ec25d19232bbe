"""A stand-in harness for tests of the container itself: each frame is Python that sets `reply`, and is run by
process 1, so that what it can do is what the container lets it, without the real harness's own restrictions. Tests put
`greeting.py` beside it.
"""

import os
import traceback

from greeting import READY


def receive(size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := os.read(0, size - len(data))):
        data += chunk
    return data


def send(payload: bytes) -> None:
    left = memoryview(len(payload).to_bytes(4, "big") + payload)
    while left:
        left = left[os.write(1, left) :]


send(READY)
while header := receive(4):
    scope: dict[str, object] = {"reply": ""}
    try:
        exec(receive(int.from_bytes(header, "big")), scope)
    except Exception:  # noqa: BLE001 - whatever the test does is its answer
        scope["reply"] = traceback.format_exc()
    send(str(scope["reply"]).encode())
