"""The algorithm detector: a table of programs with the problem and the order that a reader would give them."""

from pathlib import Path

import pytest

from services.env.catalogue import load_catalogue
from services.env.complexity import Analysis, analyse

TASKS = load_catalogue([Path(__file__).parents[2] / "tasks"])

KADANE = "maximum subarray (Kadane)"
SUM = "aggregation (sum, mean)"

# name, problem type, time complexity, source
SNIPPETS = [
    ("constant", "", "O(1)", "def f(a, b):\n    return a * b + 1\n"),
    ("script", "", "O(1)", "print('hello')\n"),
    ("script with a loop", "", "O(n)", "for line in open('x'):\n    print(line)\n"),
    ("one loop", "", "O(n)", "def f(xs):\n    for x in xs:\n        print(x)\n"),
    ("constant range", "", "O(n)", "def f(xs):\n    for x in xs:\n        for d in range(26):\n            print(x, d)\n"),
    (
        "loop over a constant",
        "",
        "O(1)",
        "STEPS = [(0, 1), (1, 0)]\n\ndef f(x):\n    for dx, dy in STEPS:\n        print(x, dx, dy)\n",
    ),
    ("nested comprehension", "", "O(n^2)", "def f(n):\n    return [[i * j for j in range(n)] for i in range(n)]\n"),
    (
        "kadane without its name",
        KADANE,
        "O(n)",
        "def f(xs):\n    cur = best = xs[0]\n    for x in xs[1:]:\n        cur = max(x, cur + x)\n"
        "        best = max(best, cur)\n    return best\n",
    ),
    (
        "quadratic maximum subarray",
        KADANE,
        "O(n^2)",
        "def max_subarray(a):\n    best = a[0]\n    for i in range(len(a)):\n        total = 0\n"
        "        for j in range(i, len(a)):\n            total += a[j]\n            best = max(best, total)\n"
        "    return best\n",
    ),
    (
        "cubic by sum of a slice",
        KADANE,
        "O(n^3)",
        "def max_subarray(a):\n    n = len(a)\n"
        "    return max(sum(a[i:j]) for i in range(n) for j in range(i + 1, n + 1))\n",
    ),
    (
        "two-sum with a hash map",
        "two-sum",
        "O(n)",
        "def two_sum(nums, target):\n    seen = {}\n    for i, x in enumerate(nums):\n        if target - x in seen:\n"
        "            return [seen[target - x], i]\n        seen[x] = i\n",
    ),
    (
        "two-sum with nested loops",
        "two-sum",
        "O(n^2)",
        "def f(nums, target):\n    for i in range(len(nums)):\n        for j in range(i + 1, len(nums)):\n"
        "            if nums[i] + nums[j] == target:\n                return [i, j]\n",
    ),
    (
        "two-sum that searches the list",
        "two-sum",
        "O(n^2)",
        "def two_sum(nums: list[int], target):\n    for x in nums:\n        if target - x in nums:\n"
        "            return nums.index(x)\n",
    ),
    (
        "three-sum",
        "three-sum",
        "O(n^2)",
        "def three_sum(a):\n    a.sort()\n    out = []\n    for i in range(len(a)):\n        lo, hi = i + 1, len(a) - 1\n"
        "        while lo < hi:\n            s = a[i] + a[lo] + a[hi]\n            if s == 0:\n"
        "                out.append((i, lo, hi))\n            if s < 0:\n                lo += 1\n"
        "            else:\n                hi -= 1\n    return out\n",
    ),
    (
        "two pointers",
        "",
        "O(n)",
        "def f(a, b):\n    i = j = 0\n    out = []\n    while i < len(a) and j < len(b):\n        if a[i] < b[j]:\n"
        "            out.append(a[i])\n            i += 1\n        else:\n            out.append(b[j])\n"
        "            j += 1\n    return out\n",
    ),
    (
        "recursive binary search",
        "binary search",
        "O(log n)",
        "def search(a, t, lo, hi):\n    if lo > hi:\n        return -1\n    mid = lo + (hi - lo) // 2\n"
        "    if a[mid] == t:\n        return mid\n    if a[mid] < t:\n        return search(a, t, mid + 1, hi)\n"
        "    return search(a, t, lo, mid - 1)\n",
    ),
    (
        "binary search on slices",
        "binary search",
        "O(n)",
        "def search(a, t):\n    if not a:\n        return False\n    mid = len(a) // 2\n    if a[mid] == t:\n"
        "        return True\n    if a[mid] < t:\n        return search(a[mid + 1:], t)\n"
        "    return search(a[:mid], t)\n",
    ),
    (
        "linear scan for binary search",
        "binary search",
        "O(n)",
        "def binary_search(arr, target):\n    for i, x in enumerate(arr):\n        if x == target:\n            return i\n"
        "    return -1\n",
    ),
    (
        "binary search by index",
        "binary search",
        "O(n)",
        "def binary_search(arr, target):\n    return arr.index(target) if target in arr else -1\n",
    ),
    (
        "digits of a number",
        "",
        "O(log n)",
        "def f(n):\n    out = []\n    while n > 0:\n        out.append(n % 10)\n        n //= 10\n    return out\n",
    ),
    ("doubling", "", "O(log n)", "def f(n):\n    i = 1\n    while i < n:\n        i *= 2\n    return i\n"),
    (
        "sliding window of fixed size",
        "sliding window",
        "O(n)",
        "def f(a, k):\n    window = sum(a[:k])\n    best = window\n    for i in range(k, len(a)):\n"
        "        window += a[i] - a[i - k]\n        best = max(best, window)\n    return best\n",
    ),
    (
        "sliding window of varying size",
        "sliding window",
        "O(n)",
        "def f(text):\n    seen = set()\n    left = best = 0\n    for right in range(len(text)):\n"
        "        while text[right] in seen:\n            seen.remove(text[left])\n            left += 1\n"
        "        seen.add(text[right])\n        best = max(best, right - left + 1)\n    return best\n",
    ),
    (
        "bubble sort",
        "sorting",
        "O(n^2)",
        "def f(a):\n    for i in range(len(a)):\n        for j in range(len(a) - i - 1):\n            if a[j] > a[j + 1]:\n"
        "                a[j], a[j + 1] = a[j + 1], a[j]\n    return a\n",
    ),
    (
        "insertion sort",
        "sorting",
        "O(n^2)",
        "def insertion_sort(a):\n    for i in range(1, len(a)):\n        key = a[i]\n        j = i - 1\n"
        "        while j >= 0 and a[j] > key:\n            a[j + 1] = a[j]\n            j -= 1\n"
        "        a[j + 1] = key\n    return a\n",
    ),
    (
        "merge sort",
        "sorting",
        "O(n log n)",
        "def merge_sort(a):\n    if len(a) < 2:\n        return a\n    mid = len(a) // 2\n"
        "    left, right = merge_sort(a[:mid]), merge_sort(a[mid:])\n    i = j = 0\n    out = []\n"
        "    while i < len(left) and j < len(right):\n        if left[i] < right[j]:\n            out.append(left[i])\n"
        "            i += 1\n        else:\n            out.append(right[j])\n            j += 1\n"
        "    return out + left[i:] + right[j:]\n",
    ),
    (
        "quicksort",
        "sorting",
        "O(n^2)",
        "def quicksort(a):\n    if len(a) < 2:\n        return a\n    p = a[0]\n    low = [x for x in a[1:] if x < p]\n"
        "    high = [x for x in a[1:] if x >= p]\n    return quicksort(low) + [p] + quicksort(high)\n",
    ),
    (
        "heap sort",
        "sorting",
        "O(n log n)",
        "import heapq\n\ndef heap_sort(a):\n    heap = []\n    for x in a:\n        heapq.heappush(heap, x)\n"
        "    return [heapq.heappop(heap) for _ in range(len(a))]\n",
    ),
    (
        "heap sort by sifting down",
        "sorting",
        "O(n log n)",
        "def sift(a, n, i):\n    largest = i\n    l, r = 2 * i + 1, 2 * i + 2\n    if l < n and a[l] > a[largest]:\n"
        "        largest = l\n    if r < n and a[r] > a[largest]:\n        largest = r\n    if largest != i:\n"
        "        a[i], a[largest] = a[largest], a[i]\n        sift(a, n, largest)\n\n"
        "def heap_sort(a):\n    n = len(a)\n    for i in range(n // 2, -1, -1):\n        sift(a, n, i)\n"
        "    for end in range(n - 1, 0, -1):\n        a[0], a[end] = a[end], a[0]\n        sift(a, end, 0)\n",
    ),
    ("built-in sort", "sorting", "O(n log n)", "def sort_numbers(a):\n    return sorted(a)\n"),
    (
        "prefix sums",
        "prefix sum",
        "O(n)",
        "def f(a):\n    out = [0]\n    for x in a:\n        out.append(out[-1] + x)\n    return out\n",
    ),
    (
        "prefix sums anew each time",
        "prefix sum",
        "O(n^2)",
        "def running_sum(a):\n    return [sum(a[: i + 1]) for i in range(len(a))]\n",
    ),
    (
        "breadth-first search",
        "graph traversal",
        "O(V + E)",
        "from collections import deque\n\ndef f(graph, start):\n    visited = {start}\n    queue = deque([start])\n"
        "    order = []\n    while queue:\n        node = queue.popleft()\n        order.append(node)\n"
        "        for other in graph[node]:\n            if other not in visited:\n                visited.add(other)\n"
        "                queue.append(other)\n    return order\n",
    ),
    (
        "breadth-first search with a list as its queue",
        "graph traversal",
        "O(n^2)",
        "def bfs(graph, start):\n    visited = {start}\n    queue = [start]\n    while queue:\n        node = queue.pop(0)\n"
        "        for other in graph[node]:\n            if other not in visited:\n                visited.add(other)\n"
        "                queue.append(other)\n    return visited\n",
    ),
    (
        "depth-first search of all components",
        "graph traversal",
        "O(V + E)",
        "def dfs(graph, node, visited):\n    visited.add(node)\n    for other in graph[node]:\n"
        "        if other not in visited:\n            dfs(graph, other, visited)\n\n"
        "def components(graph):\n    visited = set()\n    total = 0\n    for node in graph:\n"
        "        if node not in visited:\n            total += 1\n            dfs(graph, node, visited)\n    return total\n",
    ),
    (
        "flood fill",
        "graph traversal",
        "O(n^2)",
        "def num_islands(grid):\n    def sink(r, c):\n        if r < 0 or c < 0 or r >= len(grid) or c >= len(grid[0]):\n"
        "            return\n        if grid[r][c] != '1':\n            return\n        grid[r][c] = '0'\n"
        "        sink(r + 1, c)\n        sink(r - 1, c)\n        sink(r, c + 1)\n        sink(r, c - 1)\n"
        "    total = 0\n    for r in range(len(grid)):\n        for c in range(len(grid[0])):\n"
        "            if grid[r][c] == '1':\n                total += 1\n                sink(r, c)\n    return total\n",
    ),
    (
        "topological order",
        "graph traversal",
        "O(V + E)",
        "def topological_order(graph, degree):\n    ready = [n for n in graph if degree[n] == 0]\n    order = []\n"
        "    while ready:\n        node = ready.pop()\n        order.append(node)\n        for other in graph[node]:\n"
        "            degree[other] -= 1\n            if degree[other] == 0:\n                ready.append(other)\n"
        "    return order\n",
    ),
    (
        "Dijkstra",
        "shortest path",
        "O((V + E) log V)",
        "import heapq\n\ndef dijkstra(graph, start):\n    dist = {start: 0}\n    heap = [(0, start)]\n    while heap:\n"
        "        d, node = heapq.heappop(heap)\n        if d > dist[node]:\n            continue\n"
        "        for other, cost in graph[node]:\n            if d + cost < dist.get(other, float('inf')):\n"
        "                dist[other] = d + cost\n                heapq.heappush(heap, (d + cost, other))\n"
        "    return dist\n",
    ),
    (
        "tree depth",
        "tree traversal",
        "O(n)",
        "def f(node):\n    if node is None:\n        return 0\n    return 1 + max(f(node.left), f(node.right))\n",
    ),
    (
        "level order of a tree",
        "tree traversal",
        "O(n)",
        "from collections import deque\n\ndef level_order(root):\n    queue = deque([root])\n    out = []\n    while queue:\n"
        "        level = []\n        for _ in range(len(queue)):\n            node = queue.popleft()\n"
        "            level.append(node.value)\n            for child in node.children:\n"
        "                queue.append(child)\n        out.append(level)\n    return out\n",
    ),
    (
        "naive Fibonacci",
        "Fibonacci numbers",
        "O(2^n)",
        "def f(n):\n    if n < 2:\n        return n\n    return f(n - 1) + f(n - 2)\n",
    ),
    (
        "Fibonacci with lru_cache",
        "Fibonacci numbers",
        "O(n)",
        "from functools import lru_cache\n\n@lru_cache(maxsize=None)\ndef f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\n",
    ),
    (
        "Fibonacci with a dictionary",
        "Fibonacci numbers",
        "O(n)",
        "def fib(n, memo={}):\n    if n in memo:\n        return memo[n]\n    if n < 2:\n        return n\n"
        "    memo[n] = fib(n - 1, memo) + fib(n - 2, memo)\n    return memo[n]\n",
    ),
    (
        "coin change by table",
        "knapsack",
        "O(n^2)",
        "def coin_change(coins, amount):\n    dp = [0] + [amount + 1] * amount\n    for coin in coins:\n"
        "        for value in range(coin, amount + 1):\n            dp[value] = min(dp[value], dp[value - coin] + 1)\n"
        "    return dp[amount]\n",
    ),
    (
        "coin change without memory",
        "knapsack",
        "O(2^n)",
        "def coin_change(coins, amount):\n    if amount == 0:\n        return 0\n    best = 10**9\n    for coin in coins:\n"
        "        if coin <= amount:\n            best = min(best, 1 + coin_change(coins, amount - coin))\n    return best\n",
    ),
    (
        "longest common subsequence",
        "longest common subsequence",
        "O(n^2)",
        "def lcs(a, b):\n    dp = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]\n    for i in range(len(a)):\n"
        "        for j in range(len(b)):\n            if a[i] == b[j]:\n                dp[i + 1][j + 1] = dp[i][j] + 1\n"
        "            else:\n                dp[i + 1][j + 1] = max(dp[i][j + 1], dp[i + 1][j])\n    return dp[-1][-1]\n",
    ),
    (
        "grid paths with a cache",
        "dynamic programming",
        "O(n^2)",
        "import functools\n\n@functools.cache\ndef paths(r, c):\n    if r == 0 or c == 0:\n        return 1\n"
        "    return paths(r - 1, c) + paths(r, c - 1)\n\ndef memo(r, c):\n    return paths(r, c)\n",
    ),
    (
        "naive string matching",
        "string matching",
        "O(n^2)",
        "def f(text, pattern):\n    m = len(pattern)\n    for i in range(len(text) - m + 1):\n"
        "        if text[i:i + m] == pattern:\n            return i\n    return -1\n",
    ),
    ("palindrome", "palindrome", "O(n)", "def f(s):\n    return s == s[::-1]\n"),
    (
        "sieve",
        "prime sieve",
        "O(n log log n)",
        "def sieve(n):\n    prime = [True] * (n + 1)\n    for i in range(2, int(n**0.5) + 1):\n        if prime[i]:\n"
        "            for j in range(i * i, n + 1, i):\n                prime[j] = False\n"
        "    return [i for i in range(2, n + 1) if prime[i]]\n",
    ),
    (
        "primes by trial division",
        "prime sieve",
        "O(n sqrt(n))",
        "def is_prime(n):\n    i = 2\n    while i * i <= n:\n        if n % i == 0:\n            return False\n        i += 1\n"
        "    return n > 1\n\ndef primes(n):\n    return [i for i in range(n) if is_prime(i)]\n",
    ),
    (
        "trial division",
        "primality test",
        "O(sqrt(n))",
        "def is_prime(n):\n    return n > 1 and all(n % i for i in range(2, int(n**0.5) + 1))\n",
    ),
    (
        "greatest common divisor",
        "greatest common divisor",
        "O(log n)",
        "def f(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n",
    ),
    (
        "recursive greatest common divisor",
        "greatest common divisor",
        "O(log n)",
        "def gcd(a, b):\n    return a if b == 0 else gcd(b, a % b)\n",
    ),
    (
        "fast power",
        "exponentiation",
        "O(log n)",
        "def power(x, n):\n    if n == 0:\n        return 1\n    half = power(x, n // 2)\n"
        "    return half * half * (x if n % 2 else 1)\n",
    ),
    (
        "power by two halves",
        "exponentiation",
        "O(n)",
        "def power(x, n):\n    if n < 2:\n        return x if n else 1\n    return power(x, n // 2) * power(x, n - n // 2)\n",
    ),
    ("factorial", "factorial", "O(n)", "def factorial(n):\n    return 1 if n < 2 else n * factorial(n - 1)\n"),
    ("recursion on a shorter copy", "", "O(n^2)", "def f(a):\n    return a[0] * f(a[1:]) if a else 1\n"),
    (
        "mutual recursion",
        "",
        "O(n)",
        "def even(n):\n    return n == 0 or odd(n - 1)\n\ndef odd(n):\n    return n != 0 and even(n - 1)\n",
    ),
    (
        "towers of Hanoi",
        "",
        "O(2^n)",
        "def hanoi(n, a, b, c):\n    if n:\n        hanoi(n - 1, a, c, b)\n        print(a, c)\n        hanoi(n - 1, b, a, c)\n",
    ),
    (
        "permutations",
        "permutations and subsets",
        "O(n!)",
        "def permute(nums):\n    out = []\n    def extend(path):\n        if len(path) == len(nums):\n"
        "            out.append(path[:])\n            return\n        for x in nums:\n            if x in path:\n"
        "                continue\n            path.append(x)\n            extend(path)\n            path.pop()\n"
        "    extend([])\n    return out\n",
    ),
    (
        "subsets",
        "permutations and subsets",
        "O(2^n)",
        "def subsets(nums):\n    out = []\n    def extend(start, path):\n        out.append(path[:])\n"
        "        for i in range(start, len(nums)):\n            path.append(nums[i])\n            extend(i + 1, path)\n"
        "            path.pop()\n    extend(0, [])\n    return out\n",
    ),
    (
        "permutations by itertools",
        "",
        "O(n!)",
        "import itertools\n\ndef f(a):\n    return min(sum(p) for p in itertools.permutations(a))\n",
    ),
    (
        "all masks",
        "",
        "O(2^n)",
        "def f(a):\n    out = []\n    for mask in range(1 << len(a)):\n        out.append(mask)\n    return out\n",
    ),
    (
        "matrix product",
        "matrix multiplication",
        "O(n^3)",
        "def matmul(a, b):\n    n = len(a)\n    return [[sum(a[i][k] * b[k][j] for k in range(n)) for j in range(n)]"
        " for i in range(n)]\n",
    ),
    (
        "balanced brackets",
        "balanced brackets",
        "O(n)",
        "def is_balanced(text):\n    pairs = {')': '(', ']': '['}\n    stack = []\n    for c in text:\n        if c in pairs:\n"
        "            if not stack or stack.pop() != pairs[c]:\n                return False\n        else:\n"
        "            stack.append(c)\n    return not stack\n",
    ),
    (
        "monotonic stack",
        "",
        "O(n)",
        "def warmer(t):\n    out = [0] * len(t)\n    stack = []\n    for i in range(len(t)):\n"
        "        while stack and t[stack[-1]] < t[i]:\n            j = stack.pop()\n            out[j] = i - j\n"
        "        stack.append(i)\n    return out\n",
    ),
    (
        "merging intervals",
        "merging intervals",
        "O(n log n)",
        "def merge_intervals(a):\n    a = sorted(a)\n    out = [a[0]]\n    for start, end in a[1:]:\n"
        "        if start <= out[-1][1]:\n            out[-1][1] = max(out[-1][1], end)\n        else:\n"
        "            out.append([start, end])\n    return out\n",
    ),
    ("duplicates by set", "counting and duplicates", "O(n)", "def has_duplicates(a):\n    return len(a) != len(set(a))\n"),
    (
        "duplicates by list",
        "counting and duplicates",
        "O(n^2)",
        "def has_duplicates(a):\n    seen = []\n    for x in a:\n        if x in seen:\n            return True\n"
        "        seen.append(x)\n    return False\n",
    ),
    (
        "count in a loop",
        "counting and duplicates",
        "O(n^2)",
        "def most_common(a):\n    return max(a, key=lambda x: a.count(x))\n\n\ndef f(a):\n    return [a.count(x) for x in a]\n",
    ),
    (
        "insert at the front",
        "",
        "O(n^2)",
        "def f(a):\n    out = []\n    for x in a:\n        out.insert(0, x)\n    return out\n",
    ),
    (
        "text built in a loop",
        "",
        "O(n^2)",
        "def f(words):\n    out = ''\n    for word in words:\n        out += word\n    return out\n",
    ),
    ("text joined", "", "O(n)", "def f(words):\n    return ', '.join(word.strip() for word in words)\n"),
    ("sorting in a loop", "", "O(n^2 log n)", "def f(rows):\n    for row in rows:\n        row.sort()\n    return rows\n"),
    ("helper in a loop", "", "O(n^2)", "def g(a):\n    return max(a)\n\ndef f(a):\n    for _ in a:\n        g(a)\n"),
    (
        "class",
        "",
        "O(n)",
        "class Stack:\n    def __init__(self):\n        self.items = []\n    def search(self, x):\n"
        "        for item in self.items:\n            if item == x:\n                return True\n",
    ),
]


