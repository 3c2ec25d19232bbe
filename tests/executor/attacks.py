"""The attack catalogue: programs that want a pass without repairing anything, or want to do harm.

Each names the outcomes that would be honest. None of them may pass, and none may touch the grading after it.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Attack:
    """One program against the suite of `double(x)`.

    Attributes:
        code: The program.
        outcomes: Honest outcomes, any of which will do.
        refused: System calls that must be reported as refused, any of which will do; empty: none is demanded.
        early_exit: Whether an early exit must be reported.
    """

    code: str
    outcomes: frozenset[str]
    refused: frozenset[str] = field(default_factory=frozenset)
    early_exit: bool = False


ATTACKS: dict[str, Attack] = {}


def _attack(name: str, outcomes: str, code: str, *, refused: str = "", early_exit: bool = False) -> None:
    source = textwrap.dedent(code).strip() + "\n"
    ATTACKS[name] = Attack(source, frozenset(outcomes.split()), frozenset(refused.split()), early_exit)


# Objects and values

_attack(
    "an object equal to everything",
    "TESTS_FAILED",
    """
    class Yes:
        def __eq__(self, other): return True
        def __hash__(self): return 0
    def double(x): return Yes()
""",
)
_attack(
    "a subclass of int that is equal to everything",
    "TESTS_FAILED",
    """
    class Yes(int):
        def __eq__(self, other): return True
        __hash__ = int.__hash__
    def double(x): return Yes(1)
""",
)
_attack(
    "an object that lies about its class",
    "TESTS_FAILED",
    """
    class Liar:
        @property
        def __class__(self): return int
        def __eq__(self, other): return True
    def double(x): return Liar()
""",
)
_attack(
    "a dict subclass with its own comparison",
    "TESTS_FAILED",
    """
    class Yes(dict):
        def __eq__(self, other): return True
    def double(x): return Yes()
""",
)
_attack(
    "a list that holds itself",
    "TESTS_FAILED",
    """
    def double(x):
        a = []
        a.append(a)
        return a
""",
)
_attack(
    "a value of hundreds of megabytes",
    "OUTPUT_LIMIT_EXCEEDED OUT_OF_MEMORY TESTS_FAILED TIMED_OUT",
    """
    def double(x): return 'x' * 150_000_000
""",
)
_attack(
    "a value with a million elements",
    "OUTPUT_LIMIT_EXCEEDED OUT_OF_MEMORY TESTS_FAILED",
    """
    def double(x): return list(range(1_000_000))
""",
)
_attack(
    "an exception with a hostile text",
    "TESTS_FAILED CRASHED",
    """
    class Bad(Exception):
        def __str__(self): raise SystemExit(0)
        __repr__ = __str__
    def double(x): raise Bad()
""",
)
_attack(
    "an exception that calls itself AssertionError",
    "TESTS_FAILED",
    """
    class AssertionError(Exception): pass
    def double(x): raise AssertionError('4')
""",
)
_attack(
    "lone surrogates in the answer",
    "TESTS_FAILED",
    """
    def double(x): return chr(0xD800)
""",
)

# Early exits

for call in ("os._exit(0)", "sys.exit(0)", "os.kill(os.getpid(), 9)", "os.abort()"):
    # Process 1 of a namespace survives the signals that it sends itself.
    outcomes = "TESTS_FAILED" if call.startswith("sys") else "TESTS_FAILED CRASHED OUT_OF_MEMORY"
    _attack(f"{call} in the call", outcomes, f"import os, sys\ndef double(x): {call}\n", early_exit="kill" not in call)
_attack("os._exit(0) while loading", "CRASHED", "import os\nos._exit(0)\n", early_exit=True)
_attack("sys.exit(0) while loading", "COMPILE_ERROR", "import sys\nsys.exit(0)\n", early_exit=True)
_attack(
    "an exit handler that forges",
    "TESTS_FAILED CRASHED",
    """
    import atexit, os
    atexit.register(lambda: os.write(1, b'PASSED'))
    def double(x): raise SystemExit(0)
