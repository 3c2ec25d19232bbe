"""Container states and engine messages as they were captured from Docker Engine 20.10, each with its story."""

from __future__ import annotations

import json

import pytest

from services.executor.docker_failure import classify_end, explain, parse_end
from services.executor.sandbox import HarnessDied, SandboxLost


def state(text: str) -> object:
    return parse_end({"State": json.loads(text)})


# The harness itself allocated 200 MiB in a container of 64 MiB.
HARNESS_OUT_OF_MEMORY = state(
    '{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":true,"Dead":false,"Pid":0,'
    '"ExitCode":137,"Error":"","StartedAt":"2026-11-22T17:47:31.275205066Z","FinishedAt":"2026-11-22T17:47:31.346081637Z"}'
)
# Its child was killed for memory first; then the harness ended by itself with status 4.
CHILD_OUT_OF_MEMORY_THEN_EXIT = state(
    '{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":true,"Dead":false,"Pid":0,'
    '"ExitCode":4,"Error":"","StartedAt":"2026-11-22T17:47:31.839996462Z","FinishedAt":"2026-11-22T17:47:31.916326346Z"}'
)
# os._exit(3) in the harness.
EXIT_3 = state(
    '{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,'
    '"ExitCode":3,"Error":"","StartedAt":"2026-11-22T17:47:32.096721709Z","FinishedAt":"2026-11-22T17:47:32.122706011Z"}'
)
# A null pointer read through ctypes: SIGSEGV.
SEGMENTATION_FAULT = state(
    '{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,'
    '"ExitCode":139,"Error":"","StartedAt":"2026-11-22T17:47:32.481734779Z","FinishedAt":"2026-11-22T17:47:32.511132604Z"}'
)
# A system call of another architecture, upon which the seccomp filter kills: SIGSYS.
BAD_SYSTEM_CALL = state(
    '{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,'
    '"ExitCode":159,"Error":"","StartedAt":"2026-11-22T17:47:38.937654904Z","FinishedAt":"2026-11-22T17:47:38.970522451Z"}'
)
# `docker kill` by somebody else while the harness slept.
KILLED_FROM_OUTSIDE = state(
    '{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,'
    '"ExitCode":137,"Error":"","StartedAt":"2026-11-22T17:47:34.077974543Z","FinishedAt":"2026-11-22T17:47:34.622487416Z"}'
)
# `docker stop` of a harness with a handler for SIGTERM.
STOPPED_FROM_OUTSIDE = state(
    '{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,'
    '"ExitCode":143,"Error":"","StartedAt":"2026-11-22T17:47:37.915348913Z","FinishedAt":"2026-11-22T17:47:38.472015701Z"}'
)
# The connection to the engine was cut; the harness runs on.
STILL_RUNNING = state(
    '{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":28475,'
    '"ExitCode":0,"Error":"","StartedAt":"2026-11-22T17:47:31.591739182Z","FinishedAt":"0001-01-01T00:00:00Z"}'
)
# The connection to the engine was lost while the engine was well; the harness ended when its case had.
STDIN_ENDED = state(
    '{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,'
    '"ExitCode":0,"Error":"","StartedAt":"2026-11-24T20:30:52.110236119Z","FinishedAt":"2026-11-24T20:30:53.202775415Z"}'
)
# A command that the image does not have.
NEVER_STARTED = state(
    '{"Status":"created","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,'
    '"ExitCode":127,"Error":"failed to create shim task: OCI runtime create failed: runc create failed: unable to '
    'start container process: exec: \\"/nothing\\": stat /nothing: no such file or directory: unknown",'
    '"StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"}'
)


@pytest.mark.parametrize("end", [HARNESS_OUT_OF_MEMORY, CHILD_OUT_OF_MEMORY_THEN_EXIT])
def test_memory_is_the_submissions_failure(end):
    error = classify_end(end, "")
    assert isinstance(error, HarnessDied)
    assert error.out_of_memory


@pytest.mark.parametrize(("end", "code"), [(EXIT_3, "3"), (SEGMENTATION_FAULT, "139"), (BAD_SYSTEM_CALL, "159")])
def test_an_end_of_its_own_is_the_submissions_failure(end, code):
    error = classify_end(end, "Fatal Python error")
    assert isinstance(error, HarnessDied)
    assert not error.out_of_memory
    assert f"exit code {code} " in str(error)
    assert "Fatal Python error" in str(error)


@pytest.mark.parametrize("end", [KILLED_FROM_OUTSIDE, STOPPED_FROM_OUTSIDE, STILL_RUNNING, STDIN_ENDED, NEVER_STARTED])
def test_what_comes_from_outside_is_ours(end):
    assert isinstance(classify_end(end, ""), SandboxLost)


def test_a_container_without_state_is_refused():
    with pytest.raises(ValueError, match="without a state"):
        parse_end({"Id": "abc"})


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        # There is no socket.
        (
            "Error while fetching server API version: ('Connection aborted.', "
            "FileNotFoundError(2, 'No such file or directory'))",
            "start the engine",
        ),
        # Nothing listens on the port.
        (
            "Error while fetching server API version: HTTPConnectionPool(host='127.0.0.1', port=9): Max retries "
            "exceeded with url: /version (Caused by NewConnectionError(\"HTTPConnection(host='127.0.0.1', port=9): "
            'Failed to establish a new connection: [Errno 111] Connection refused"))',
            "start the engine",
        ),
        # The user is not in the group docker.
        (
            "Error while fetching server API version: ('Connection aborted.', "
            "PermissionError(13, 'Permission denied'))",
            "group docker",
        ),
        # The engine accepts and says nothing.
        (
            "Error while fetching server API version: UnixHTTPConnectionPool(host='localhost', port=None): "
            "Read timed out. (read timeout=1)",
            "overloaded or hangs",
        ),
        ("No such image: codearena-sandbox:nothing", "make images"),
        ("No such container: codearena-sandbox-gone", "somebody else removed"),
        ("Unknown runtime specified runsc", "runtime setting"),
        (
            "failed to create shim task: OCI runtime create failed: runc create failed: string SCMP_ACT_NONSENSE is "
            "not a valid action for seccomp: unknown",
            "seccomp profile",
        ),
        ("Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", "no more CPUs"),
        ("something that nobody has seen yet", "engine's log"),
    ],
)
def test_a_message_says_what_to_do(said, advice):
    message = explain("start a container", OSError(said), "unix:///run/docker.sock")
    assert message.startswith("cannot start a container on the engine at unix:///run/docker.sock: ")
    assert advice in message


def test_a_timeout_says_so():
    assert "no answer in time" in explain("list containers", TimeoutError(), "unix:///run/docker.sock")
