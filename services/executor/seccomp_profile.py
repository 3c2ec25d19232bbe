"""The system calls that a sandbox container may make: what CPython needs, and little else.

An allowlist in the format of Docker's own profile. Against that one it leaves out, for every program in the
container: other processes' memory, asynchronous I/O (io_uring, aio), System V IPC and message queues, file handles,
fanotify, landlock, NUMA placement, clocks that are set, real-time scheduling, extended attributes, ownership changes.
What starts a container (execve, set*id) and what the harness needs to confine its child (seccomp, prctl, prlimit64,
socketpair) is there.
"""

from __future__ import annotations

import json
from typing import Any

_EPERM, _ENOSYS = 1, 38
_AF_UNIX = 1

# CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET, linux/sched.h
_CLONE_NEW_ANYTHING = 0x7E020000

_FILES = """
access chdir chmod close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64
fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr lgetxattr fgetxattr
ioctl link linkat llistxattr _llseek lseek lstat lstat64 mkdir mkdirat newfstatat open openat openat2 pipe pipe2
pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2
rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statx symlink symlinkat tee truncate truncate64 umask
unlink unlinkat utime utimensat utimensat_time64 utimes write writev
"""
_WAITING = """
epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 poll ppoll ppoll_time64
pselect6 pselect6_time64 select _newselect signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64
timerfd_settime timerfd_settime64
"""
_MEMORY = """
brk madvise membarrier mincore mlock mlock2 mmap mmap2 mprotect mremap msync munlock munmap pkey_alloc pkey_free
pkey_mprotect
"""
_PROCESSES = """
alarm capget capset execve exit exit_group fork futex futex_time64 futex_wait futex_waitv futex_wake
get_robust_list get_thread_area getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
getitimer getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
getrlimit getrusage getsid gettid getuid getuid32 kill pause pidfd_open pidfd_send_signal prctl prlimit64
restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_yield seccomp
set_robust_list
set_thread_area set_tid_address setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setresgid
setresgid32 setresuid setresuid32 setrlimit setsid setuid setuid32 sigaltstack sigprocmask sigreturn tgkill tkill
ugetrlimit vfork wait4 waitid waitpid
"""
_TIME = """
clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 gettimeofday
nanosleep sysinfo time timer_create timer_delete timer_getoverrun timer_gettime timer_settime times uname
"""
_LOCAL_SOCKETS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmsg send sendmmsg
sendmsg sendto setsockopt shutdown
"""
# Left to the harness's own filter, which refuses them to every submission and, unlike this one, tells that they were
# tried. Without capabilities they reach nothing outside the container; a harness without a filter is not believed.
_COUNTED = "chroot memfd_create mount ptrace unshare"
_ARCHITECTURE = "arch_prctl cacheflush riscv_flush_icache set_tls"

ALLOWED = frozenset(
    " ".join((_FILES, _WAITING, _MEMORY, _PROCESSES, _TIME, _LOCAL_SOCKETS, _COUNTED, _ARCHITECTURE)).split()
)
"""System calls that are allowed whatever their arguments."""


def profile() -> str:
    """Returns the profile as the JSON that the engine's `seccomp=` security option takes.

    A call that is not allowed fails with EPERM; clone3, whose flags a filter cannot see, with ENOSYS, upon
    which the C library takes clone.
    """
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": _EPERM,
            "archMap": [
                {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
            ],
            "syscalls": [
                _rule(*sorted(ALLOWED)),
                _rule("clone", args=[_arg(0, _CLONE_NEW_ANYTHING, "SCMP_CMP_MASKED_EQ")]),
                _rule("socket"),
                _rule("socketpair", args=[_arg(0, _AF_UNIX, "SCMP_CMP_EQ")]),
                {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
            ],
        }
    )


def _rule(*names: str, args: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", "args": args or []}


def _arg(index: int, value: int, comparison: str) -> dict[str, Any]:
    # With a masked comparison `value` is the mask and `valueTwo` what must remain: here nothing.
    return {"index": index, "value": value, "valueTwo": 0, "op": comparison}
