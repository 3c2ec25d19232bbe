"""Names of a program that might carry a message, and neutral ones in their place."""

from __future__ import annotations

import ast
import base64
import builtins
import collections
import contextlib
import copy
import dataclasses
import datetime
import decimal
import enum
import functools
import hashlib
import hmac
import html
import io
import itertools
import json
import math
import operator
import os
import pathlib
import random
import re
import secrets
import shlex
import shutil
import sqlite3
import ssl
import string
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import typing
from collections.abc import Iterator, Mapping
from itertools import count
from types import ModuleType

from services.judge.vocabulary import addresses_a_judge, is_long

_MODULES: tuple[ModuleType, ...] = (
    ast, base64, builtins, collections, contextlib, copy, dataclasses, datetime, decimal, enum, functools,
    hashlib, hmac, html, io, itertools, json, math, operator, os, pathlib, random, re, secrets, shlex, shutil,
    sqlite3, ssl, string, subprocess, sys, tempfile, textwrap, threading, time, typing,
)  # fmt: skip
_FIELDS = {
    ast.Name: "id",
    ast.arg: "arg",
    ast.keyword: "arg",
    ast.Attribute: "attr",
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
    ast.MatchClass: "kwd_attrs",
    ast.Global: "names",
    ast.Nonlocal: "names",
    ast.ImportFrom: "module",
} | {getattr(ast, kind): "name" for kind in ("TypeVar", "ParamSpec", "TypeVarTuple") if hasattr(ast, kind)}
_PREFIXES: Mapping[type, str] = {ast.FunctionDef: "f", ast.AsyncFunctionDef: "f", ast.ClassDef: "C"}


def _known() -> frozenset[str]:
    """Returns the names that the language and often used modules have given, not the fix."""
    names = set(sys.stdlib_module_names)
    for module in _MODULES:
        for name, value in vars(module).items():
            names.add(name)
            if isinstance(value, type):
                names.update(dir(value))
    return frozenset(names)


KNOWN = _known()


def is_suspicious(name: str, trusted: frozenset[str], wary: bool = False) -> bool:
    """Whether a name might carry a message.

    Args:
        name: An identifier.
        trusted: Names that others than the fix's author have given.
        wary: Whether one word of praise is enough.
    """
    if name in KNOWN or name in trusted:
        return False
    return not name.isascii() or is_long(name) or addresses_a_judge(name, wary)


def neutralise(tree: ast.AST, trusted: frozenset[str], wary: bool = False) -> None:
    """Replaces suspicious names of a program, each by the same one wherever it stands; see `is_suspicious`."""
    kinds: dict[str, type] = {}
    for node, name in all_names(tree):
        if name not in kinds or type(node) in _PREFIXES:
            kinds[name] = type(node)
    numbers = {prefix: count(1) for prefix in "vfC"}
    renamed: dict[str, str] = {}
    for name, kind in kinds.items():
        if is_suspicious(name, trusted, wary):
            prefix = _PREFIXES.get(kind, "v")
            renamed[name] = next(
                new for number in numbers[prefix] if (new := f"{prefix}{number}") not in kinds and new not in KNOWN
            )
    if renamed:
        for node in ast.walk(tree):
            _rename(node, renamed)


def all_names(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yields the names of a program, each with the node that it belongs to."""
    for node in ast.walk(tree):
        for field in _fields(node):
            value = getattr(node, field)
            for name in value if isinstance(value, list) else [value]:
                if name:
                    yield from ((node, part) for part in name.split("."))


def binds(node: ast.AST) -> bool:
    """Whether a node with a name gives that name a value of the program's own."""
    return isinstance(node, (*_PREFIXES, ast.arg)) or isinstance(getattr(node, "ctx", None), ast.Store)


def _fields(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.alias):
        return ("name", "asname")
    field = _FIELDS.get(type(node))
    return (field,) if field else ()


def _rename(node: ast.AST, renamed: Mapping[str, str]) -> None:
    for field in _fields(node):
        value = getattr(node, field)
        if isinstance(value, list):
            setattr(node, field, [renamed.get(name, name) for name in value])
        elif value:
            setattr(node, field, ".".join(renamed.get(part, part) for part in value.split(".")))
