"""Recognises the problem that a program solves, by the names of its functions and the shape of its code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from services.env.bigo.order import LINEAR, LINEARITHMIC, Order

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_GRAPH = "O(V + E)"
_HEAP_GRAPH = "O((V + E) log V)"


@dataclass(frozen=True, slots=True)
class Problem:
    """A known problem.

    Attributes:
        name: For people, e.g. "maximum subarray (Kadane)".
        best: The best known time complexity; empty where it depends on the problem at hand.
        shown: How an order is usually written for this problem, e.g. O(n) of a graph search as O(V + E).
    """

    name: str
    best: str
    shown: tuple[tuple[Order, str], ...] = ()

    def display(self, order: Order) -> str:
        """Returns an order as it is usually written for this problem."""
        return dict(self.shown).get(order, str(order))


@dataclass(frozen=True, slots=True)
class Shape:
    """What the recognisers look at.

    Attributes:
        names: The words of each function's name, one set a function.
        words: All words of all names in the program.
        nodes: Every node of the program.
    """

    names: tuple[frozenset[str], ...]
    words: frozenset[str]
    nodes: tuple[ast.AST, ...] = field(repr=False)

    def each(self, kind: type[ast.AST]) -> Iterator[ast.AST]:
        """Yields the nodes of a kind."""
        return (node for node in self.nodes if isinstance(node, kind))


@dataclass(frozen=True, slots=True)
class _Rule:
    problem: Problem
    phrases: tuple[str, ...] = ()
    shape: Callable[[Shape], bool] | None = None

    def matches(self, shape: Shape) -> bool:
        wanted = [frozenset(phrase.split()) for phrase in self.phrases]
        if any(phrase <= name for phrase in wanted for name in shape.names):
            return True
        return self.shape is not None and self.shape(shape)


def detect(tree: ast.Module) -> Problem | None:
    """Returns the problem that a program solves, None if none is recognised.

    A function's name counts first; a shape counts where no name tells.
    """
    shape = _shape(tree)
    for named in (True, False):
        for rule in _RULES:
            candidate = _Rule(rule.problem, rule.phrases) if named else rule
            if candidate.matches(shape):
                return rule.problem
    return None


def _shape(tree: ast.Module) -> Shape:
    nodes = tuple(ast.walk(tree))
    functions = [node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    used |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    words = frozenset(word for name in {*used, *functions} for word in _words(name))
    return Shape(tuple(_words(name) for name in functions), words, nodes)


def _words(name: str) -> frozenset[str]:
    parts = [part.lower() for part in _WORD.findall(name)]
    return frozenset([*parts, "".join(parts)])


def _same(left: ast.expr, right: ast.expr) -> bool:
    return ast.dump(left) == ast.dump(right)


def _is_kadane(shape: Shape) -> bool:
    """`max(value, current + value)`, or sums of slices compared in nested loops."""
    for node in shape.each(ast.Call):
        match node:
            case ast.Call(func=ast.Name(id="max"), args=[ast.BinOp(op=ast.Add()) as total, other]):
                pass
            case ast.Call(func=ast.Name(id="max"), args=[other, ast.BinOp(op=ast.Add()) as total]):
                pass
            case _:
                continue
        if _same(total.left, other) or _same(total.right, other):
            return not {"dp", "knapsack"} & shape.words
    return False


def _is_two_sum(shape: Shape) -> bool:
    complements = {
        target.id
        for node in shape.each(ast.Assign)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Sub)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in shape.each(ast.Compare):
        match node:
            case ast.Compare(left=ast.BinOp(op=ast.Sub()), ops=[ast.In() | ast.NotIn()]):
                return True
            case ast.Compare(left=ast.Name(id=name), ops=[ast.In() | ast.NotIn()]) if name in complements:
                return True
            case ast.Compare(
                left=ast.BinOp(left=ast.Subscript(), op=ast.Add(), right=ast.Subscript()),
                ops=[ast.Eq()],
                comparators=[ast.Name()],
            ):
                return True
    return False


def _is_binary_search(shape: Shape) -> bool:
    middles = {
        target.id
        for node in shape.each(ast.Assign)
        if isinstance(node, ast.Assign) and _has_halving(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return any(
        isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Name) and part.slice.id in middles
        for node in shape.each(ast.Compare)
        for part in ast.walk(node)
    )


def _has_halving(value: ast.expr) -> bool:
    match value:
        case ast.BinOp(left=left, op=ast.FloorDiv() | ast.RShift() | ast.Add(), right=right):
            if isinstance(value.op, ast.Add):
                return _has_halving(left) or _has_halving(right)
            return isinstance(right, ast.Constant) and right.value in (1, 2)
    return False


def _is_sliding_window(shape: Shape) -> bool:
    """`total += arr[i] - arr[i - k]`, or a window's start that is moved in a loop within a loop."""
    if {"window", "win"} & shape.words:
        return True
    for outer in shape.each(ast.For):
        inner = [node for node in ast.walk(outer) if isinstance(node, ast.While)]
        moved = {
            node.target.id
            for loop in inner
            for node in ast.walk(loop)
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name)
        }
        reset = {
            target.id
            for node in ast.walk(outer)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        if (moved & {"left", "start", "lo", "low", "l", "begin"}) - reset:
            return True
    return False


def _is_sorting(shape: Shape) -> bool:
    """Two items of one list change places in nested loops."""
    swaps = {id(node) for node in shape.each(ast.Assign) if _swaps(node)}
    loops = [*shape.each(ast.For), *shape.each(ast.While)]
    for loop in loops if swaps else []:
        inner = [node for node in ast.walk(loop) if node is not loop]
        if any(isinstance(node, (ast.For, ast.While)) for node in inner) and any(id(node) in swaps for node in inner):
            return True
    return False


def _swaps(node: ast.AST) -> bool:
    match node:
        case ast.Assign(
            targets=[ast.Tuple(elts=[ast.Subscript() as a, ast.Subscript() as b])],
            value=ast.Tuple(elts=[ast.Subscript() as c, ast.Subscript() as d]),
        ):
            return ast.unparse(a) == ast.unparse(d) and ast.unparse(b) == ast.unparse(c)
    return False


def _is_heap_graph(shape: Shape) -> bool:
    return bool({"heappop", "heapq"} & shape.words) and _mentions_graph(shape)


def _mentions_graph(shape: Shape) -> bool:
    return bool({"graph", "neighbors", "neighbours", "neighbor", "neighbour", "adj", "adjacency"} & shape.words)


def _is_graph(shape: Shape) -> bool:
    loops = any(True for _ in [*shape.each(ast.While), *shape.each(ast.For)])
    return loops and (_mentions_graph(shape) or {"visited", "edges"} <= shape.words)


def _is_tree(shape: Shape) -> bool:
    attributes = {node.attr for node in shape.each(ast.Attribute) if isinstance(node, ast.Attribute)}
    return {"left", "right"} <= attributes or ("children" in attributes)


def _is_fibonacci(shape: Shape) -> bool:
    for node in shape.each(ast.BinOp):
        match node:
            case ast.BinOp(
                left=ast.Call(args=[ast.BinOp(op=ast.Sub(), right=ast.Constant(value=1))]),
                op=ast.Add(),
                right=ast.Call(args=[ast.BinOp(op=ast.Sub(), right=ast.Constant(value=2))]),
            ):
                return True
    return False


def _is_prefix_sum(shape: Shape) -> bool:
    for node in shape.each(ast.Call):
        match node:
            case ast.Call(func=ast.Attribute(attr="accumulate") | ast.Name(id="accumulate")):
                return True
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="append"),
                args=[ast.BinOp(left=ast.Subscript(value=ast.Name(id=same)), op=ast.Add())],
            ) if name == same:
                return True
    return "prefix" in shape.words


