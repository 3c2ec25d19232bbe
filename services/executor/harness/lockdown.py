"""The restrictions that a child puts on itself before it loads a submission."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct

from . import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SIGKILL = 9
_SET_MODE_FILTER, _FLAG_NEW_LISTENER = 1, 8
_ALLOW, _KILL, _NOTIFY, _ERRNO = 0x7FFF0000, 0x80000000, 0x7FC00000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_ARGUMENTS = 0, 4, 16
_X32_BIT = 0x40000000
_CLONE_THREAD = 0x00010000

# Refused outright: nothing that repairs code needs them, and each has served somebody's escape, or holds memory
# outside the limits, or reaches another process.
# fmt: off
_REFUSED = (
    "socket", "connect", "accept", "accept4", "bind", "listen", "fork", "vfork", "execve", "execveat", "shmget",
    "semget", "msgget", "mq_open", "memfd_create", "memfd_secret", "ptrace", "process_vm_readv",
    "process_vm_writev", "process_madvise", "kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "setpriority", "sched_setparam", "sched_setscheduler",
    "sched_setattr", "sched_setaffinity", "ioprio_set", "syslog", "personality", "modify_ldt", "mount",
    "umount2", "pivot_root", "chroot", "unshare", "setns", "open_tree", "move_mount", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "name_to_handle_at", "open_by_handle_at", "keyctl", "add_key",
    "request_key", "bpf", "userfaultfd", "perf_event_open", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "reboot", "swapon", "swapoff", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname",
    "setdomainname", "acct", "quotactl", "iopl", "ioperm",
)
# fmt: on

_ESSENTIAL_LIMITS = frozenset({"AS", "FSIZE", "NOFILE"})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
MACHINE = os.uname().machine


def machine_is_known() -> bool:
    """Whether there is a system call filter for this machine."""
    return MACHINE in syscalls.BY_MACHINE


def syscall_name(number: int) -> str:
    """Returns the name of a system call that the filter knows."""
    table = syscalls.BY_MACHINE.get(MACHINE, {})
    return next((name for name, value in table.items() if value == number), f"syscall_{number}")


def errno_of(name: str) -> int:
    """Returns the error a refused call fails with: out of processes for a fork, else not permitted."""
    return errno.EAGAIN if name in {"fork", "vfork", "clone"} else errno.EPERM


def prctl(option: int, argument: int) -> None:
    """Sets an attribute of this process, as prctl(2) does; raises OSError where it cannot."""
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def show() -> None:
    """Makes this process dumpable: the kernel then lets it write to its own files in /proc."""
    prctl(_PR_SET_DUMPABLE, 1)


def hide() -> None:
    """Makes this process undumpable: others of its user can neither trace it nor open its descriptors."""
    prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent ends."""
    prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def drop_capabilities() -> None:
    """Gives up every capability for ever, also those of a user namespace of one's own.

    Without new privileges no program that is started can have one again, whatever the bounding set.
    """
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header = struct.pack("=Ii", 0x20080522, 0)
    if _libc.capset(header, struct.pack("=6I", 0, 0, 0, 0, 0, 0)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")


def set_limits(limits: Mapping[str, int]) -> None:
    """Sets hard resource limits by their names without RLIMIT_, e.g. {"AS": 268435456}. Lowers only.

    Raises:
        ValueError: One that a submission is bounded by cannot be set. Not every kernel has the others.
    """
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (bound, bound))
        except ValueError:
            if name in _ESSENTIAL_LIMITS:
                raise


def prefer_as_victim() -> None:
    """Makes this process the one the kernel kills first when memory runs out, not the supervisor."""
    try:
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return  # no /proc here; then there is no cgroup limit that could hit the supervisor either
    try:
        os.write(descriptor, b"1000")
    finally:
        os.close(descriptor)


