"""Calls that do harm when an attacker has a say in what they get, and calls after which that say is gone."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from enum import StrEnum

_SQL = {"execute", "executemany", "executescript"}
_COMMAND = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
_CODE = {"eval", "exec", "compile"}
_LOADED = {
    "pickle.loads",
    "pickle.load",
    "marshal.loads",
    "marshal.load",
    "shelve.open",
    "dill.loads",
    "jsonpickle.decode",
}
_PATH = {"open", "io.open", "os.remove", "os.unlink", "os.rmdir", "os.rename", "send_file", "shutil.rmtree"}
_PATH |= {"shutil.copy", "shutil.move", "os.listdir", "os.scandir"}
_PATH_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "unlink"}
_ADDRESS = {f"{module}.{verb}" for module in ("requests", "httpx") for verb in ("get", "post", "put", "delete", "head")}
_ADDRESS |= {"urlopen", "request.urlopen", "urllib.request.urlopen", "urllib.request.urlretrieve"}
_PAGE = {"Markup", "markupsafe.Markup", "flask.Markup", "mark_safe", "render_template_string"}
_FIRST = {"args", "sql", "statement", "query", "cmd", "command", "file", "path", "url", "source", "data", "stream"}
_SAFE_LOADERS = {"SafeLoader", "CSafeLoader", "BaseLoader"}

CLEANERS = frozenset(
    {
        *("int", "float", "bool", "len", "ord", "hash", "isinstance", "abs", "round"),
        *("quote", "shlex.quote", "basename", "os.path.basename", "secure_filename", "escape", "html.escape"),
        *("literal_eval", "ast.literal_eval", "quote_plus", "urllib.parse.quote", "re.escape", "UUID", "uuid.UUID"),
    }
)
"""Calls whose result an attacker cannot use."""

CHECKS = frozenset({"is_relative_to", "isalnum", "isidentifier", "isdigit", "isdecimal", "fullmatch"})
"""Methods by which a value is checked against what is allowed; `startswith` is one where the path was resolved."""

RESOLVERS = frozenset({"resolve", "realpath", "abspath", "normpath"})
"""Calls that take the ".." out of a path."""


class Kind(StrEnum):
    """A kind of sink."""

    SQL = "sql"
    COMMAND = "command"
    CODE = "code"
    OBJECTS = "objects"
    PATH = "path"
    ADDRESS = "address"
    PAGE = "page"


TEXTS = {
    Kind.SQL: "a parameter becomes part of an SQL statement",
    Kind.COMMAND: "a parameter becomes part of a shell's command",
    Kind.CODE: "a parameter is run as code",
    Kind.OBJECTS: "a parameter is loaded as any object",
    Kind.PATH: "a parameter becomes part of a path without a check of where it leads",
    Kind.ADDRESS: "a parameter decides which host is called",
    Kind.PAGE: "a parameter becomes part of a page unescaped",
}
"""What is wrong, as a clause."""


_BY_NAME = {
    Kind.CODE: _CODE,
    Kind.OBJECTS: _LOADED,
    Kind.PATH: _PATH,
    Kind.ADDRESS: _ADDRESS,
    Kind.PAGE: _PAGE,
}


def dotted(node: ast.expr) -> str:
    """Returns a name with its attributes, e.g. "os.path.join"; the last attribute alone where it is of a value."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def sink_of(call: ast.Call) -> tuple[Kind, ast.expr] | None:
    """Returns the kind of sink that a call is, and what it must not get from an attacker; None if it is none."""
    name = dotted(call.func)
    last = name.rpartition(".")[2]
    named = (keyword.value for keyword in call.keywords if keyword.arg in _FIRST)
    first = call.args[0] if call.args else next(named, None)
    if isinstance(call.func, ast.Attribute) and last in _PATH_METHODS:
        return Kind.PATH, call.func.value
    if first is None:
        return None
    if isinstance(call.func, ast.Attribute) and last in _SQL:
        return Kind.SQL, first
    if isinstance(call.func, ast.Attribute) and last == "from_string":
        return Kind.PAGE, first
    if name in _COMMAND or (name.startswith("subprocess.") and _has_shell(call)):
        return Kind.COMMAND, first
    kinds = (
        (Kind.CODE, _CODE),
        (Kind.OBJECTS, _LOADED),
        (Kind.PATH, _PATH),
        (Kind.ADDRESS, _ADDRESS),
        (Kind.PAGE, _PAGE),
    )
    for kind, names in kinds:
        if name in names:
            return kind, first
    if name == "yaml.load" and not _is_safe_load(call):
        return Kind.OBJECTS, first
    return None


def kinds_in(nodes: Iterable[ast.AST]) -> frozenset[Kind]:
    """Returns the kinds of sinks that a program's nodes have, whatever they get."""
    found = (sink_of(node) for node in nodes if isinstance(node, ast.Call))
    return frozenset(sink[0] for sink in found if sink is not None)


def _has_shell(call: ast.Call) -> bool:
    return any(
        keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        for keyword in call.keywords
    )


def _is_safe_load(call: ast.Call) -> bool:
    loaders = [*call.args[1:], *(keyword.value for keyword in call.keywords if keyword.arg == "Loader")]
    return any(dotted(loader).rpartition(".")[2] in _SAFE_LOADERS for loader in loaders)
