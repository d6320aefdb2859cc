"""Heads: what a GLB holds comes in exactly, what is unsound is refused in a sentence, and weights deform it."""

import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from heads import EYE_COLOUR, TREE_BYTES, ball, pack, tiny_glb, tiny_head_file, unpack
from scipy.spatial.transform import Rotation

from codetalker.errors import UserError
from codetalker.head import list_heads, load_head
from codetalker.motion import ARKIT_NAMES

ICT = Path(__file__).parents[2] / "shared" / "heads" / "ict_face.glb"
JAW = ARKIT_NAMES.index("jawOpen")


@pytest.fixture
def head(tmp_path):
    return load_head(tiny_head_file(tmp_path))


def refused(tmp_path, data: bytes) -> str:
    """The sentence that a file is refused with."""
    path = tmp_path / "bad.glb"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        load_head(path)
    message = str(caught.value)
    assert "\n" not in message and "bad" in message
    return message


def test_meshes_materials_and_shapes_come_in(head):
    skin, faces = ball(0.12, (0, 0, 0))
    np.testing.assert_array_equal(head.vertices[: len(skin)], skin)
    np.testing.assert_array_equal(head.faces[: len(faces)], faces)
    assert head.faces.max() == len(head.vertices) - 1
    assert [part.name for part in head.parts] == ["face skin", "eyes eye", "eyes eye", "hat hat"]
    np.testing.assert_allclose(head.colours[0], (0.6, 0.2, 0.15, 1.0), atol=1e-6)  # the factor times COLOR_0
    np.testing.assert_allclose(head.colours[head.parts[1].vertices], [EYE_COLOUR] * 72, atol=1e-6)
    assert head.textures[head.parts[3].material.texture][0, 0].tolist() == [200, 30, 30, 255]
    assert head.shapes.shape == (52, len(head.vertices), 3)
    assert {name for name in ARKIT_NAMES if name not in head.missing} == {"jawOpen", "mouthPucker", "eyeBlinkLeft"}
    np.testing.assert_allclose(np.unique(head.shapes[JAW, :, 1]), [-0.04, 0.0], atol=1e-7)


@pytest.mark.parametrize("spelling", ["JawOpen", "jaw_open", "Face.jawOpen"])
def test_usual_spellings_of_a_shape(tmp_path, spelling):
    head = load_head(tiny_head_file(tmp_path, jaw_name=spelling))
    assert "jawOpen" not in head.missing and head.shapes[JAW].any()


def test_node_transforms_are_applied(tmp_path, head):
    tree, binary = unpack(tiny_glb())
    tree["nodes"][0] |= {"translation": [1.0, 2.0, 3.0], "scale": [1.5, 1.5, 1.5]}
    tree["nodes"].append({"children": [0], "rotation": [0.0, 0.17364817766693033, 0.0, 0.984807753012208]})
    tree["scenes"][0]["nodes"] = [4, 1, 2, 3]
    path = tmp_path / "moved.glb"
    path.write_bytes(pack(tree, binary))
    turn = Rotation.from_euler("y", 20, degrees=True).as_matrix()
    moved, skin = load_head(path), slice(0, 272)
    np.testing.assert_allclose(moved.vertices[skin], (1.5 * head.vertices[skin] + [1, 2, 3]) @ turn.T, atol=1e-6)
    np.testing.assert_allclose(moved.shapes[JAW, skin], 1.5 * head.shapes[JAW, skin] @ turn.T, atol=1e-6)


def test_deform_is_the_sum_of_shapes_turned_about_the_neck(head):
    random = np.random.default_rng(0)
    weights = random.random((5, 52)).astype(np.float32)
    angles = random.normal(0, 0.3, (5, 3)).astype(np.float32)
    plain = head.vertices + np.einsum("bk,kvc->bvc", weights, head.shapes)
    np.testing.assert_allclose(head.deform(weights, np.zeros((5, 3))), plain, atol=1e-6)
    turn = Rotation.from_euler("YXZ", angles[:, [1, 0, 2]]).as_matrix()  # yaw of pitch of roll
    turned = np.einsum("bij,bvj->bvi", turn, plain - head.neck.pivot) + head.neck.pivot
    expected = plain + head.neck.share[:, None] * (turned - plain)
    np.testing.assert_allclose(head.deform(weights, angles), expected, atol=1e-5)


def test_angles_have_the_documented_signs(head):
    nose = np.argmax(head.vertices[:, 2] * (head.neck.share == 1))
    down, left = head.deform(np.zeros((2, 52), np.float32), np.eye(3)[:2] * 0.2)[:, nose] - head.vertices[nose]
    assert down[1] < 0 and left[0] > 0
    crown = np.argmax(head.vertices[:, 1])
    assert head.deform(np.zeros((1, 52)), [[0, 0, 0.2]])[0, crown, 0] < head.vertices[crown, 0]


@pytest.mark.parametrize("name", list_heads())
def test_our_heads_are_whole(name):
    head = load_head(name)
    assert head.missing == []
    assert {"lips", "upper_face", "inner_lip_upper", "inner_lip_lower"} <= set(head.regions)
    assert len(head.regions["inner_lip_upper"]) == len(head.regions["inner_lip_lower"]) > 5
    nodding = head.deform(np.zeros((1, 52)), [[0.2, 0.3, 0.1]])[0]
    moved = np.linalg.norm(nodding - head.vertices, axis=1)
    lowest = head.vertices[:, 1] < head.vertices[:, 1].min() + 0.01
    assert moved[lowest].max() < 0.002  # shoulders stay put
    assert moved[head.regions["lips"]].min() > 0.01