def announce_syscalls() -> int:
    """Installs the filter for this process and all that it forks; what it does not allow waits for an answer.

    Returns:
        The descriptor on which calls are announced; -1 where the kernel cannot, or the machine is not known.
    """
    if not machine_is_known():
        return -1
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return _install(_program(_NOTIFY, None), _FLAG_NEW_LISTENER)


def refuse_syscalls() -> str:
    """Installs the filter for this process and its threads; what it does not allow fails without a word.

    Returns:
        "errno", or "none" where the kernel has no filters or the machine is not known.
    """
    if not machine_is_known():
        return "none"
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return "errno" if _install(_program(_ERRNO, os.getpid()), 0) == 0 else "none"


def _install(program: bytes, flags: int) -> int:
    buffer = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    number = syscalls.BY_MACHINE[MACHINE]["seccomp"]
    return int(_libc.syscall(number, _SET_MODE_FILTER, flags, ctypes.c_char_p(pointer)))


def _program(refusal: int, pid: int | None) -> bytes:
    """Assembles the filter as classic BPF; see the kernel's Documentation/userspace-api/seccomp_filter.rst.

    Args:
        refusal: What becomes of a call that is not allowed.
        pid: The process itself, which may send itself signals and limit itself; None leaves that to who answers.
    """
    table = syscalls.BY_MACHINE[MACHINE]
    own = () if pid is None else (pid,)
    bodies = {table[name]: [_refuse(refusal, name)] for name in _REFUSED if name in table}
    bodies |= {
        # glibc falls back to clone, whose flags can be read here
        table["clone3"]: [_op(_RETURN, _ERRNO | errno.ENOSYS)],
        table["clone"]: _unless_bit(0, _CLONE_THREAD, _refuse(refusal, "clone")),
        table["kill"]: _unless_argument(0, own, _refuse(refusal, "kill")),
        table["tgkill"]: _unless_argument(0, own, _refuse(refusal, "tgkill")),
        table["prlimit64"]: _unless_argument(0, (*own, 0), _refuse(refusal, "prlimit64")),
    }
    code = [
        _op(_LOAD, _OFFSET_ARCH),
        _op(_EQUAL, syscalls.AUDIT_ARCH[MACHINE], 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _OFFSET_NUMBER),
        _op(_AT_LEAST, _X32_BIT, 0, 1),
        _op(_RETURN, _KILL),
        _op(_AT_LEAST, syscalls.FIRST_UNKNOWN, 0, 1),
        _op(_RETURN, _ERRNO | errno.ENOSYS),
        *_tree(sorted(bodies.items())),
    ]
    return b"".join(code)


def _op(operation: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, operand)


def _tree(bodies: Sequence[tuple[int, list[bytes]]]) -> list[bytes]:
    """Returns a binary search for the system call's number; each body ends in a return, what has none is allowed."""
    middle = len(bodies) // 2
    if middle == 0:
        ((number, body),) = bodies
        return [_op(_EQUAL, number, 0, len(body)), *body, _op(_RETURN, _ALLOW)]
    lower = _tree(bodies[:middle])
    return [_op(_AT_LEAST, bodies[middle][0], len(lower), 0), *lower, *_tree(bodies[middle:])]


def _refuse(refusal: int, name: str) -> bytes:
    return _op(_RETURN, refusal | errno_of(name) if refusal == _ERRNO else refusal)


def _unless_bit(argument: int, bit: int, refusal: bytes) -> list[bytes]:
    return [_op(_LOAD, _OFFSET_ARGUMENTS + 8 * argument), _op(_ANY_BIT, bit, 1, 0), refusal, _op(_RETURN, _ALLOW)]


def _unless_argument(argument: int, allowed: Sequence[int], refusal: bytes) -> list[bytes]:
    """Allows the call only if its argument is one of a few values."""
    checks = [_op(_EQUAL, value, len(allowed) - index, 0) for index, value in enumerate(allowed)]
    return [_op(_LOAD, _OFFSET_ARGUMENTS + 8 * argument), *checks, refusal, _op(_RETURN, _ALLOW)]
