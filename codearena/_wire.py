"""The few foreign messages that the SDK reads and writes: `google.rpc` status details and `grpc.health.v1`.

Their wire format is stable and small, so it is declared here, in a descriptor pool of its own and under names
of its own. The SDK then needs no package for it (the health package asks for a recent protobuf), and cannot
clash with one that is loaded in the same process.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_PACKAGE = "codearena.wire"

_Field = descriptor_pb2.FieldDescriptorProto
_STRING, _BYTES = _Field.TYPE_STRING, _Field.TYPE_BYTES
_INT32, _INT64 = _Field.TYPE_INT32, _Field.TYPE_INT64

_MESSAGES: Final[dict[str, tuple[tuple[str, int, int | str, bool], ...]]] = {
    "Any": (("type_url", 1, _STRING, False), ("value", 2, _BYTES, False)),
    "Duration": (("seconds", 1, _INT64, False), ("nanos", 2, _INT32, False)),
    "Status": (("code", 1, _INT32, False), ("message", 2, _STRING, False), ("details", 3, "Any", True)),
    # A map is, on the wire, a repeated message of key and value.
    "MetadataEntry": (("key", 1, _STRING, False), ("value", 2, _STRING, False)),
    "ErrorInfo": (
        ("reason", 1, _STRING, False),
        ("domain", 2, _STRING, False),
        ("metadata", 3, "MetadataEntry", True),
    ),
    "RetryInfo": (("retry_delay", 1, "Duration", False),),
    "HealthCheckRequest": (("service", 1, _STRING, False),),
    # An enum is, on the wire, an int32.
    "HealthCheckResponse": (("status", 1, _INT32, False),),
}
"""Message name to fields: name, number, scalar type or message name, repeated."""


def new(name: str, **fields: object) -> Any:  # noqa: ANN401 - made at run time, so without a static type
    """Returns a message of one of the declared types."""
    return _classes()[name](**fields)


def decode(name: str, data: bytes) -> Any:  # noqa: ANN401 - made at run time, so without a static type
    """Parses a message of one of the declared types.

    Raises:
        google.protobuf.message.DecodeError: The bytes are no such message.
    """
    return _classes()[name].FromString(data)


def encode(message: Message) -> bytes:
    """Serializes a message."""
    return message.SerializeToString()


@cache
def _classes() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="codearena/wire.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add_field(message, *field)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: int | str, repeated: bool
) -> None:
    field = message.field.add(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    if isinstance(kind, str):
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = _Field.Type.ValueType(kind)
