"""Small edits that often repair a syntax error: of one line, and of the indentation around it."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Iterator

from services.judge.fixer.syntax_brackets import TOKEN, balanced

_OPENERS = r"(?:async\s+)?(?:def|for|with)|class|if|elif|else|while|try|except|finally|match|case"
_BLOCK = re.compile(rf"\s*(?:{_OPENERS})\b")
_TOP_LEVEL = re.compile(r"(?:async\s+def|def|class|import|from|if\s+__name__)\b|@")
_FUNCTION = re.compile(r"\s*(?:(?:async\s+)?def\b|@)")
_CONDITION = re.compile(r"\s*(?:if|elif|while|return|assert)\b")
_LONE_EQUALS = re.compile(r"(?<![=!<>:+\-*/%&|^@~])=(?!=)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_KEYWORDS = sorted({*keyword.kwlist, "print"} - {"None", "True", "False"})
_NEVER_FIRST = frozenset({"and", "or", "in", "is", "as"})
_FOREIGN = {
    "function": "def",
    "func": "def",
    "fn": "def",
    "define": "def",
    "elseif": "elif",
    "elsif": "elif",
    "switch": "match",
    "catch": "except",
    "throw": "raise",
    "foreach": "for",
    "until": "while not",
}
_OPERATORS = (
    (r"&&", "and", "`&&` is `and` in Python"),
    (r"\|\|", "or", "`||` is `or` in Python"),
    (r"!(?![=])", "not ", "`!` is `not` in Python"),
    (r"<>", "!=", "`<>` is `!=` in Python 3"),
    (r"!==", "!=", "`!==` is `!=` in Python"),
    (r"===", "==", "`===` is `==` in Python"),
    (r"=<", "<=", "`=<` is written `<=`"),
    (r"=>", ">=", "`=>` is written `>=`"),
    (r"=!", "!=", "`=!` is written `!=`"),
    (r"(\S+?)\s*\+\+\s*$", r"\1 += 1", "Python has no `++`"),
    (r"(\S+?)\s*--\s*$", r"\1 -= 1", "Python has no `--`"),
    (r"(\w)\s*=\s*([+*/%-])\s*=", r"\1 \2=", "the operator of an assignment stands before `=`"),
    (r":=", "=", "`:=` cannot stand here"),
    (r"\b0+(\d)", r"\1", "a decimal number has no leading zeros"),
    (r";\s*$", "", "no semicolon is needed"),
)
_STATEMENTS = (
    (r"^(\s*)print\s+(?!\()(.+?)\s*$", r"\1print(\2)", "print is a function"),
    (r"^(\s*)print\s*$", r"\1print()", "print is a function"),
    (r"^(\s*)exec\s+(?!\()(.+?)\s*$", r"\1exec(\2)", "exec is a function"),
    (r"^(\s*)raise\s+(\w+)\s*,\s*(.+?)\s*$", r"\1raise \2(\3)", "an exception takes its message in parentheses"),
    (r"^(\s*)except\s+([\w.]+)\s*,\s*(\w+)\s*:", r"\1except \2 as \3:", "an exception is named with `as`"),
    (r"^(\s*)else\s+if\b", r"\1elif", "`else if` is written `elif`"),
    (r"^(\s*)else\s+(?!:)(\S.*)$", r"\1elif \2", "`else` takes no condition"),
    (r"^(\s*)def\s+(\w+)\s*:", r"\1def \2():", "a function has a parameter list"),
    (r"^(\s*)def\s+(\w+)\s+(\w[^():]*)\)?:", r"\1def \2(\3):", "parameters stand in parentheses"),
    (r"^(\s*)for\s+(\w+)\s+(?:of|on|from|=)\s+(.+)$", r"\1for \2 in \3", "a for loop has `in`"),
    (r"^(\s*)for\s*\((.*)\)\s*:?\s*$", r"\1for \2:", "a for loop has no parentheses"),
    (r"^(\s*)(?:var|let|const)\s+(\w+\s*=)", r"\1\2", "a variable is not declared"),
    (r"^(\s*)(?:>>> |\.\.\. )", r"\1", "the prompt of a session is no code"),
)
_TYPOGRAPHY = str.maketrans(
    "\u201c\u201d\u2018\u2019\u2013\u2014\u2212\u00a0\uff0c\uff1a\uff08\uff09",
    "\"\"''--- ,:()",
)


def edits_of_line(line: str, message: str) -> Iterator[tuple[str, str]]:
    """Yields a line in repaired forms, each with what was changed, likely ones first.

    Args:
        line: The line.
        message: What the parser says.
    """
    straight = line.translate(_TYPOGRAPHY)
    if straight != line:
        yield straight, "typographic characters became plain ones"
    code, comment = _split_comment(line)
    if "string literal" in message and comment:
        yield from _closed_strings(line)
    for changed, explanation in _edits_of_code(code, message):
        if changed != code:
            yield changed + comment, explanation


def edits_of_program(lines: list[str], at: int, message: str) -> Iterator[tuple[str, str]]:
    """Yields programs with other white space or fewer lines, each with what was changed.

    Args:
        lines: The program.
        at: Index of the line at which the parser gave up.
        message: What the parser says.
    """
    if any("\t" in line for line in lines) and re.search(r"tab|indent", message.lower()):
        for size in (4, 8):
            yield "\n".join(line.expandtabs(size) for line in lines), "tabs became spaces"
    if any(line.strip().startswith("```") for line in lines):
        kept = [line for line in lines if not line.strip().startswith("```")]
        yield "\n".join(kept), "fences are no code"
    if not 0 <= at < len(lines):
        return
    if "indent" in message:
        yield from _reindented(lines, at, message)
    if "outside function" in message:
        yield _shifted(lines, at, at + 1, _width_before(lines, at) - _width(lines[at])), "the line is in its function"
    if "never closed" in message:
        yield from _closed_later(lines, at)
    if "triple-quoted" in message:
        quotes = "'''" if "'''" in lines[at] else '"""'
        yield "\n".join([*lines[:at], lines[at] + quotes, *lines[at + 1 :]]), "a long text is closed"
        yield "\n".join([*lines, quotes]), "a long text is closed"