def _is_string_matching(shape: Shape) -> bool:
    """`text[i:i + m] == pattern`."""
    return any(
        isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Subscript)
        and isinstance(node.left.slice, ast.Slice)
        and isinstance(node.left.slice.lower, ast.Name)
        and isinstance(node.comparators[0], ast.Name)
        for node in shape.each(ast.Compare)
    )


def _is_palindrome(shape: Shape) -> bool:
    for node in shape.each(ast.Compare):
        match node:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Subscript(value=value) as right]):
                reverses = ast.unparse(right.slice) == "::-1"
                if reverses and _same(left, value):
                    return True
    return False


def _is_gcd(shape: Shape) -> bool:
    for node in shape.each(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Tuple(elts=[ast.Name(id=a), ast.Name(id=b)])],
                value=ast.Tuple(elts=[ast.Name(id=c), ast.BinOp(left=ast.Name(id=d), op=ast.Mod())]),
            ) if (a, b) == (d, c):
                return True
    return False


def _is_dynamic(shape: Shape) -> bool:
    decorated = {"lru_cache", "cache"} & {node.id for node in shape.each(ast.Name) if isinstance(node, ast.Name)}
    return bool({"dp", "memo", "memoize"} & shape.words or decorated)


def _is_aggregation(shape: Shape) -> bool:
    """A total that is added up in a loop and returned, or `sum(...)`."""
    summed = {
        node.target.id
        for loop in shape.each(ast.For)
        for node in ast.walk(loop)
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name)
    }
    for node in shape.each(ast.Return):
        match node:
            case ast.Return(value=ast.Call(func=ast.Name(id="sum"))):
                return True
            case ast.Return(value=ast.BinOp(left=ast.Call(func=ast.Name(id="sum")), op=ast.Div())):
                return True
            case ast.Return(value=ast.Name(id=name) | ast.BinOp(left=ast.Name(id=name), op=ast.Div())):
                if name in summed & {"total", "sum", "result", "acc", "count", "s"}:
                    return True
    return False


