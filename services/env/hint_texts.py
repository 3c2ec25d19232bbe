"""The sentences that hints are made of, by what they answer."""

from __future__ import annotations

from codearena.v1 import core_pb2 as core

TECHNIQUES = {
    "maximum subarray (Kadane)": "Keep the best sum that ends at the current element and the best one seen so far "
    "(Kadane's algorithm): one pass is enough.",
    "two-sum": "Remember in a dictionary what you have seen and look the complement up in it.",
    "three-sum": "Sort once, then move two pointers towards each other for each first element.",
    "binary search": "Halve the range that is left in each round; do not scan, slice or use `in` or `index`.",
    "sliding window": "Move the two ends of one window forward and update what it holds, instead of starting anew.",
    "sorting": "Use the built-in sort, or divide and merge.",
    "prefix sum": "Add up once and take differences of the running totals.",
    "graph traversal": "Visit each node once: keep the visited ones in a set and the waiting ones in a deque.",
    "shortest path": "Take the closest node from a heap instead of searching for it.",
    "tree traversal": "Visit each node once, and pass results up instead of copying lists.",
    "Fibonacci numbers": "Carry the last two values along instead of computing them again.",
    "string matching": "Use the built-in search, or a table of prefixes (Knuth-Morris-Pratt).",
    "counting and duplicates": "Count in a dictionary or a set instead of searching the list again.",
    "aggregation (sum, mean)": "One pass over the input is enough.",
    "prime sieve": "Cross out multiples in one table (sieve of Eratosthenes).",
    "palindrome": "Compare the two ends moving inwards, or with the reversed text, once.",
}
"""Faster ways, by the problem type that the algorithm detector names."""
ANY_TECHNIQUE = (
    "Look for work that is repeated in a loop: searching a list, slicing, adding up again. "
    "A running value, a dictionary or a cache does it once."
)
"""A faster way for problems of no known type."""
ADVICE = {
    "TypeError": "Values of different types meet there: convert them explicitly, and treat None before using it.",
    "ZeroDivisionError": "Treat the empty or zero case before dividing.",
    "IndexError": "Check the bounds: the first and last index, and the empty input.",
    "KeyError": "Check that the key is there before using it.",
    "NameError": "A name is used that is not defined: check its spelling and imports.",
    "UnboundLocalError": "A variable is read before every path has set it.",
    "AttributeError": "The object does not have that attribute: check its type, and whether it is None.",
    "RecursionError": "The recursion does not end: check its base case, or use a loop.",
    "ValueError": "A conversion or call was given a value that it does not accept: check or convert it first.",
    "ModuleNotFoundError": "Only the standard library is there.",
    "ImportError": "Only the standard library is there.",
    "PermissionError": "The sandbox has no network, and starts no programs.",
    "BlockingIOError": "The sandbox has no network, and starts no programs.",
}
"""What to do about an exception, by its name."""
STOPPED = {
    core.OUTCOME_OUT_OF_MEMORY: "It ran out of memory: do not build what you do not need, and check that loops end.",
    core.OUTCOME_OUTPUT_LIMIT_EXCEEDED: "It printed or returned too much: remove debugging output.",
    core.OUTCOME_CRASHED: "The process ended before it had answered: return a value, do not exit.",
}
"""What to do about a program that was stopped, by its outcome; the time limit apart."""
NAMED_CASES = {
    r"\bempty\b": "empty input",
    r"\bNone\b|\bnull\b": "missing values",
    r"\bnegative\b": "negative numbers",
    r"\brais(?:e|es|ed)\b": "what must raise an exception",
    r"\bnot changed\b": "input that must not be changed",
    r"\bvalid\b|\bconsists\b": "input that is not valid",
    r"\btext\b": "the texts it allows",
}
"""Edge cases by a pattern of the words with which a description names them."""