def _edits_of_code(code: str, message: str) -> Iterator[tuple[str, str]]:
    if "string literal" in message or "f-string" in message:
        yield from _closed_strings(code)
    for pattern, new, explanation in _STATEMENTS:
        yield re.sub(pattern, new, code), explanation
    if _BLOCK.match(code) and not code.rstrip().endswith(":"):
        yield code.rstrip().rstrip(";,{") + ":", "a colon ends the line that opens a block"
        yield re.sub(r"\)\s*(?=\S+$)", "): ", code, count=1), "a colon ends the line that opens a block"
    if _CONDITION.match(code):
        for found in _LONE_EQUALS.finditer(code):
            yield code[: found.start()] + "==" + code[found.end() :], "`=` assigns, `==` compares"
    yield from balanced(code, block=_BLOCK.match(code) is not None)
    for pattern, new, explanation in _OPERATORS:
        yield re.sub(pattern, new, code), explanation
    yield from _respelt(code)
    if "comma" in message or "never closed" in message or "invalid syntax" in message:
        yield from _with_commas(code)


def _split_comment(line: str) -> tuple[str, str]:
    for token in TOKEN.finditer(line):
        if token.group().startswith("#"):
            start = len(line[: token.start()].rstrip())
            return line[:start], line[start:]
    return line, ""


def _closed_strings(code: str) -> Iterator[tuple[str, str]]:
    odd = [quote for quote in "\"'" if code.count(quote) % 2]
    if len(odd) == len("\"'"):
        rare, common = sorted(odd, key=code.count)
        for wrong, right in ((rare, common), (common, rare)):
            for position in (code.rfind(wrong), code.find(wrong)):
                changed = code[:position] + right + code[position + 1 :]
                yield changed, "a text ends with the quote it began with"
    for quote in odd:
        end = len(code.rstrip())
        for cut in range(end, max(end - 4, 0), -1):
            if all(character in ")]},:" for character in code[cut:end]):
                yield code[:cut] + quote + code[cut:], "a text is closed"
        for place in re.finditer(r"(?<=\b[frb])(?=\W)|(?<=\w)(?!\w)|(?<=[\s(\[{,:=])(?=\S)|(?=[)\]},:])", code):
            yield code[: place.start()] + quote + code[place.start() :], "a text has its two quotes"


