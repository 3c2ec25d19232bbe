from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from services.executor.docker_stream import DockerStream


def piece(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(data)) + data


@pytest.fixture
async def ends():
    """The stream under test, and a writer that plays the engine."""
    ours, theirs = socket.socketpair()
    stream = DockerStream(*await asyncio.open_connection(sock=ours))
    engine_reader, engine = await asyncio.open_connection(sock=theirs)
    yield stream, engine, engine_reader
    stream.close()
    engine.close()


async def test_stdout_is_joined_and_stderr_kept_apart(ends):
    stream, engine, _ = ends
    engine.write(piece(1, b"ab") + piece(2, b"a warning\n") + piece(1, b"") + piece(1, b"cdef"))
    assert await stream.readexactly(3) == b"abc"
    assert await stream.readexactly(3) == b"def"
    assert stream.stderr_tail == "a warning"


async def test_a_piece_may_arrive_byte_by_byte(ends):
    stream, engine, _ = ends
    reading = asyncio.create_task(stream.readexactly(5))
    for byte in piece(1, b"hello"):
        engine.write(bytes([byte]))
        await engine.drain()
        await asyncio.sleep(0)
    assert await reading == b"hello"


async def test_only_the_end_of_stderr_is_kept(ends):
    stream, engine, _ = ends
    engine.write(piece(2, b"x" * 200_000 + b"the end") + piece(1, b"!"))
    await stream.readexactly(1)
    assert stream.stderr_tail.endswith("xthe end")
    assert len(stream.stderr_tail) == 2048


async def test_a_flood_waits_until_it_is_asked_for(ends):
    stream, engine, _ = ends
    flood = asyncio.create_task(_write_and_drain(engine, piece(1, b"x" * 8_000_000)))
    assert await stream.readexactly(1) == b"x"
    assert not flood.done()
    assert len(await stream.readexactly(7_999_999)) == 7_999_999
    await flood


async def test_the_end_is_an_incomplete_read(ends):
    stream, engine, _ = ends
    engine.write(piece(1, b"abc") + piece(1, b"de")[:-1])
    engine.close()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await stream.readexactly(10)
    assert caught.value.partial == b"abcd"


async def test_ended_does_not_wait_and_loses_nothing(ends):
    stream, engine, _ = ends
    assert not await stream.ended()
    engine.write(piece(2, b"words") + piece(1, b"abc"))
    await engine.drain()
    await asyncio.sleep(0.01)
    assert not await stream.ended()
    assert await stream.readexactly(3) == b"abc"
    engine.write(piece(2, b" of death"))
    engine.close()
    await engine.wait_closed()
    await asyncio.sleep(0.01)
    assert await stream.ended()
    assert stream.stderr_tail == "words of death"


async def test_an_unknown_format_is_the_engines_failure(ends):
    stream, engine, _ = ends
    engine.write(b"HTTP/1.1 500 Internal Server Error\r\n")
    with pytest.raises(ConnectionError, match="stream 72"):
        await stream.readexactly(1)


async def test_what_is_written_arrives_as_it_is(ends):
    stream, _, engine_reader = ends
    await stream.write(b"\x00\x00\x00\x01a")
    assert await engine_reader.readexactly(5) == b"\x00\x00\x00\x01a"


async def _write_and_drain(writer, data):
    writer.transport.set_write_buffer_limits(0)
    writer.write(data)
    await writer.drain()
