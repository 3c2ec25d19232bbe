"""Honest programs that look odd: each is a right `double` and must be graded as such, on every backend."""

from __future__ import annotations

import textwrap

HONEST: dict[str, str] = {}


def _honest(name: str, code: str) -> None:
    HONEST[name] = textwrap.dedent(code).lstrip("\n")


_honest(
    "two hundred kilobytes of prints",
    """
    def double(x):
        for number in range(400): print('x' * 500)
        return 2 * x
""",
)
_honest(
    "an equal value of another type",
    "def double(x): return float(2 * x) if isinstance(x, int) else 2 * x if isinstance(x, str) else int(2 * x)\n",
)
_honest(
    "generators",
    """
    def parts(x):
        yield x
        yield from (x for _ in range(1))
    def double(x):
        first, second = parts(x)
        return first + second
""",
)
_honest(
    "recursion",
    """
    def deep(n, x): return x + x if n == 0 else deep(n - 1, x)
    def double(x): return deep(900, x)
""",
)
_honest(
    "threads that are joined",
    """
    import threading
    from concurrent.futures import ThreadPoolExecutor
    def double(x):
        found = []
        threads = [threading.Thread(target=found.append, args=(x,)) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join(timeout=5)
        with ThreadPoolExecutor(4) as pool: return pool.submit(lambda: found[0] + found[1]).result()
""",
)
_honest("unicode names", "def dôuble(ж): return ж + ж\ndouble = dôuble\nπ = 'τ'\n")
_honest(
    "exceptions of its own",
    """
    class Stop(Exception): pass
    def double(x):
        try: raise Stop(x + x) from ValueError('inner')
        except Stop as stop: return stop.args[0]
        finally: pass
""",
)
_honest(
    "slow but within the limit",
    """
    import time
    def double(x):
        start = time.process_time()
        while time.process_time() - start < 0.4: pass
        time.sleep(0.2)
        return 2 * x
""",
)
_honest(
    "a cache",
    """
    import functools
    @functools.lru_cache(maxsize=None)
    def double(x): return x + x
    double.cache_clear()
""",
)
_honest(
    "dataclasses and typing",
    """
    from __future__ import annotations
    from dataclasses import dataclass, field
    from typing import Generic, NamedTuple, Protocol, TypeVar
    T = TypeVar('T')
    class Pair(NamedTuple):
        first: object
        second: object
    @dataclass(frozen=True, slots=True)
    class Box(Generic[T]):
        value: T
        seen: list[T] = field(default_factory=list)
        def doubled(self) -> T: return self.value + self.value
    class Has(Protocol):
        def doubled(self) -> object: ...
    def double(x: T) -> T:
        box: Has = Box(x)
        return Pair(box.doubled(), None).first
""",
)
_honest(
    "a main block",
    """
    import sys
    def double(x): return 2 * x
    if __name__ == '__main__':
        sys.exit(double(int(input('number: '))))
""",
)
_honest(
    "its own docstring and source",
    """
    '''Doubles.'''
    import inspect
    def double(x):
        'Returns x twice.'
        assert double.__doc__ == 'Returns x twice.' and __doc__ == 'Doubles.'
        assert 'Returns x twice' in inspect.getsource(double)
        assert inspect.signature(double).parameters.keys() == {'x'}
        return 2 * x
""",
)
_honest(
    "asyncio",
    """
    import asyncio
    async def later(x):
        await asyncio.sleep(0)
        return x
    async def both(x): return await asyncio.gather(later(x), asyncio.to_thread(lambda: x))
    def double(x):
        first, second = asyncio.run(both(x))
        return first + second
""",
)
_honest(
    "global state",
    """
    calls = []
    def double(x):
        global last
        last = x
        calls.append(x)
        return last + calls[-1]
""",
)
_honest(
    "exact numbers inside",
    """
    from decimal import Decimal, getcontext
    from fractions import Fraction
    def double(x):
        if isinstance(x, str): return x + x
        getcontext().prec = 50
        assert Decimal('0.1') * 3 == Decimal('0.3')
        return float(Fraction(x) * 2)
""",
)
_honest(
    "much of the standard library",
    """
    import array, base64, bisect, calendar, collections, contextlib, copy, csv, datetime, enum, hashlib, heapq, io
    import itertools, json, logging, math, operator, os, pprint, random, re, statistics, string, struct, sys, tempfile
    import textwrap, time, unittest, uuid, warnings, zlib
    logging.basicConfig(level=logging.DEBUG)
    log = logging.getLogger(__name__)
    def double(x):
        log.info('doubling %r', x)
        warnings.warn('odd')
        heap = [3, 1, 2]
        heapq.heapify(heap)
        assert heapq.heappop(heap) == 1 and collections.Counter('aab').most_common(1) == [('a', 2)]
        assert re.sub(r'(?P<d>\\d)', r'<\\g<d>>', 'a1') == 'a<1>' and random.Random(1).random() < 1
        assert datetime.datetime.now().year > 2000 and uuid.uuid4() and hashlib.sha256(b'').hexdigest()
        with tempfile.TemporaryFile() as file:
            file.write(b'x')
        return json.loads(json.dumps(x + x))
""",
)
_honest("star arguments", "def twice(*xs, by=2): return xs[0] * by\ndef double(*xs, **more): return twice(*xs, **more)")
_honest(
    "a very long line", "def double(x): return 2 * x  # " + "long " * 20_000 + "\nTABLE = [" + "0, " * 20_000 + "]\n"
)
_honest("line ends of another system", "def double(x):\r\n    y = x\r\n    return y + y\r\n")
_honest("a byte order mark", "\ufeffdef double(x): return 2 * x\n")
_honest("an encoding cookie", "# -*- coding: latin-1 -*-\ns = 'é'\nassert len(s) == 1\ndef double(x): return 2 * x\n")
_honest("tabs and form feeds", "\x0cdef double(x):\n\tif x:\n\t\treturn x + x\n\treturn x\n")
_honest(
    "streams replaced and closed",
    """
    import contextlib, io, sys
    def double(x):
        with contextlib.redirect_stdout(io.StringIO()) as kept: print(x)
        assert kept.getvalue() == f'{x}\\n'
        sys.stderr.close()
        sys.stdout = None
        return x + x
""",
)
_honest(
    "files of its own",
    """
    import os, pathlib
    def double(x):
        path = pathlib.Path('/tmp/note.txt')
        path.write_text(str(x))
        assert path.read_text() == str(x) and 'note.txt' in os.listdir('/tmp')
        path.unlink()
        return x + x
""",
)
_honest(
    "a class with the answer in it",
    """
    class Meta(type):
        def __call__(cls, x): return x + x
    class double(metaclass=Meta): pass
""",
)
_honest(
    "pattern matching and a walrus",
    """
    def double(x):
        match x:
            case str() as text: return text * 2
            case int() | float() if (twice := x + x) is not None: return twice
""",
)
_honest(
    "exits that are caught",
    """
    import sys
    def double(x):
        try: sys.exit(3)
        except SystemExit as ending: assert ending.code == 3
        try: exit()
        except SystemExit: pass
        return x + x
""",
)
