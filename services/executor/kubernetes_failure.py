"""What Kubernetes says when it loses, starves or refuses a pod, turned into what we say. Pure."""

from __future__ import annotations

from services.executor.kubernetes_status import Pod
from services.executor.sandbox import HarnessDied, SandboxLost

_SIGKILL, _SIGTERM = 137, 143
_EVICTED = "Evicted"
# How a kubelet begins when a pod has used too much of what was its own to use; any other eviction is the node's want.
_OWN_USE = ("usage of emptydir volume", "pod ephemeral local storage usage exceeds", "container sandbox exceeded its")
_NEVER_STARTS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    }
)


class ApiRefused(SandboxLost):
    """The API server answered with an error.

    Attributes:
        status: HTTP status.
        reason: Its word for it: "Conflict", "AlreadyExists", "Gone" …; may be empty.
    """

    def __init__(self, message: str, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def classify_end(pod: Pod, stderr_tail: str) -> HarnessDied | SandboxLost:
    """Says who is to blame for a harness that had a job and whose streams ended without an answer.

    Args:
        pod: What was last seen of its pod.
        stderr_tail: The last words of the harness.

    Returns:
        The exception to raise: the submission's failure, or ours.
    """
    said = f"; it said: {stderr_tail[-500:]}" if stderr_tail else ""
    if pod.reason == _EVICTED and pod.message.lower().startswith(_OWN_USE):
        return HarnessDied(f"the sandbox was evicted for what it wrote: {pod.message}")
    if pod.reason:
        return SandboxLost(f"the cluster ended the sandbox's pod: {pod.reason} {pod.message}".rstrip())
    if pod.end == "OOMKilled":
        return HarnessDied("the sandbox ran out of memory", out_of_memory=True)
    if pod.leaving or pod.gone:
        return SandboxLost("somebody deleted the sandbox's pod, as when its node is drained or another pod goes first")
    if not pod.ended:
        return SandboxLost(f"the connection to the sandbox was lost; its pod is {pod.phase}")
    if pod.exit_code in (_SIGKILL, _SIGTERM):  # signals that no submission can send to its sandbox's first process
        return SandboxLost(f"somebody outside killed the sandbox (exit code {pod.exit_code})")
    if pod.exit_code == 0:  # the harness's way to end when its stdin does, which no submission can reach
        return SandboxLost("the connection to the sandbox was lost, and the harness ended with it")
    if pod.end not in ("", "Error", "Completed"):
        return SandboxLost(f"the node could not run the sandbox: {pod.end} {pod.said}".rstrip())
    return HarnessDied(f"the harness ended with exit code {pod.exit_code} and no answer{said}")


def cannot_start(pod: Pod) -> str:
    """Returns why a pod that does not run will not, or "" if it still may."""
    if pod.gone or pod.leaving:
        return "somebody deleted it before it ran"
    if pod.reason or pod.phase == "Failed":
        return f"{pod.reason or pod.phase} {pod.message}".rstrip()
    if pod.ended:
        return f"its container ended at once: {pod.end} with exit code {pod.exit_code} {pod.said}".rstrip()
    return f"{pod.waiting}: {pod.said}" if pod.waiting in _NEVER_STARTS else ""


def still_waits(pod: Pod) -> str:
    """Returns what a pod that does not run waits for."""
    return pod.unscheduled or f"{pod.waiting or pod.phase} {pod.said}".rstrip()


# What a message contains, and what to do about it. The first match counts.
_ADVICE: tuple[tuple[str, str], ...] = (
    ("exceeded quota", "raise the namespace's ResourceQuota, or lower CODEARENA_EXECUTOR_SLOTS and _WARM_MAX"),
    ("could not find the requested resource", "install agent-sandbox with its extensions, or unset "
     "CODEARENA_KUBERNETES_WARM_POOL"),
    ("warm pool", "see `kubectl describe sandboxclaim,sandboxwarmpool` and whether agent-sandbox's controller runs"),
    ("sandboxclaims", "give the executor's account the role in k8s/components/agent-sandbox"),
    ("is forbidden", "give the executor's account the role in k8s/base: pods, pods/attach in that namespace"),
    ("unauthorized", "the credentials are wrong or have expired"),
    ("namespaces", "make the namespace, or set CODEARENA_KUBERNETES_NAMESPACE"),
    ("errimage", "load the image into the nodes or their registry, or set CODEARENA_KUBERNETES_IMAGE"),
    ("imagepull", "load the image into the nodes or their registry, or set CODEARENA_KUBERNETES_IMAGE"),
    ("invalidimagename", "set CODEARENA_KUBERNETES_IMAGE to an image's name"),
    ("insufficient", "add nodes, or lower CODEARENA_EXECUTOR_SLOTS, _WARM_MAX or the pods' requests"),
    ("didn't match", "no node has the labels of CODEARENA_KUBERNETES_NODE_SELECTOR, or its taints are not tolerated"),
    ("runtimeclass", "install the RuntimeClass, or unset CODEARENA_KUBERNETES_RUNTIME_CLASS"),
    ("containercreating", "see `kubectl describe pod`; nodes without user namespaces need "
     "CODEARENA_KUBERNETES_USER_NAMESPACES=false"),
    ("too many requests", "the API server is overloaded; lower CODEARENA_KUBERNETES_CALLS_PER_SECOND"),
    ("cannot connect", "start the API server, or point CODEARENA_KUBERNETES_KUBECONFIG at one"),
    ("timeout", "the API server is overloaded or hangs; see its log"),
    ("certificate", "the credentials' certificate authority is not that of the API server"),
)  # fmt: skip


def explain(what: str, said: str) -> str:
    """Says in one line what failed and what to do.

    Args:
        what: What we wanted: "create a pod".
        said: What came back.
    """
    said = " ".join(said.split())[:600] or "no answer in time"
    advice = next((advice for sign, advice in _ADVICE if sign in said.lower()), "see the API server's log")
    return f"cannot {what}: {said} ({advice})"