def test_regions_of_the_file_are_kept(tmp_path):
    given = {"lips": [3, 1], "upper_face": [4], "inner_lip_upper": [5, 6], "inner_lip_lower": [7, 8]}
    head = load_head(tiny_head_file(tmp_path, regions=given))
    assert {name: indices.tolist() for name, indices in head.regions.items()} == given


def test_a_foreign_head_loads_and_its_regions_are_found():
    if not ICT.exists():
        pytest.skip("no shared folder beside the repository")
    head = load_head(ICT)
    assert head.missing == ["tongueOut"]
    lips = head.vertices[head.regions["lips"]]
    assert abs(lips[:, 0].mean()) < 0.002 and -0.07 < lips[:, 1].mean() < 0.0 and lips[:, 2].min() > 0.05
    assert head.vertices[head.regions["upper_face"], 1].min() > -0.02
    upper, lower = head.regions["inner_lip_upper"], head.regions["inner_lip_lower"]
    assert len(upper) == len(lower) > 20
    assert np.linalg.norm(head.vertices[upper] - head.vertices[lower], axis=1).max() < 0.003
    opened = head.deform(np.eye(52, dtype=np.float32)[[JAW]])[0]
    assert (opened[upper, 1] - opened[lower, 1]).min() > 0.002


def test_a_head_is_read_again_only_where_its_file_has_changed(tmp_path):
    path = tiny_head_file(tmp_path)
    assert load_head(path) is load_head(str(path))
    path.write_bytes(tiny_glb(jaw_name="mouthFunnel"))
    assert "jawOpen" in load_head(path).missing


def test_unknown_names_list_what_there_is(tmp_path):
    with pytest.raises(UserError, match="no head 'nobody'"):
        load_head("nobody")
    with pytest.raises(UserError, match="no file"):
        load_head(tmp_path / "absent.glb")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.3, 0.9, 0.9999])
def test_a_truncated_file_is_refused(tmp_path, share):
    data = tiny_glb()
    refused(tmp_path, data[: int(share * len(data))])


def test_a_file_cut_off_with_its_length_mended_is_refused(tmp_path):
    tree, binary = unpack(tiny_glb())
    assert "cut off" in refused(tmp_path, pack(tree, binary[: len(binary) // 2]))


def _nan(tree, binary):
    return tree, struct.pack("<f", float("nan")) * (len(binary) // 4)


def _change(path: str, value):
    """Sets one place of the description, as "meshes/0/name"."""

    def change(tree, binary):
        *parents, last = path.split("/")
        place = tree
        for step in parents:
            place = place[int(step) if isinstance(place, list) else step]
        place[int(last) if isinstance(place, list) else last] = value
        return tree, binary

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_nan, "not finite|valid GLB|don't exist|texture"),
        (_change("buffers/0/uri", "secret.bin"), "outside itself"),
        (_change("images/0", {"uri": "file:///etc/passwd"}), "outside itself"),
        (_change("accessors/0/count", 9999), "less data than it declares|entries for"),
        (_change("accessors/0/count", 10), "entries for|don't exist"),
        (_change("accessors/0/count", 2**40), "entries in one place"),
        (_change("accessors/0/count", -1), "entries in one place"),
        (_change("accessors/0/type", "VEC2"), "VEC2"),
        (_change("accessors/0/componentType", 77), "not a valid GLB"),
        (_change("bufferViews/3/byteLength", 2**33), "cut off"),
        (_change("bufferViews/3/byteOffset", -8), "cut off"),
        (_change("meshes/0/extras/targetNames", ["jawOpen"]), "names 1 shapes and holds 4"),
        (_change("meshes/0/primitives/0/attributes/POSITION", -1), "no index"),
        (_change("meshes/0/extras/targetNames", list("abcd")), "no ARKit face shapes"),
        (_change("meshes/0/extras/regions", {"lips": [99999]}), "don't exist"),
        (_change("meshes/0/extras/regions", {"lips": "everything"}), "don't exist|not a valid"),
        (_change("nodes/0/matrix", [1.0]), "not a valid GLB"),
        (_change("extensionsRequired", ["KHR_draco_mesh_compression"]), "without compression"),
        (_change("nodes", []), "."),
        (_change("scenes/0/nodes", []), "no surface"),
    ],
)
def test_unsound_files_are_refused(tmp_path, change, words):
    import re

    assert re.search(words, refused(tmp_path, pack(*change(*unpack(tiny_glb())))))


def test_a_node_that_is_its_own_child_ends(tmp_path):
    tree, binary = unpack(tiny_glb())
    tree["nodes"][0]["children"] = [0]
    path = tmp_path / "loop.glb"
    path.write_bytes(pack(tree, binary))
    assert len(load_head(path).parts) == 4


def test_damaged_descriptions_never_raise_anything_else(tmp_path):
    data, chance = bytearray(tiny_glb()), random.Random(0)
    size = struct.unpack_from("<I", data, 12)[0]
    path = tmp_path / "fuzzed.glb"
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(chance.choice([1, 2, 8])):
            damaged[TREE_BYTES + chance.randrange(size)] = ord(chance.choice('0123456789-"[]{},:ae '))
        path.write_bytes(damaged)
        try:
            load_head(path)
        except UserError:
            continue


def test_deep_nesting_is_refused(tmp_path):
    text = b"[" * 200_000
    data = struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text
    refused(tmp_path, data)
    refused(tmp_path, pack(json.loads("[]"), b""))