@pytest.mark.parametrize(("problem", "time", "source"), [s[1:] for s in SNIPPETS], ids=[s[0] for s in SNIPPETS])
def test_reads_problem_and_complexity(problem, time, source):
    found = analyse(source)
    assert (found.problem_type, found.time_complexity) == (problem, time)


# task, problem type, buggy code, reference, best
CATALOGUE = [
    ("easy-1", SUM, "", "O(n)", "O(n)"),
    ("medium-1", "binary search", "O(log n)", "O(log n)", "O(log n)"),
    ("hard-1", KADANE, "O(n^3)", "O(n)", "O(n)"),
    ("type_errors-1", "", "O(1)", "O(1)", ""),
    ("type_errors-2", SUM, "O(n)", "O(n)", "O(n)"),
    ("type_errors-3", SUM, "O(n)", "O(n)", "O(n)"),
    ("security_bugs-1", "", "O(n)", "O(n)", ""),
    ("security_bugs-2", "", "O(1)", "O(1)", ""),
    ("security_bugs-3", "", "O(1)", "O(n)", ""),
]


@pytest.mark.parametrize(("task_id", "problem", "buggy", "reference", "best"), CATALOGUE, ids=[c[0] for c in CATALOGUE])
def test_reads_the_catalogue(task_id, problem, buggy, reference, best):
    task = TASKS.get(task_id)
    found = analyse(task.reference)
    assert (found.problem_type, found.time_complexity, found.best_complexity) == (problem, reference, best)
    assert analyse(task.buggy_code).time_complexity == buggy