_RULES = (
    _Rule(
        Problem("maximum subarray (Kadane)", "O(n)"),
        ("kadane", "max subarray", "maximum subarray", "max sub array", "largest contiguous sum"),
        _is_kadane,
    ),
    _Rule(Problem("three-sum", "O(n^2)"), ("three sum", "3 sum", "threesum")),
    _Rule(Problem("two-sum", "O(n)"), ("two sum", "2 sum", "twosum", "pair sum", "pairs sum"), _is_two_sum),
    _Rule(
        Problem("shortest path", _HEAP_GRAPH, ((LINEARITHMIC, _HEAP_GRAPH), (LINEAR, _GRAPH))),
        ("dijkstra", "shortest path"),
        _is_heap_graph,
    ),
    _Rule(
        Problem("graph traversal", _GRAPH, ((LINEAR, _GRAPH),)),
        ("bfs", "dfs", "topological", "topo sort", "num islands", "connected components", "flood fill", "has cycle"),
        _is_graph,
    ),
    _Rule(
        Problem("tree traversal", "O(n)"),
        ("inorder", "preorder", "postorder", "level order", "tree depth", "max depth", "tree height"),
        _is_tree,
    ),
    _Rule(
        Problem("binary search", "O(log n)"),
        ("binary search", "bisect", "search insert", "search rotated", "search sorted"),
        _is_binary_search,
    ),
    _Rule(
        Problem("sliding window", "O(n)"),
        ("sliding window", "longest substring", "min window", "max window", "longest unique"),
        _is_sliding_window,
    ),
    _Rule(Problem("longest increasing subsequence", "O(n log n)"), ("lis", "longest increasing")),
    _Rule(Problem("longest common subsequence", "O(n^2)"), ("lcs", "longest common subsequence")),
    _Rule(Problem("edit distance", "O(n^2)"), ("edit distance", "levenshtein")),
    _Rule(Problem("knapsack", "O(n^2)"), ("knapsack", "coin change", "subset sum")),
    _Rule(Problem("Fibonacci numbers", "O(log n)"), ("fib", "fibonacci", "climb stairs"), _is_fibonacci),
    _Rule(
        Problem("string matching", "O(n)"),
        ("kmp", "rabin karp", "find pattern", "find substring", "match pattern", "str str", "search pattern"),
        _is_string_matching,
    ),
    _Rule(Problem("prime sieve", "O(n log log n)", ((LINEARITHMIC, "O(n log log n)"),)), ("sieve", "primes")),
    _Rule(Problem("primality test", "O(sqrt(n))"), ("is prime", "isprime")),
    _Rule(Problem("greatest common divisor", "O(log n)"), ("gcd", "greatest common divisor"), _is_gcd),
    _Rule(Problem("exponentiation", "O(log n)"), ("power", "fast pow", "exponentiate", "mod pow")),
    _Rule(Problem("factorial", "O(n)"), ("factorial",)),
    _Rule(Problem("permutations and subsets", ""), ("permute", "permutations", "subsets", "queens", "backtrack")),
    _Rule(Problem("matrix multiplication", "O(n^3)"), ("matmul", "matrix multiply", "multiply matrices")),
    _Rule(Problem("merging intervals", "O(n log n)"), ("merge intervals",)),
    _Rule(Problem("balanced brackets", "O(n)"), ("balanced", "valid parentheses", "matching brackets")),
    _Rule(Problem("palindrome", "O(n)"), ("palindrome", "ispalindrome"), _is_palindrome),
    _Rule(
        Problem("counting and duplicates", "O(n)"),
        ("anagram", "anagrams", "duplicate", "duplicates", "frequency", "most common", "unique", "majority"),
    ),
    _Rule(Problem("selection (k-th element)", "O(n)"), ("kth", "nth largest", "top k", "quickselect")),
    _Rule(
        Problem("prefix sum", "O(n)"),
        ("prefix sum", "prefix sums", "range sum", "running sum", "cumulative sum"),
        _is_prefix_sum,
    ),
    _Rule(Problem("sorting", "O(n log n)"), ("sort", "sorted", "mergesort", "quicksort"), _is_sorting),
    _Rule(Problem("dynamic programming", ""), (), _is_dynamic),
    _Rule(
        Problem("aggregation (sum, mean)", "O(n)"),
        ("average", "mean", "total"),
        _is_aggregation,
    ),
)
