"""An animated GLB: the head with its shapes, their weights over time, and the head turning on its neck.

The turn is a skin of two joints. Linear blend skinning by `Neck.share` is what `Head.deform` does, so that players show
the same motion as our renderer. Vertices that move freely become the shapes of their principal components, and no skin.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ..audio import SAMPLE_RATE
from ..head import Head, Part
from ..motion import ARKIT_NAMES, Animation
from .components import find_components
from .take import Take

_FLOAT, _UINT, _UBYTE = 5126, 5125, 5121
_VERTEX_BUFFER, _INDEX_BUFFER = 34962, 34963
STILL = 3e-7  # of the head's height: what a shape moves less is not written


@dataclass(frozen=True)
class _Morphing:
    """A surface at rest (V, 3), shapes (K, V, 3) by name, and their weights (T, K)"""

    vertices: np.ndarray
    shapes: np.ndarray
    names: list[str]
    weights: np.ndarray


def write_glb(take: Take, path: Path) -> dict[str, float]:
    """Writes glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html, self-contained, and the speech as a
    wav beside it: core glTF knows no sound. The file names it in its extras.

    Returns how far the file's motion is from the animation's: nothing where it is the same.
    """
    animation, head = take.animation, take.head
    if isinstance(animation, Animation):
        morphing, deviation = _Morphing(head.vertices, head.shapes, ARKIT_NAMES, animation.weights), {}
    else:
        found = find_components(animation)
        names = [f"component{number}" for number in range(1, len(found.shapes) + 1)]
        morphing, deviation = _Morphing(animation.template, found.shapes, names, found.weights), found.deviation
    builder = _Builder(head, morphing, animation.fps)
    builder.build(animation.head_rotation if isinstance(animation, Animation) else None)
    extras: dict = dict(deviation)
    if take.speech is not None:
        extras["speech"] = path.with_suffix(".wav").name
        soundfile.write(path.with_suffix(".wav"), take.speech, SAMPLE_RATE, "PCM_16")
    if extras:
        builder.tree["asset"]["extras"] = extras
    path.write_bytes(builder.pack())
    return deviation


class _Builder:
    def __init__(self, head: Head, morphing: _Morphing, fps: float) -> None:
        self.head, self.morphing, self.fps = head, morphing, fps
        self.binary = bytearray()
        self.tree: dict = {
            "asset": {"version": "2.0", "generator": "CodeTalker"},
            "scene": 0,
            **{name: [] for name in ("nodes", "meshes", "materials", "accessors", "bufferViews")},
        }

    def build(self, head_rotation: np.ndarray | None) -> None:
        """head_rotation: (T, 3) radians; None: no joints, nothing turns"""
        images = [self.texture(picture) for picture in self.head.textures]
        if head_rotation is None:
            meshes = [self._add("nodes", self.part(part, images)) for part in self.head.parts]
            self.tree["scenes"] = [{"nodes": meshes}]
            self.animate(meshes)
            return
        pivot = self.head.neck.pivot
        turning = self._add("nodes", {"name": "head", "translation": _list(pivot)})
        body = self._add("nodes", {"name": "body", "children": [turning]})
        inverse = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
        inverse[1, 3, :3] = -pivot  # matrices are stored by columns
        binding = self.accessor(inverse.reshape(2, 16), "MAT4")
        self.tree["skins"] = [{"joints": [body, turning], "inverseBindMatrices": binding, "skeleton": body}]
        meshes = [self._add("nodes", self.part(part, images, turns=True) | {"skin": 0}) for part in self.head.parts]
        self.tree["scenes"] = [{"nodes": [body, *meshes]}]
        self.animate(meshes, turning, quaternions(head_rotation))

    def part(self, part: Part, images: list[int], turns: bool = False) -> dict:
        """The node of a new mesh, with what the skin needs to know where it turns."""
        head, span, material = self.head, part.vertices, part.material
        attributes = {
            "POSITION": self.accessor(self.morphing.vertices[span], "VEC3", _VERTEX_BUFFER, bounds=True),
            "NORMAL": self.accessor(_normals(self.morphing.vertices, head.faces, part), "VEC3", _VERTEX_BUFFER),
            "COLOR_0": self.accessor(head.colours[span], "VEC4", _VERTEX_BUFFER),
        }
        if turns:
            share = head.neck.share[span]
            weights = np.stack([1.0 - share, share, 0 * share, 0 * share], 1)
            joints = np.zeros((len(share), 4), np.uint8)
            joints[:, 1] = share > 0  # an unused joint must be 0
            attributes["JOINTS_0"] = self.accessor(joints, "VEC4", _VERTEX_BUFFER)
            attributes["WEIGHTS_0"] = self.accessor(weights.astype(np.float32), "VEC4", _VERTEX_BUFFER)
        surface: dict = {"metallicFactor": 0.0, "roughnessFactor": material.roughness}
        if material.texture is not None:
            attributes["TEXCOORD_0"] = self.accessor(head.texcoords[span], "VEC2", _VERTEX_BUFFER)
            surface["baseColorTexture"] = {"index": images[material.texture]}
        faces = (head.faces[part.faces] - span.start).astype(np.uint32).reshape(-1, 1)
        primitive = {
            "attributes": attributes,
            "indices": self.accessor(faces, "SCALAR", _INDEX_BUFFER),
            "material": self._add(
                "materials",
                {
                    "name": material.name or part.name,
                    "pbrMetallicRoughness": surface,
                    "doubleSided": material.double_sided,
                    "alphaMode": "BLEND" if material.blended else "OPAQUE",
                },
            ),
            "targets": [{"POSITION": self._offsets(shape[span])} for shape in self.morphing.shapes],
        }
        regions = {
            name: [int(vertex) - span.start for vertex in members if span.start <= vertex < span.stop]
            for name, members in head.regions.items()
        }
        extras = {"targetNames": list(self.morphing.names)}
        extras["regions"] = {name: inside for name, inside in regions.items() if inside}
        at_rest = [0.0] * len(self.morphing.names)
        mesh = {"name": part.name, "primitives": [primitive], "weights": at_rest, "extras": extras}
        return {"name": part.name, "mesh": self._add("meshes", mesh)}

    def animate(self, meshes: list[int], turning: int | None = None, turns: np.ndarray | None = None) -> None:
        """meshes: nodes that morph; turning: the node that turns by `turns`, (T, 4) quaternions"""
        weights = self.morphing.weights.astype(np.float32)
        times = np.arange(len(weights), dtype=np.float32)[:, None] / np.float32(self.fps)
        clock = self.accessor(times, "SCALAR", bounds=True)
        outputs, channels = [self.accessor(weights.reshape(-1, 1), "SCALAR")], []
        if turning is not None:
            outputs.insert(0, self.accessor(turns, "VEC4"))
            channels.append({"sampler": 0, "target": {"node": turning, "path": "rotation"}})
        last = len(outputs) - 1
        channels += [{"sampler": last, "target": {"node": mesh, "path": "weights"}} for mesh in meshes]
        samplers = [{"input": clock, "output": output, "interpolation": "LINEAR"} for output in outputs]
        self.tree["animations"] = [{"name": "speech", "channels": channels, "samplers": samplers}]

    def texture(self, picture: np.ndarray) -> int:
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        self.tree.setdefault("images", [])
        self.tree.setdefault("textures", [])
        image = self._add("images", {"bufferView": self._view(file.getvalue()), "mimeType": "image/png"})
        return self._add("textures", {"source": image})

    def accessor(self, values: np.ndarray, kind: str, target: int | None = None, bounds: bool = False) -> int:
        """values: (count, width) float32, uint32 or uint8"""
        component = {"f": _FLOAT, "u": _UINT}[values.dtype.kind] if values.dtype.itemsize == 4 else _UBYTE
        view = self._view(values.tobytes(), target)
        accessor = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
        if bounds:
            accessor |= {"min": _list(values.min(0)), "max": _list(values.max(0))}
        return self._add("accessors", accessor)

    def _offsets(self, offsets: np.ndarray) -> int:
        """(V, 3) float32 of one shape; most move few vertices, or none, and say so in few bytes"""
        moving = np.flatnonzero(np.abs(offsets).max(1) > STILL * np.ptp(self.morphing.vertices[:, 1]))
        if len(moving) > 0.6 * len(offsets):
            return self.accessor(offsets, "VEC3", _VERTEX_BUFFER, bounds=True)
        low, high = offsets[moving].min(0, initial=0.0), offsets[moving].max(0, initial=0.0)
        accessor = {"componentType": _FLOAT, "count": len(offsets), "type": "VEC3"}
        accessor |= {"min": _list(low), "max": _list(high)}
        if len(moving):
            indices = {"bufferView": self._view(moving.astype("<u4").tobytes()), "componentType": _UINT}
            values = {"bufferView": self._view(offsets[moving].tobytes())}
            accessor["sparse"] = {"count": len(moving), "indices": indices, "values": values}
        return self._add("accessors", accessor)

    def _view(self, data: bytes, target: int | None = None) -> int:
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)}
        if target:
            view["target"] = target
        self.binary += data + bytes(-len(data) % 4)
        return self._add("bufferViews", view)

    def _add(self, kind: str, entry: dict) -> int:
        self.tree[kind].append(entry)
        return len(self.tree[kind]) - 1

    def pack(self) -> bytes:
        self.tree["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.tree, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        length = 12 + 8 + len(text) + 8 + len(self.binary)
        return b"".join(
            [
                struct.pack("<4sII", b"glTF", 2, length),
                struct.pack("<I4s", len(text), b"JSON") + text,
                struct.pack("<I4s", len(self.binary), b"BIN\0") + bytes(self.binary),
            ]
        )


def quaternions(head_rotation: np.ndarray) -> np.ndarray:
    """(T, 3) pitch, yaw, roll in radians -> (T, 4) float32 x y z w: roll first, then pitch, then yaw, as Head.deform"""
    half = 0.5 * np.asarray(head_rotation, np.float64)
    (cx, cy, cz), (sx, sy, sz) = np.cos(half).T, np.sin(half).T
    x = cy * sx * cz + sy * cx * sz
    y = sy * cx * cz - cy * sx * sz
    z = cy * cx * sz - sy * sx * cz
    w = cy * cx * cz + sy * sx * sz
    return np.stack([x, y, z, w], 1).astype(np.float32)


def _normals(vertices: np.ndarray, faces: np.ndarray, part: Part) -> np.ndarray:
    """(V, 3) of a part at rest"""
    faces = faces[part.faces]
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    normals = normals[part.vertices]
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(lengths > 1e-12, normals / np.maximum(lengths, 1e-12), [0.0, 1.0, 0.0]).astype(np.float32)


def _list(values: np.ndarray) -> list[float]:
    return [float(value) for value in values]