""",
)

# Forged results and the harness

_attack(
    "a forged report on stdout",
    "TESTS_FAILED",
    """
    print('{"passed": 3, "total": 3, "outcome": "PASSED"}')
    def double(x): print('OK'); return None
""",
)
_attack(
    "garbage on every descriptor",
    "TESTS_FAILED CRASHED COMPILE_ERROR",
    """
    import os
    for descriptor in range(3, 64):
        try: os.write(descriptor, b'{"passed": true}' * 100)
        except OSError: pass
    def double(x): return None
""",
)
_attack(
    "a forged frame in the harness's own protocol",
    "TESTS_FAILED CRASHED COMPILE_ERROR",
    """
    import os, struct
    def double(x):
        for descriptor in range(3, 64):
            try:
                for number in range(5):
                    payload = struct.pack('>cI', b'V', number) + b'4'
                    os.write(descriptor, struct.pack('>I', len(payload)) + payload)
            except OSError: pass
        return None
""",
)
_attack(
    "a frame that promises four gigabytes",
    "CRASHED TESTS_FAILED COMPILE_ERROR",
    """
    import os
    def double(x):
        for descriptor in range(3, 64):
            try: os.write(descriptor, b'\\xff\\xff\\xff\\xff')
            except OSError: pass
        return None
""",
)
_attack(
    "every descriptor closed",
    "TESTS_FAILED CRASHED",
    """
    import os
    def double(x):
        os.closerange(0, 64)
        return None
""",
)
_attack(
    "expected values searched in the garbage collector",
    "TESTS_FAILED",
    """
    import gc
    def double(x):
        for found in gc.get_objects():
            if type(found) is dict and 'expected' in found: return found['expected']
            if type(found) is dict and 'expected_literal' in found: return found['expected_literal']
        return None
""",
)
_attack(
    "expected values searched in the frames",
    "TESTS_FAILED",
    """
    import sys
    def double(x):
        frame = sys._getframe()
        while frame is not None:
            for name, value in frame.f_locals.items():
                if 'expect' in name: return value
                if type(value) is dict and 'expected' in value: return value['expected']
            frame = frame.f_back
        return None
""",
)
_attack(
    "the encoder patched",
    "TESTS_FAILED CRASHED",
    """
    import sys
    for name, module in list(sys.modules.items()):
        if name.startswith('harness'):
            for attribute in ('encode', 'describe'):
                if hasattr(module, attribute): setattr(module, attribute, lambda value, *rest: b'true')
    def double(x): return None
""",
)
_attack(
    "builtins patched",
    "TESTS_FAILED CRASHED COMPILE_ERROR",
    """
    import builtins
    builtins.type = lambda value: int
    builtins.isinstance = lambda *arguments: True
    def double(x): return None
""",
)
_attack(
    "the harness overwritten",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import os
    for folder, _, files in os.walk('/codearena'):
        for file in files:
            open(os.path.join(folder, file), 'w').write('raise SystemExit')
    def double(x): return None
""",
)
_attack(
    "the clock patched and the call slept away",
    "TIMED_OUT",
    """
    import time
    real = time.sleep
    time.monotonic = time.time = time.perf_counter = time.process_time = lambda: 0.0
    time.monotonic_ns = time.process_time_ns = lambda: 0
    def double(x): real(1000)
""",
)

# Other processes