def test_names_every_function_and_the_module():
    found = analyse("class A:\n    def one(self):\n        return 1\n\ndef many(xs):\n    return sum(xs)\n")
    assert [(f.name, f.line, f.time_complexity) for f in found.functions] == [
        ("<module>", 1, "O(1)"),
        ("one", 2, "O(1)"),
        ("many", 5, "O(n)"),
    ]


def test_crosses_the_wire():
    estimate = analyse("def kadane(a):\n    return max(a)\n").to_proto()
    assert (estimate.problem_type, estimate.time_complexity, estimate.best_complexity) == (KADANE, "O(n)", "O(n)")


@pytest.mark.parametrize(
    "source",
    [
        "def f(:",
        "x = '\0'",
        "(" * 300 + ")" * 300,
        "-" * 100_000 + "1",
        "x = " + "+".join(["1"] * 20_000),
        "x = 1" + "0" * 5000,
        "\ud800",
        "x" * 300_000,
        "".join(f"def f{i}(): f{i + 1}()\n" for i in range(600)),
    ],
    ids=["syntax", "nul", "parentheses", "signs", "long sum", "long number", "surrogate", "too long", "functions"],
)
def test_gives_nothing_for_what_it_cannot_read(source):
    assert analyse(source) == Analysis()


def test_is_quiet_about_doubtful_syntax(recwarn):
    assert analyse("x = '\\d' is 1\n").time_complexity == "O(1)"
    assert not recwarn.list
