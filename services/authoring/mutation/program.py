"""A parsed program: where its nodes are in the text, and the changes that operators propose to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a program's text.

    Attributes:
        start: Where it begins, in characters from 0.
        end: Up to where the text is replaced.
        text: What is there instead.
        shown: The text around it that tells what is changed, as a start and an end.
        bug_class: What kind of bug it is, where that is not the operator's.
        told: What a label says in place of the new text, where that would say nothing.
    """

    start: int
    end: int
    text: str
    shown: tuple[int, int]
    bug_class: str = ""
    told: str = ""


class Program:
    """A parsed program. Spans are in characters from 0, without the parentheses around an expression."""

    def __init__(self, source: str) -> None:
        """Parses a program.

        Raises:
            ValueError: It cannot be parsed.
        """
        try:
            module = cst.parse_module(source)
        except (cst.ParserSyntaxError, RecursionError) as error:
            raise ValueError(f"the program cannot be parsed: {error}") from error
        if module.code != source:
            raise ValueError("the program has line ends or characters that do not survive parsing")
        wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        self.source = source
        self.module = module
        self._positions = wrapper.resolve(PositionProvider)
        self._parents = wrapper.resolve(ParentNodeProvider)
        lengths = (len(line) for line in source.split("\n"))
        self._lines = [0, *itertools.accumulate(length + 1 for length in lengths)]

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Returns where a node begins and ends."""
        found = self._positions[node]
        return (
            self._lines[found.start.line - 1] + found.start.column,
            self._lines[found.end.line - 1] + found.end.column,
        )

    def start(self, node: cst.CSTNode) -> int:
        """Returns where a node begins."""
        return self.span(node)[0]

    def place(self, offset: int) -> tuple[int, int]:
        """Returns the line, from 1, and the column, from 0, of a place in the text."""
        line = sum(start <= offset for start in self._lines)
        return line, offset - self._lines[line - 1]

    def text(self, node: cst.CSTNode) -> str:
        """Returns the text of a node, without the parentheses around it."""
        start, end = self.span(node)
        return self.source[start:end]

    def operand(self, node: cst.BaseExpression) -> str:
        """Returns the text of an expression, in parentheses if it is in the program."""
        return f"({self.text(node)})" if node.lpar else self.text(node)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """Returns the node around a node; None for the module."""
        return self._parents.get(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yields the nodes around a node, the closest first."""
        found = self.parent(node)
        while found is not None:
            yield found
            found = self.parent(found)

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """Returns the closest function around a node; None outside of functions."""
        return next((found for found in self.ancestors(node) if isinstance(found, cst.FunctionDef)), None)

    def line_start(self, offset: int) -> int:
        """Returns where the line of a place begins."""
        return self.source.rfind("\n", 0, offset) + 1

    def line_end(self, offset: int) -> int:
        """Returns where the line of a place ends: behind its newline, if it has one."""
        found = self.source.find("\n", offset)
        return len(self.source) if found < 0 else found + 1

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """Returns what a small statement stands for in its block: its line, if it is alone on it."""
        line = self.parent(node)
        alone = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
        return line if alone and line is not None else node

    def block(self, node: cst.CSTNode) -> list[cst.CSTNode]:
        """Returns the statements of the indented block, or of the module, that a statement is in; else nothing."""
        around = self.parent(self.statement(node))
        return list(around.body) if isinstance(around, cst.IndentedBlock | cst.Module) else []

    def replace(
        self, node: cst.CSTNode, text: str, *, within: cst.CSTNode | None = None, bug_class: str = ""
    ) -> Change:
        """Returns the change of a node's text, shown as part of `within`."""
        start, end = self.span(node)
        return Change(start, end, text, self.span(within or node), bug_class)

    def remove(self, node: cst.CSTNode) -> Change:
        """Returns the removal of a statement: of its lines, or `pass` in its place where it is the only one."""
        statement = self.statement(node)
        if len(self.block(node)) < 2 or isinstance(statement, cst.BaseSmallStatement):
            return self.replace(node, "pass")
        start, end = self.span(statement)
        return Change(self.line_start(start), self.line_end(end), "", (start, end))


def single_text(program: Program, node: cst.CSTNode) -> bool:
    """Whether no text in a node goes over several lines, so that its lines can be indented differently."""
    if isinstance(node, cst.SimpleString | cst.FormattedString):
        return "\n" not in program.text(node)
    return all(single_text(program, child) for child in node.children)


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yields a node and everything in it."""
    yield node
    for child in node.children:
        yield from walk(child)


def called(node: cst.CSTNode) -> str:
    """Returns the last name of what a call calls, e.g. "append"; empty if it is none or has no name."""
    if not isinstance(node, cst.Call):
        return ""
    function = node.func
    if isinstance(function, cst.Attribute):
        return function.attr.value
    return function.value if isinstance(function, cst.Name) else ""
