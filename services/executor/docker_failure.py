"""What an engine says when it loses, starves or refuses a container, turned into what we say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.executor.sandbox import HarnessDied, SandboxLost

_SIGKILL, _SIGTERM = 137, 143
_FINISHED = ("exited", "dead", "removing")


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """The part of a container's state that tells how it ended.

    Attributes:
        status: "created", "running", "paused", "restarting", "removing", "exited" or "dead".
        exit_code: Of its first process; 128 + the signal if one ended it.
        oom_killed: Whether the kernel killed something in it at the memory limit. On cgroup v1 also set
            if that was another process than the first one.
        error: Why the engine could not run it; usually empty.
    """

    status: str
    exit_code: int
    oom_killed: bool
    error: str

    @property
    def killed(self) -> bool:
        """Whether a signal ended it that no submission can send to its sandbox's first process."""
        return self.exit_code in (_SIGKILL, _SIGTERM)


def parse_end(inspected: Mapping[str, Any]) -> ContainerEnd:
    """Reads the answer of `GET /containers/{id}/json`.

    Raises:
        ValueError: It has no state.
    """
    state = inspected.get("State")
    if not isinstance(state, Mapping):
        raise ValueError("the engine described a container without a state")
    return ContainerEnd(
        status=str(state.get("Status", "")),
        exit_code=int(state.get("ExitCode", 0)),
        oom_killed=bool(state.get("OOMKilled", False)),
        error=str(state.get("Error") or ""),
    )


def classify_end(end: ContainerEnd, stderr_tail: str) -> HarnessDied | SandboxLost:
    """Says who is to blame for a harness that had a job and whose streams ended without an answer.

    Args:
        end: The container's state afterwards.
        stderr_tail: The last words of the harness.

    Returns:
        The exception to raise: the submission's failure, or ours.
    """
    said = f"; it said: {stderr_tail[-500:]}" if stderr_tail else ""
    if end.status not in _FINISHED:
        return SandboxLost(f"the engine dropped the streams of a container that is {end.status or 'gone'}")
    if end.oom_killed:
        return HarnessDied("the sandbox ran out of memory", out_of_memory=True)
    if end.killed:
        return SandboxLost(f"somebody outside killed the sandbox (exit code {end.exit_code})")
    if end.error:
        return SandboxLost(f"the engine could not run the sandbox: {end.error}")
    if end.exit_code == 0:  # the harness's way to end when its stdin does, which no submission can reach
        return SandboxLost("the connection to the sandbox was lost, and the harness ended with it")
    return HarnessDied(f"the harness ended with exit code {end.exit_code} and no answer{said}")


# What an error message contains, and what to do about it. The first match counts.
_ADVICE: tuple[tuple[str, str], ...] = (
    ("Permission denied", "let this user reach the engine's socket (group docker), or run the process backend"),
    ("PermissionError", "let this user reach the engine's socket (group docker), or run the process backend"),
    ("No such file or directory: '/var/run", "start the engine, or point DOCKER_HOST at one"),
    ("FileNotFoundError", "start the engine, or point DOCKER_HOST at one"),
    ("[Errno 2]", "start the engine, or point DOCKER_HOST at one"),
    ("Connection refused", "start the engine, or point DOCKER_HOST at one"),
    ("ConnectionRefusedError", "start the engine, or point DOCKER_HOST at one"),
    ("Connection aborted", "the engine went away; see its log"),
    ("Read timed out", "the engine is overloaded or hangs; see its log"),
    ("TimeoutError", "the engine is overloaded or hangs; see its log"),
    ("No such container", "somebody else removed the container"),
    ("No such image", "run `make images`, or restart the executor"),
    ("nvalid runtime name", "install that runtime in the engine, or leave the runtime setting empty"),
    ("nknown runtime", "install that runtime in the engine, or leave the runtime setting empty"),
    ("no space left on device", "free disk space for the engine: docker system df"),
    ("seccomp", "the engine's runtime refuses the seccomp profile; upgrade libseccomp and runc"),
    ("Range of CPUs", "give a sandbox no more CPUs than the engine has"),
    ("NanoCPUs can not be set", "the kernel has no CPU quota; set a limit of CPUs that the engine supports"),
    ("exec format error", "the sandbox image is of another architecture: make it again on this machine"),
    ("cannot allocate memory", "the host is out of memory; lower the number of sandboxes"),
)


def reason(error: Exception) -> str:
    """Returns in one line what the engine, or the way to it, said; without the request's address."""
    said = getattr(error, "explanation", None) or error
    return " ".join(str(said).split())[:600] or "no answer in time"


def explain(what: str, error: Exception, address: str) -> str:
    """Says in one line what failed and what to do.

    Args:
        what: What we wanted: "start a container".
        error: What the engine's client raised.
        address: Where the engine is.
    """
    text = reason(error)
    searched = f"{type(error).__name__} {text}".lower()
    advice = next((advice for sign, advice in _ADVICE if sign.lower() in searched), "see the engine's log")
    return f"cannot {what} on the engine at {address}: {text} ({advice})"
