"""JSON by the interpreter's own accelerator, without the module around it.

`json` imports `re`, and that half of the standard library: a third of what a sandbox takes to boot. What it adds is not
needed here. `_json` is CPython's; elsewhere the module itself serves.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    from _json import encode_basestring_ascii, make_encoder, make_scanner
except ImportError:
    import json

    def loads(text: bytes | str) -> Any:  # noqa: ANN401
        """Reads a value from text."""
        return json.loads(text)

    def dumps(value: object) -> str:
        """Returns a value of JSON's types as ASCII text."""
        return json.dumps(value, check_circular=False, separators=(",", ":"))
else:

    def _refuse(value: object) -> object:
        raise TypeError(f"{type(value).__name__} is no JSON")

    class _Terms:
        strict = True
        object_hook = object_pairs_hook = None
        parse_float, parse_int, parse_constant = float, int, float
        memo: dict[str, str] = {}  # noqa: RUF012  the scanner empties it

    _scan = make_scanner(_Terms)  # type: ignore[arg-type]
    _encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, True)

    def loads(text: bytes | str) -> Any:  # noqa: ANN401
        """Reads a value from text without white space around it."""
        value, _ = _scan(text if isinstance(text, str) else text.decode(), 0)
        return value

    def dumps(value: object) -> str:
        """Returns a value of JSON's types as ASCII text. The caller vouches that it does not hold itself."""
        if isinstance(value, str):
            return str(encode_basestring_ascii(value))
        return "".join(_encode(value, 0))
