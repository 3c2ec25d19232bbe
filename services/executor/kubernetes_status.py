"""What Kubernetes says of pods, as much of it as counts here. Pure.

Whatever is not what the API server sends is a ValueError, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

CONTAINER = "sandbox"
BOOKMARK, ERROR = "BOOKMARK", "ERROR"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod at one moment.

    Attributes:
        name: Its name.
        uid: Tells it from another one of the same name.
        version: Its resourceVersion.
        labels: Its labels.
        created: When the API server took it in, in seconds since 1970; 0 if that is not known.
        phase: "Pending", "Running", "Succeeded", "Failed" or "Unknown".
        reason: Why it failed, in one word: "Evicted", "DeadlineExceeded", "NodeLost" …; usually empty.
        message: The same for people.
        leaving: Whether somebody has begun to delete it.
        gone: Whether it has been deleted; the rest is how it was last seen.
        address: Its IP address; empty as long as it has none.
        unscheduled: Why no node takes it; empty if one does.
        running: Whether its container runs.
        ended: Whether its container has.
        waiting: Why its container does not run yet, in one word: "ContainerCreating", "ErrImagePull" …
        end: Why its container ended, in one word: "Completed", "Error", "OOMKilled" …
        exit_code: Of its container's first process; 128 + the signal if one ended it.
        said: What Kubernetes says besides on its container.
        image_id: What its container's image is, whatever its name.
    """

    name: str
    uid: str = ""
    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    created: float = 0.0
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    leaving: bool = False
    gone: bool = False
    address: str = ""
    unscheduled: str = ""
    running: bool = False
    ended: bool = False
    waiting: str = ""
    end: str = ""
    exit_code: int = 0
    said: str = ""
    image_id: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.gone or self.ended or self.phase in ("Succeeded", "Failed")

    def deleted(self) -> Pod:
        """Returns what is known of it after it has been deleted."""
        return replace(self, gone=True)

    def is_older_than(self, other: Pod) -> bool:
        """Whether the other one is a later sight of the same pod. Versions count upwards."""
        if self.version.isdecimal() and other.version.isdecimal():
            return int(self.version) < int(other.version)
        return self.version != other.version


@dataclass(frozen=True, slots=True)
class Event:
    """What a watch tells.

    Attributes:
        kind: "ADDED", "MODIFIED" or "DELETED"; `BOOKMARK`, how far the watch has come; `ERROR`, why it ends.
        pod: To which it happened; of a `BOOKMARK` the version alone.
        code: HTTP status of an `ERROR`.
        status: An `ERROR` in full, as JSON.
    """

    kind: str
    pod: Pod = field(default_factory=lambda: Pod(""))
    code: int = 0
    status: str = ""


def parse_pod(found: object) -> Pod:
    """Reads a pod as the API server sends it.

    Raises:
        ValueError: It is none.
    """
    return read("pod", _pod, found)


def parse_spec(found: object) -> dict[str, Any]:
    """Reads what a pod is made of.

    Raises:
        ValueError: It is no pod.
    """
    return read("pod", lambda pod: dict(pod["spec"]), found)


def parse_list(found: object) -> tuple[list[Pod], str]:
    """Reads pods as the API server lists them, and the version from which a watch goes on.

    Raises:
        ValueError: It is no list of pods.
    """
    return read("list of pods", _pods, found)


def parse_event(found: object) -> Event:
    """Reads one line of a watch.

    Raises:
        ValueError: It is no event.
    """
    return read("event", _event, found)


def read(what: str, parse: Callable[[Any], T], found: object) -> T:
    """Reads something that the API server sent; whatever goes wrong is a ValueError that says `what` it is not."""
    try:
        return parse(found)
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the API server sent something that is no {what}: {error!r}") from error


def _pods(found: Mapping[str, Any]) -> tuple[list[Pod], str]:
    return [_pod(item) for item in found.get("items") or ()], _version(found)


def _event(found: Mapping[str, Any]) -> Event:
    kind, thing = found["type"], found["object"]
    if kind == ERROR:
        return Event(kind, code=int(thing.get("code", 500)), status=json.dumps(thing))
    if kind == BOOKMARK:
        return Event(kind, Pod("", version=_version(thing)))
    return Event(kind, _pod(thing))


def _pod(found: Mapping[str, Any]) -> Pod:
    metadata, status = found["metadata"], found.get("status") or {}
    container: Mapping[str, Any] = next(
        (c for c in status.get("containerStatuses") or () if c.get("name") == CONTAINER), {}
    )
    state = container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    return Pod(
        name=text_of(metadata, "name"),
        uid=text_of(metadata, "uid", ""),
        version=_version(found),
        labels=dict(metadata.get("labels") or {}),
        created=created_at(metadata),
        phase=text_of(status, "phase", "Pending"),
        reason=text_of(status, "reason", ""),
        message=text_of(status, "message", ""),
        leaving=bool(metadata.get("deletionTimestamp")),
        address=text_of(status, "podIP", ""),
        unscheduled=_unscheduled(status),
        running=state.get("running") is not None,
        ended=state.get("terminated") is not None,
        waiting=text_of(waiting, "reason", ""),
        end=text_of(ended, "reason", ""),
        exit_code=int(ended.get("exitCode", 0)),
        said=str(ended.get("message") or waiting.get("message") or ""),
        image_id=text_of(container, "imageID", ""),
    )


def _version(found: Mapping[str, Any]) -> str:
    return text_of(found["metadata"], "resourceVersion")


def created_at(metadata: Mapping[str, Any]) -> float:
    """Returns when something was made, in seconds since 1970; 0 if that is not said."""
    created = metadata.get("creationTimestamp")
    return datetime.fromisoformat(created).timestamp() if created else 0.0


def text_of(found: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Returns a text of an object, or its default. Raises TypeError if there is none, or it is no text."""
    value = found.get(name)
    value = default if value is None else value
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r:.100}, no text")
    return value


def _unscheduled(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "no node takes it")
    return ""
