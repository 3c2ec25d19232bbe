"""Jobs to a harness, and replies of one that may have been taken over."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import pytest

from services.executor import jobs
from services.executor.jobs import Call
from services.executor.limits import Limits
from services.executor.sandbox import HarnessDied

ANSWER: dict[str, Any] = {
    "state": "value",
    "payload": "4",
    "number": 0,
    "cpu": 5,
    "mark": 0,
    "wall": 6,
    "memory": 7,
}
REPLY: dict[str, Any] = {
    "load": ANSWER | {"state": "loaded", "payload": ""},
    "cases": [ANSWER],
    "stdout": "",
    "stderr": "",
    "usage": {"cpu": 1, "memory": 2, "wall": 3},
    "violations": {
        "early_exit": False,
        "tampered": 0,
        "refused": ["socket"],
        "refused_count": 1,
        "survivors": 0,
        "flood": False,
    },
    "filter": "notify",
}


def frames(job: bytes) -> list[Any]:
    found = []
    while job:
        (length,) = struct.unpack_from(">I", job)
        found.append(json.loads(job[4 : 4 + length]))
        job = job[4 + length :]
    return found


def changed(path: str, value: object) -> bytes:
    """A reply with one field set, added, or (for `...`) removed."""
    reply = json.loads(json.dumps(REPLY))
    *parents, last = path.split(".")
    place = reply
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(reply).encode()


def test_a_reply_is_read() -> None:
    reply = jobs.parse_reply(json.dumps(REPLY).encode(), 1)

    assert reply.load.state == "loaded"
    assert [(answer.state, answer.payload, answer.cpu) for answer in reply.cases] == [("value", "4", 5)]
    assert reply.violations.refused == ["socket"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1e999",
        json.dumps(REPLY).encode()[:-1],
        json.dumps(REPLY).encode() + b"x",
        changed("load", None),
        changed("load", ...),
        changed("load.state", "passed"),
        changed("load.state", 1),
        changed("cases", {}),
        changed("cases.0.state", "PASSED"),
        changed("cases.0.payload", 4),
        changed("cases.0.payload", None),
        changed("cases.0.cpu", -1),
        changed("cases.0.cpu", 1 << 62),
        changed("cases.0.cpu", 1.5),
        changed("cases.0.cpu", "5"),
        changed("cases.0.cpu", True),
        changed("cases.0.memory", ...),
        changed("cases.0.expected", "4"),
        changed("stdout", []),
        changed("usage.cpu", -1),
        changed("usage.wall", 10**30),
        changed("violations.refused", "socket"),
        changed("violations.refused", [1]),
        changed("violations.early_exit", "no"),
        changed("violations.tampered", -5),
        changed("filter", "always"),
        changed("passed", True),
    ],
)
def test_nonsense_is_the_submissions_failure(data: bytes) -> None:
    with pytest.raises(HarnessDied, match="nonsense"):
        jobs.parse_reply(data, 1)


def test_more_answers_than_questions_are_refused() -> None:
    data = json.dumps(REPLY | {"cases": [ANSWER] * 3}).encode()

    with pytest.raises(HarnessDied, match="not given"):
        jobs.parse_reply(data, 2)
    assert len(jobs.parse_reply(data, 4).cases) == 3


def _random_json(rng: random.Random, depth: int) -> object:
    kind = rng.randrange(9 if depth else 7)
    if kind < 7:
        return [None, True, rng.randint(-5, 5), rng.random(), "value", rng.getrandbits(80), "\ud800"][kind]
    names = [*REPLY, *ANSWER, "x"]
    if kind == 7:
        return [_random_json(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return {rng.choice(names): _random_json(rng, depth - 1) for _ in range(rng.randint(0, 5))}


def _paths(value: object, prefix: str = "") -> list[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for name, child in items:
        found += [f"{prefix}{name}", *_paths(child, f"{prefix}{name}.")] if isinstance(name, str) else []
        found += _paths(child, f"{prefix}{name}.") if isinstance(name, int) else []
    return found


def test_random_replies_are_read_or_refused_and_nothing_else() -> None:
    rng = random.Random(20240229)
    paths, refused = _paths(REPLY), 0
    for _ in range(3000):
        value = _random_json(rng, 3)
        data = changed(rng.choice(paths), value) if rng.random() < 0.8 else json.dumps(value).encode()
        try:
            reply = jobs.parse_reply(data, 1)
        except HarnessDied:
            refused += 1
        else:
            assert len(reply.cases) <= 1
    assert 1000 < refused < 3000


def test_random_bytes_are_refused() -> None:
    rng = random.Random(20240229)
    good = json.dumps(REPLY).encode()
    for _ in range(500):
        broken = bytearray(good)
        del broken[rng.randrange(len(good) - 1) :]
        with pytest.raises(HarnessDied):
            jobs.parse_reply(bytes(broken), 1)
        with pytest.raises(HarnessDied):
            jobs.parse_reply(rng.randbytes(50), 1)


def test_a_job_holds_what_to_do_and_never_what_is_expected() -> None:
    limits = Limits(cpu_seconds=0.5, wall_seconds=1.5)
    calls = [Call("a = 1", "f(a)"), Call("", "f(n)", {"n": 9}, graph="{}", whole=True)]

    first, second = frames(jobs.program("x = 1", limits) + jobs.batch(calls, limits, visible=1, stop_seconds=0.25))

    assert (first["mode"], first["code"], first["trusted"]) == ("cases", "x = 1", False)
    assert first["rlimits"]["AS"] == limits.memory_bytes
    assert (second["cpu"], second["wall"], second["stop_cpu"]) == (500_000_000, 1_500_000_000, 250_000_000)
    assert second["visible"] == 1
    assert second["cases"] == [
        {"number": 0, "setup": "a = 1", "call": "f(a)", "names": {}, "graph": "", "whole": False},
        {"number": 1, "setup": "", "call": "f(n)", "names": {"n": 9}, "graph": "{}", "whole": True},
    ]


def test_a_script_is_one_program_and_no_cases() -> None:
    first, second = frames(jobs.script("print()", "text", Limits()))

    assert (first["mode"], first["stdin"]) == ("script", "text")
    assert second["cases"] == []