_attack(
    "the other processes killed",
    "TESTS_FAILED",
    """
    import os, signal
    for pid in range(9):
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT):
            try:
                if pid != os.getpid(): os.kill(pid, number)
            except OSError: pass
    def double(x): return None
""",
    refused="kill",
)
_attack(
    "process 1 killed",
    "TESTS_FAILED",
    """
    import os, signal
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
        try: os.kill(1, number)
        except OSError: pass
    def double(x): return None
""",
)
_attack(
    "everybody killed",
    "TESTS_FAILED CRASHED OUT_OF_MEMORY COMPILE_ERROR",
    """
    import os
    try: os.kill(-1, 9)
    except OSError: pass
    def double(x): return None
""",
    refused="kill",
)
_attack(
    "a fork bomb",
    "COMPILE_ERROR TESTS_FAILED TIMED_OUT CRASHED",
    """
    import os
    while True: os.fork()
""",
    refused="clone fork",
)
_attack(
    "a fork bomb that does not mind errors",
    "TIMED_OUT",
    """
    import os
    def double(x):
        while True:
            try: os.fork()
            except OSError: pass
""",
    refused="clone fork",
)
_attack(
    "a thread bomb",
    "TESTS_FAILED TIMED_OUT CRASHED OUT_OF_MEMORY COMPILE_ERROR",
    """
    import threading, time
    def double(x):
        while True: threading.Thread(target=time.sleep, args=(1000,)).start()
""",
)
_attack(
    "a daemon left behind",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import os, time
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
    def double(x): return None
""",
    refused="clone fork",
)
_attack(
    "a program started",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import subprocess
    subprocess.Popen(['/bin/sh', '-c', 'sleep 1000'])
    def double(x): return None
""",
    refused="clone fork vfork execve",
)
_attack(
    "the interpreter replaced",
    "TESTS_FAILED COMPILE_ERROR CRASHED",
    """
    import os, sys
    os.execv(sys.executable or '/usr/local/bin/python3', ['python', '-c', 'print(1)'])
    def double(x): return None
""",
    refused="execve",
)
_attack(
    "process 1 traced",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.ptrace(16, 1, 0, 0) == -1
    def double(x): return None
""",
    refused="ptrace",
)
_attack(
    "the memory of process 1 opened",
    "TESTS_FAILED COMPILE_ERROR",
    """
    def double(x):
        for name in ('mem', 'environ', 'maps', 'fd/0', 'root/etc/passwd'):
            try: return open('/proc/1/' + name, 'rb').read(10)
            except OSError: pass
        return None
""",
)

# Resources

_attack("an endless loop while loading", "TIMED_OUT", "while True: pass\n")
_attack("an endless loop in the call", "TIMED_OUT", "def double(x):\n    while True: pass\n")
_attack("a sleep while loading", "TIMED_OUT", "import time\ntime.sleep(1000)\n")
_attack("a memory bomb", "OUT_OF_MEMORY", "def double(x): return len(bytearray(1 << 40)) and bytearray(1 << 40)\n")
_attack(
    "a memory bomb in small pieces",
    "OUT_OF_MEMORY TIMED_OUT CRASHED",
    """
    def double(x):
        kept = []
        while True: kept.append(bytearray(1 << 20))
""",
)
_attack(
    "a memory bomb while loading",
    "OUT_OF_MEMORY COMPILE_ERROR TIMED_OUT",
    "x = [bytearray(1 << 20) for _ in range(10_000)]\n",
)
_attack(
    "a hundred megabytes of output",
    "OUTPUT_LIMIT_EXCEEDED",
    """
    def double(x):
        for _ in range(100): print('x' * 1_000_000)
""",
)
_attack(
    "a hundred megabytes of output while loading",
    "OUTPUT_LIMIT_EXCEEDED",
    """
    import os
    for _ in range(100): os.write(2, b'x' * 1_000_000)
    def double(x): return None
""",
)
_attack(
    "the disk filled",
    # The last two in pods of Kubernetes before 1.22, where /tmp is bounded by the pod's memory alone.
    "TESTS_FAILED CRASHED COMPILE_ERROR TIMED_OUT OUT_OF_MEMORY",
    """
    def double(x):
        written = 0
        for number in range(1000):
            try:
                with open(f'/tmp/{number}', 'wb') as file: written += file.write(b'x' * 1_000_000)
            except OSError: break
        assert written < 64_000_000
        return None
""",
)
_attack("endless recursion", "TESTS_FAILED CRASHED", "def double(x): return double(x)\n")
_attack(
    "endless recursion in C",
    "TESTS_FAILED CRASHED OUT_OF_MEMORY TIMED_OUT",
    """
    import sys
    sys.setrecursionlimit(10**9)
    def double(x): return double(x)
""",
)
_attack("an exponent", "TIMED_OUT OUT_OF_MEMORY", "def double(x): return 9 ** 9 ** 9\n")
_attack("source nested ten thousand deep", "COMPILE_ERROR", "x = " + "(" * 10_000 + ")" * 10_000 + "\n")
_attack("a chain of ten thousand operators", "COMPILE_ERROR TESTS_FAILED", "x = " + "-" * 10_000 + "1\n")
_attack(
    "files held open",
    "TESTS_FAILED COMPILE_ERROR",
    """
    kept = []
    try:
        while True: kept.append(open('/dev/null'))
    except OSError: pass
    def double(x): return None
""",
)
_attack(
    "memory files outside the limit",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import os
    descriptor = os.memfd_create('x')
    def double(x): return None
""",
    refused="memfd_create",
)

