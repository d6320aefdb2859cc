"""A tiny head made on the spot: a ball of a face whose lower half drops with the jaw, two eyes, a textured hat."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

EYE_COLOUR = (0.1, 0.2, 0.8, 1.0)
TREE_BYTES = 20  # where the JSON starts


def ball(radius: float, centre: tuple[float, float, float], rows: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """-> vertices (V, 3) float32, faces (F, 3) uint32, seen from outside"""
    polar, around = np.meshgrid(np.linspace(0, np.pi, rows + 1), np.linspace(0, 2 * np.pi, rows, endpoint=False))
    unit = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1)
    a = (np.arange(rows)[:, None] * (rows + 1) + np.arange(rows)).ravel()
    b = ((np.arange(rows)[:, None] + 1) % rows * (rows + 1) + np.arange(rows)).ravel()
    faces = np.concatenate([np.stack([a, a + 1, b], 1), np.stack([b, a + 1, b + 1], 1)])
    return (unit.reshape(-1, 3) * radius + centre).astype(np.float32), faces.astype(np.uint32)


class GlbBuilder:
    def __init__(self) -> None:
        self.binary = bytearray()
        names = ("nodes", "meshes", "accessors", "bufferViews", "materials", "textures", "images")
        self.tree: dict = {"asset": {"version": "2.0"}, "scene": 0, **{name: [] for name in names}}

    def view(self, data: bytes) -> int:
        self.tree["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)})
        self.binary += data + bytes(-len(data) % 4)
        return len(self.tree["bufferViews"]) - 1

    def accessor(self, values: np.ndarray, kind: str) -> int:
        component = 5126 if values.dtype.kind == "f" else 5125
        entry = {
            "bufferView": self.view(values.tobytes()),
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        self.tree["accessors"].append(entry)
        return len(self.tree["accessors"]) - 1

    def mesh(
        self, name: str, vertices, faces, shapes: dict, material: int, extras: dict | None = None, **attributes
    ) -> None:
        """attributes: COLOR_0, TEXCOORD_0"""
        kinds = {2: "VEC2", 3: "VEC3", 4: "VEC4"}
        placed = {key: self.accessor(values, kinds[values.shape[1]]) for key, values in attributes.items()}
        primitive = {
            "attributes": {"POSITION": self.accessor(vertices, "VEC3"), **placed},
            "indices": self.accessor(faces.reshape(-1, 1), "SCALAR"),
            "material": material,
            "targets": [{"POSITION": self.accessor(offsets, "VEC3")} for offsets in shapes.values()],
        }
        extras = {"targetNames": list(shapes), **(extras or {})}
        self.tree["meshes"].append({"name": name, "primitives": [primitive], "extras": extras})
        self.tree["nodes"].append({"mesh": len(self.tree["meshes"]) - 1})

    def pack(self) -> bytes:
        self.tree["scenes"] = [{"nodes": list(range(len(self.tree["nodes"])))}]
        self.tree["buffers"] = [{"byteLength": len(self.binary)}]
        return pack(self.tree, bytes(self.binary))


def pack(tree: dict, binary: bytes) -> bytes:
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    length = 12 + 8 + len(text) + 8 + len(binary)
    head = struct.pack("<4sII", b"glTF", 2, length) + struct.pack("<I4s", len(text), b"JSON")
    return head + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary


def unpack(data: bytes) -> tuple[dict, bytes]:
    size = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[TREE_BYTES : TREE_BYTES + size]), data[TREE_BYTES + size + 8 :]


def tiny_glb(jaw_name: str = "jawOpen", regions: dict | None = None) -> bytes:
    """Skin of 272 vertices with jawOpen, mouthPucker, eyeBlinkLeft and a shape nobody knows; 0.24 m tall."""
    glb = GlbBuilder()
    texture = np.zeros((8, 8, 3), np.uint8)
    texture[:4] = (200, 30, 30)
    file = io.BytesIO()
    Image.fromarray(texture).save(file, "PNG")
    glb.tree["images"].append({"bufferView": glb.view(file.getvalue()), "mimeType": "image/png"})
    glb.tree["textures"].append({"source": 0})
    glb.tree["materials"] += [
        {"name": "skin", "pbrMetallicRoughness": {"baseColorFactor": [0.6, 0.4, 0.3, 1.0]}},
        {"name": "eye", "pbrMetallicRoughness": {"baseColorFactor": list(EYE_COLOUR)}},
        {"name": "hat", "doubleSided": True, "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}},
    ]
    skin, faces = ball(0.12, (0.0, 0.0, 0.0))
    drop, pucker, blink = np.zeros_like(skin), np.zeros_like(skin), np.zeros_like(skin)
    drop[:, 1] = np.where(skin[:, 1] < 0.02, -0.04, 0.0)
    mouth = (skin[:, 2] > 0.08) & (np.abs(skin[:, 1] + 0.02) < 0.04)
    pucker[mouth, 2] = 0.02
    blink[(skin[:, 2] > 0.05) & (skin[:, 1] > 0.04) & (skin[:, 0] > 0), 1] = -0.01
    shapes = {jaw_name: drop, "mouthPucker": pucker, "eyeBlink_L": blink, "earWiggle": drop}
    extras = {"regions": regions} if regions is not None else None
    colours = np.tile(np.array([1.0, 0.5, 0.5, 1.0], np.float32), (len(skin), 1))
    glb.mesh("face", skin, faces, shapes, 0, extras, COLOR_0=colours)
    for x in (-0.04, 0.04):
        eye, eye_faces = ball(0.02, (x, 0.03, 0.105), rows=8)
        glb.mesh("eyes", eye, eye_faces, {}, 1)
    hat, hat_faces = ball(0.05, (0.0, 0.12, 0.0), rows=8)
    glb.mesh("hat", hat, hat_faces, {}, 2, TEXCOORD_0=np.tile(np.float32([0.5, 0.25]), (len(hat), 1)))
    return glb.pack()


def tiny_head_file(folder: Path, **options) -> Path:
    path = folder / "tiny.glb"
    path.write_bytes(tiny_glb(**options))
    return path


def played(path: Path, frame: int) -> np.ndarray:
    """(V, 3) of a GLB in one frame of its animation, by glTF's rules for morph targets."""
    tree, binary = unpack(path.read_bytes())

    def read(index: int, width: int) -> np.ndarray:
        entry = tree["accessors"][index]
        values = np.zeros((entry["count"], width), np.float32)
        if "bufferView" in entry:
            start = tree["bufferViews"][entry["bufferView"]]["byteOffset"]
            values = np.frombuffer(binary, "<f4", entry["count"] * width, start).reshape(-1, width)
        if "sparse" in entry:
            where, what = entry["sparse"]["indices"], entry["sparse"]["values"]
            start, count = tree["bufferViews"][where["bufferView"]]["byteOffset"], entry["sparse"]["count"]
            rows = np.frombuffer(binary, "<u4", count, start)
            start = tree["bufferViews"][what["bufferView"]]["byteOffset"]
            values[rows] = np.frombuffer(binary, "<f4", count * width, start).reshape(-1, width)
        return values

    (recorded,) = tree["animations"]
    shown = []
    for channel in recorded["channels"]:
        mesh = tree["meshes"][tree["nodes"][channel["target"]["node"]]["mesh"]]
        (primitive,) = mesh["primitives"]
        weights = read(recorded["samplers"][channel["sampler"]]["output"], 1).reshape(-1, len(mesh["weights"]))
        shapes = np.stack([read(target["POSITION"], 3) for target in primitive["targets"]])
        shown.append(read(primitive["attributes"]["POSITION"], 3) + np.einsum("k,kvc->vc", weights[frame], shapes))
    return np.concatenate(shown)
