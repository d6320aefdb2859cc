"""Writes a head as a GLB: glTF 2.0, metres, one mesh per part, sparse morph targets by ARKit name.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from .parts import Part, vertex_normals

FLOAT, UINT16, UBYTE, UINT32 = 5126, 5123, 5121, 5125
ARRAY, ELEMENTS = 34962, 34963
STILL = 0.01  # mm; a vertex that moves less at full weight stays out of a shape


def linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB 0 to 1 -> linear, as glTF wants its vertex colours and factors."""
    srgb = np.asarray(srgb, float)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


class _Binary:
    """The GLB's binary chunk with its buffer views and accessors."""

    def __init__(self) -> None:
        self.data, self.views, self.accessors = bytearray(), [], []

    def view(self, array: np.ndarray, target: int | None = None) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        raw = np.ascontiguousarray(array).tobytes()
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw)}
        self.views.append(view | ({"target": target} if target else {}))
        self.data += raw
        return len(self.views) - 1

    def add(self, accessor: dict) -> int:
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def vectors(self, array: np.ndarray) -> int:
        array = array.astype("<f4")
        return self.add(
            {"bufferView": self.view(array, ARRAY), "componentType": FLOAT, "count": len(array), "type": "VEC3"}
            | _bounds(array)
        )

    def target(self, step: np.ndarray) -> int:
        """A morph target, sparse: only the vertices that move are stored; step: (V, 3) metres."""
        moved = np.flatnonzero(np.abs(step).max(1) > STILL * 1e-3)
        kept = np.zeros_like(step, dtype="<f4")
        kept[moved] = step[moved]
        accessor = {"componentType": FLOAT, "count": len(step), "type": "VEC3"} | _bounds(kept)
        if len(moved):
            accessor["sparse"] = {
                "count": len(moved),
                "indices": {"bufferView": self.view(moved.astype("<u2")), "componentType": UINT16},
                "values": {"bufferView": self.view(kept[moved])},
            }
        return self.add(accessor)


def _bounds(array: np.ndarray) -> dict:
    return {"min": array.min(0).astype(float).tolist(), "max": array.max(0).astype(float).tolist()}


def write_glb(parts: list[Part], path: Path, name: str) -> None:
    """parts in millimetres -> a file in metres."""
    binary, meshes, materials, nodes = _Binary(), [], [], []
    for part in parts:
        materials.append(
            {
                "name": part.material.name,
                "doubleSided": part.material.double_sided,
                "alphaMode": "BLEND" if part.material.blended else "OPAQUE",
                "pbrMetallicRoughness": {
                    "baseColorFactor": [*linear(np.array(part.material.colour)).tolist(), 1.0],
                    "metallicFactor": 0.0,
                    "roughnessFactor": part.material.roughness,
                },
            }
        )
        meshes.append(_mesh(binary, part, len(materials) - 1))
        nodes.append({"name": part.name, "mesh": len(meshes) - 1})
    data = bytes(binary.data) + b"\0" * (-len(binary.data) % 4)
    document = {
        "asset": {"version": "2.0", "generator": "python -m training.heads"},
        "scene": 0,
        "scenes": [{"name": name, "nodes": list(range(len(nodes)))}],
        "nodes": nodes,
        "meshes": meshes,
        "materials": materials,
        "accessors": binary.accessors,
        "bufferViews": binary.views,
        "buffers": [{"byteLength": len(data)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        struct.pack("<4sII", b"glTF", 2, total)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(data), b"BIN\0")
        + data
    )


def _mesh(binary: _Binary, part: Part, material: int) -> dict:
    opacity = part.colours[:, 3:] if part.colours.shape[1] == 4 else np.ones((len(part.colours), 1))
    colours = np.hstack([linear(part.colours[:, :3]), opacity])
    colours = np.round(np.clip(colours, 0.0, 1.0) * 65535).astype("<u2")
    attributes = {
        "POSITION": binary.vectors(part.vertices * 1e-3),
        "NORMAL": binary.vectors(vertex_normals(part.vertices, part.faces)),
        "COLOR_0": binary.add(
            {
                "bufferView": binary.view(colours, ARRAY),
                "componentType": UINT16,
                "normalized": True,
                "count": len(colours),
                "type": "VEC4",
            }
        ),
    }
    faces = part.faces.astype("<u2").ravel()
    indices = {
        "bufferView": binary.view(faces, ELEMENTS),
        "componentType": UINT16,
        "count": len(faces),
        "type": "SCALAR",
    }
    primitive = {"attributes": attributes, "indices": binary.add(indices), "material": material}
    mesh: dict = {"name": part.name, "primitives": [primitive], "extras": {}}
    if part.shapes:
        primitive["targets"] = [{"POSITION": binary.target(step * 1e-3)} for step in part.shapes.values()]
        mesh["weights"] = [0.0] * len(part.shapes)
        mesh["extras"]["targetNames"] = list(part.shapes)
    if part.regions:
        mesh["extras"]["regions"] = {k: np.asarray(v).tolist() for k, v in part.regions.items()}
    return mesh