def _respelt(code: str) -> Iterator[tuple[str, str]]:
    """Yields the line with a word that is close to a keyword, or another language's, replaced by it."""
    for found in _WORD.finditer(code):
        word = found.group()
        at_start = not code[: found.start()].strip()
        if len(word) < 2 or (word in _KEYWORDS and not (at_start and word in _NEVER_FIRST)):
            continue
        anagrams = [right for right in _KEYWORDS if sorted(right) == sorted(word.lower())]
        close = difflib.get_close_matches(word.lower(), _KEYWORDS, n=2, cutoff=0.6)
        for right in dict.fromkeys([*filter(None, [_FOREIGN.get(word)]), *anagrams, *close]):
            yield code[: found.start()] + right + code[found.end() :], f"`{word}` is spelt `{right}`"
        for right in ("def", "return", "import", "from", "class", "while", "for", "if", "elif", "not", "in"):
            if word.startswith(right) and len(word) > len(right) and code[: found.start()].strip() == "":
                split = f"{right} {word[len(right) :]}"
                yield code[: found.start()] + split + code[found.end() :], f"a blank follows `{right}`"


def _with_commas(code: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"(?<=[\w\"'\])}])\s+(?=[\w\"'\[({])", code):
        yield code[: found.start()] + "," + code[found.start() :], "a comma separates two items"


def _reindented(lines: list[str], at: int, message: str) -> Iterator[tuple[str, str]]:
    width = _width_before(lines, at)
    if "expected an indented block" in message:
        for block in (_block_end(lines, at), at + 1):
            yield _shifted(lines, at, block, width + 4 - _width(lines[at])), "the block is indented"
        header = next((line for line in range(at - 1, -1, -1) if lines[line].strip()), at)
        widths = {_width(line) for line in lines[:header] if line.strip()}
        for target in sorted({*widths, _width_before(lines, header) + 4}, reverse=True):
            if target < width:
                yield _shifted(lines, header, header + 1, target - width), "the line is indented like its block"
        yield "\n".join([*lines[:at], " " * (width + 4) + "pass", *lines[at:]]), "an empty block is `pass`"
        return
    before = sorted({0, *(_width(line) for line in lines[:at] if line.strip())}, reverse=True)
    current = _width(lines[at])
    for target in sorted(before, key=lambda value: (abs(value - current), value != width)):
        for block in (_block_end(lines, at), at + 1):
            yield _shifted(lines, at, block, target - current), "the line is indented like its block"


def _block_end(lines: list[str], at: int) -> int:
    """Returns the index after the lines that are indented at least like line `at`."""
    width = _width(lines[at])
    end = at + 1
    while end < len(lines) and (not lines[end].strip() or _width(lines[end]) >= width):
        if width == 0 and (not lines[end].strip() or _TOP_LEVEL.match(lines[end])):
            break
        if _width(lines[end]) == width and _FUNCTION.match(lines[end]) and not _FUNCTION.match(lines[at]):
            break
        end += 1
    return end


def _shifted(lines: list[str], start: int, end: int, by: int) -> str:
    moved = [" " * max(0, _width(line) + by) + line.lstrip() if line.strip() else line for line in lines[start:end]]
    return "\n".join([*lines[:start], *moved, *lines[end:]])


def _width_before(lines: list[str], at: int) -> int:
    """Returns the indentation of the last line before `at` that is not blank."""
    return _width(next((line for line in reversed(lines[:at]) if line.strip()), ""))


def _width(line: str) -> int:
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip())


def _closed_later(lines: list[str], at: int) -> Iterator[tuple[str, str]]:
    """Yields the program with a bracket that was opened at line `at` closed after one of the next lines."""
    for last in range(at + 1, min(at + 8, len(lines))):
        for closer in ")]}":
            line = lines[last].rstrip()
            closed = line[:-1] + closer + ":" if line.endswith(":") else line + closer
            yield "\n".join([*lines[:last], closed, *lines[last + 1 :]]), "a bracket is closed"
