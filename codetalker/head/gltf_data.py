"""The numbers inside a glTF file, read with distrust: whatever the file says is checked before it is used.

glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html. Nothing outside the file is ever opened.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct

import numpy as np

MAX_ENTRIES = 1_200_000  # of one accessor
MAX_READ = 60_000_000  # numbers read of one file, all accessors together: some seconds of work

_COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_JSON, _BIN = 0x4E4F534A, 0x004E4942  # chunks of a GLB


class Malformed(Exception):
    """What is wrong with a file; whoever opened it tells it to the user with the file's name."""


def split_glb(data: bytes) -> tuple[dict, bytes | None]:
    """-> the description and the binary chunk of a GLB; of a .gltf, which is text, the description alone"""
    if data[:4] != b"glTF":
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
            raise Malformed("it is neither a GLB file (binary glTF) nor a .gltf")
        return _description(data), None
    if len(data) < 20:
        raise Malformed("it is cut off")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise Malformed(f"it is glTF {version}, only 2 is read")
    if length > len(data):
        raise Malformed("it is cut off")
    chunks, offset = {}, 12
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<II", data, offset)
        if offset + 8 + size > length:
            raise Malformed("it is cut off")
        chunks.setdefault(kind, data[offset + 8 : offset + 8 + size])
        offset += 8 + size
    if _JSON not in chunks:
        raise Malformed("it has no description chunk")
    return _description(chunks[_JSON]), chunks.get(_BIN, b"")


def _description(data: bytes) -> dict:
    try:
        tree = json.loads(data)
    except ValueError as error:
        raise Malformed("its description is no valid JSON") from error
    if not isinstance(tree, dict):
        raise Malformed("its description is no JSON object")
    return tree


class Data:
    """The buffers of a file: its binary chunk, and those written out as data: URIs."""

    def __init__(self, tree: dict, binary: bytes | None) -> None:
        self.tree, self._read = tree, 0
        self.buffers = [memoryview(self._buffer(entry, binary)) for entry in tree.get("buffers", [])]

    @staticmethod
    def _buffer(entry: dict, binary: bytes | None) -> bytes:
        if "uri" in entry:
            return decode_uri(entry["uri"])
        if binary is None:
            raise Malformed("a part of it has no data: export it as one self-contained GLB")
        return binary

    def view(self, index: int) -> memoryview:
        view = self.tree["bufferViews"][_whole(index)]
        start, size, buffer = view.get("byteOffset", 0), view["byteLength"], self.buffers[_whole(view["buffer"])]
        if start < 0 or size < 0 or start + size > len(buffer):
            raise Malformed("it is cut off, or its parts lie outside it")
        return buffer[start : start + size]

    def accessor(self, index: int, kinds: str | tuple[str, ...], integer: bool = False) -> np.ndarray:
        """-> (count, width) float32, or (count,) int64 where `integer`"""
        accessor = self.tree["accessors"][_whole(index)]
        kind = accessor["type"]
        if kind not in ((kinds,) if isinstance(kinds, str) else kinds):
            raise Malformed(f"data of type {kind} stands where {kinds} belongs")
        dtype, width, count = np.dtype(_COMPONENTS[accessor["componentType"]]), _WIDTHS[kind], accessor["count"]
        if not 0 <= count <= MAX_ENTRIES:
            raise Malformed(f"it holds {count} entries in one place")
        self._read += count * width
        if self._read > MAX_READ:
            raise Malformed(f"it holds more than {MAX_READ // 10**6} million numbers")
        values = np.zeros((count, width), dtype)
        if "bufferView" in accessor:
            stride = self.tree["bufferViews"][accessor["bufferView"]].get("byteStride", 0) or dtype.itemsize * width
            values = self._strided(accessor["bufferView"], accessor.get("byteOffset", 0), dtype, width, count, stride)
        if "sparse" in accessor:
            values = self._sparse(accessor["sparse"], values)
        if integer:
            if dtype.kind != "u":
                raise Malformed("its faces are not numbered with whole numbers")
            return values[:, 0].astype(np.int64)
        if accessor.get("normalized") and dtype.kind != "f":
            values = np.maximum(values / np.iinfo(dtype).max, -1.0)
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise Malformed("it holds numbers that are not finite")
        return values

    def _strided(self, view: int, offset: int, dtype: np.dtype, width: int, count: int, stride: int) -> np.ndarray:
        data = self.view(view)
        row = dtype.itemsize * width
        if offset < 0 or stride < row or (count and offset + stride * (count - 1) + row > len(data)):
            raise Malformed("it holds less data than it declares")
        if count == 0:
            return np.zeros((0, width), dtype)
        return np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize)).copy()

    def _sparse(self, sparse: dict, values: np.ndarray) -> np.ndarray:
        count, where, what = sparse["count"], sparse["indices"], sparse["values"]
        index_type = np.dtype(_COMPONENTS[where["componentType"]])
        start, size = where.get("byteOffset", 0), index_type.itemsize
        rows = self._strided(where["bufferView"], start, index_type, 1, count, size)[:, 0]
        row_size = values.dtype.itemsize * values.shape[1]
        start = what.get("byteOffset", 0)
        new = self._strided(what["bufferView"], start, values.dtype, values.shape[1], count, row_size)
        if count and not (index_type.kind == "u" and rows.max() < len(values)):
            raise Malformed("a sparse shape refers to vertices that don't exist")
        values = values.copy()
        values[rows] = new
        return values


def decode_uri(uri: str) -> bytes:
    """The bytes that a data: URI spells out; any other URI would lead outside the file."""
    head, comma, body = uri.partition(",")
    if not comma or not head.startswith("data:"):
        raise Malformed("it refers to data outside itself: export it as one self-contained GLB")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("a data: URI in it is not sound") from error


def _whole(index: int) -> int:
    if not isinstance(index, int) or index < 0:
        raise Malformed("it refers to data by something that is no index")
    return index
