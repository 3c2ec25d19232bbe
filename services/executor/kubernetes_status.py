"""What Kubernetes says of a pod, as much of it as counts here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

CONTAINER = "sandbox"


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


def parse_pod(found: Mapping[str, Any]) -> Pod:
    """Reads a pod as the API server sends it.

    Raises:
        ValueError: It is none.
    """
    try:
        return _parse(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the API server sent something that is no pod: {error!r}") from error


def _parse(found: Mapping[str, Any]) -> Pod:
    metadata, status = found["metadata"], found.get("status") or {}
    container: Mapping[str, Any] = next(
        (c for c in status.get("containerStatuses") or () if c.get("name") == CONTAINER), {}
    )
    state = container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    created = metadata.get("creationTimestamp")
    return Pod(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        version=metadata.get("resourceVersion", ""),
        labels=metadata.get("labels") or {},
        created=datetime.fromisoformat(created).timestamp() if created else 0.0,
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        leaving=bool(metadata.get("deletionTimestamp")),
        address=status.get("podIP", ""),
        unscheduled=_unscheduled(status),
        running=state.get("running") is not None,
        ended=state.get("terminated") is not None,
        waiting=waiting.get("reason", ""),
        end=ended.get("reason", ""),
        exit_code=int(ended.get("exitCode", 0)),
        said=str(ended.get("message") or waiting.get("message") or ""),
        image_id=container.get("imageID", ""),
    )


def _unscheduled(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "no node takes it")
    return ""
