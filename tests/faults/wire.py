"""MessagePack by hand: what the load writes and what the checker reads, without the daemon's library."""

import struct


class MalformedError(Exception):
    """These bytes are not one whole value."""


def pack(fields):
    """Write a mapping of short texts to texts, integers, floats and bytes."""
    return bytes([0x80 | len(fields)]) + b"".join(_packed(key) + _packed(value) for key, value in fields.items())


def _packed(value):
    if isinstance(value, str):
        text = value.encode()
        return (bytes([0xA0 | len(text)]) if len(text) < 32 else b"\xda" + struct.pack(">H", len(text))) + text
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    return b"\xd3" + struct.pack(">q", value)


def unpack(data):
    """Read one value that fills `data`; MalformedError for anything else."""
    try:
        value, end = _read(data, 0, depth=0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise MalformedError(str(error)) from error
    if end != len(data):
        raise MalformedError("bytes follow the value")
    return value


_SIZED = {0xC4: (">B", 1), 0xC5: (">H", 2), 0xC6: (">I", 4), 0xD9: (">B", 1), 0xDA: (">H", 2), 0xDB: (">I", 4)}
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_CONTAINERS = {0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
_PLAIN = {0xC0: None, 0xC2: False, 0xC3: True}


def _read(data, at, depth):
    if depth > 50:
        raise MalformedError("nested too deeply")
    tag, at = data[at], at + 1
    if tag < 0x80 or tag >= 0xE0:
        return (tag if tag < 0x80 else tag - 256), at
    if tag < 0xA0:
        return _container(data, at, depth, tag & 0x0F, mapping=tag < 0x90)
    if tag < 0xC0:
        return _text(data, at, tag & 0x1F)
    if tag in _PLAIN:
        return _PLAIN[tag], at
    if tag in _NUMBERS:
        form = _NUMBERS[tag]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if tag in _SIZED:
        form, width = _SIZED[tag]
        size, at = struct.unpack_from(form, data, at)[0], at + width
        return _text(data, at, size) if tag >= 0xD9 else (_bytes(data, at, size), at + size)
    if tag in _CONTAINERS:
        form = _CONTAINERS[tag]
        size = struct.unpack_from(form, data, at)[0]
        return _container(data, at + struct.calcsize(form), depth, size, mapping=tag >= 0xDE)
    raise MalformedError(f"tag {tag:#x} is none that the load writes")


def _container(data, at, depth, size, *, mapping):
    items = []
    for _ in range(size * (2 if mapping else 1)):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    return (dict(zip(items[::2], items[1::2], strict=True)) if mapping else items), at


def _text(data, at, size):
    return _bytes(data, at, size).decode(), at + size


def _bytes(data, at, size):
    if at + size > len(data):
        raise MalformedError("ends early")
    return data[at : at + size]