# The world outside

for name, target in (
    ("the metadata address", "('169.254.169.254', 80)"),
    ("a name server", "('8.8.8.8', 53)"),
    ("loopback", "('127.0.0.1', 22)"),
):
    _attack(
        f"a connection to {name}",
        "TESTS_FAILED",
        f"""
        import socket
        def double(x):
            try:
                socket.create_connection({target}, timeout=1)
                return 4
            except OSError: return None
    """,
        refused="socket",
    )
_attack(
    "the engine's socket",
    "TESTS_FAILED",
    """
    import os, socket
    def double(x):
        if os.path.exists('/var/run/docker.sock') or os.path.exists('/run/docker.sock'): return 4
        try: return socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock') or 4
        except OSError: return None
""",
    refused="socket",
)
_attack(
    "the host's files",
    "TESTS_FAILED",
    """
    import os
    def double(x):
        for path in ('/etc/shadow', '/etc/hostname', '/root', '/home', '/work', '/host', '/var/lib', '/usr/bin'):
            try: return 4 if os.listdir(path) else None
            except NotADirectoryError: return 4
            except OSError: pass
        return None
""",
)
_attack(
    "secrets in the environment",
    "TESTS_FAILED",
    """
    import os
    def double(x): return 4 if any('CODEARENA' in k or 'KEY' in k or 'TOKEN' in k for k in os.environ) else None
""",
)
_attack(
    "a mount",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b'tmpfs', b'/tmp', b'tmpfs', 0, b'') == -1
    def double(x): return None
""",
    refused="mount",
)
_attack(
    "new namespaces",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x10000000) == -1
    def double(x): return None
""",
    refused="unshare",
)
_attack(
    "root's rights asked for",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import os
    def double(x):
        try: os.setuid(0); return 4
        except OSError: return None
""",
)
_attack(
    "the limits raised",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import resource
    def double(x):
        try: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)); return 4
        except (OSError, ValueError): return None
""",
)
_attack(
    "the limits of other processes lowered",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import os, resource
    def double(x):
        done = []
        for pid in range(1, 9):
            try:
                if pid != os.getpid(): done += resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))
            except OSError: pass
        return 4 if done else None
""",
    refused="prlimit64",
)
_attack(
    "a root folder changed",
    "TESTS_FAILED COMPILE_ERROR",
    """
    import os
    def double(x):
        try: os.chroot('/tmp'); return 4
        except OSError: return None
""",
    refused="chroot",
)
_attack(
    "poison for the next program",
    "TESTS_FAILED",
    """
    import os
    for folder in ('/tmp', '/dev/shm', '/var/tmp', '/codearena', '/usr/lib', '/'):
        try: open(folder + '/sitecustomize.py', 'w').write('raise SystemExit')
        except OSError: pass
    def double(x): return None
""",
)
_attack(
    "an encoding that is not there", "TESTS_FAILED", "# -*- coding: no-such-encoding -*-\ndef double(x): return None\n"
)
