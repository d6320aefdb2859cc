"""Exports: each is read back and holds the same motion."""

import json
import re
import struct

import numpy as np
import pytest
import soundfile
from heads import pack, tiny_head_file, unpack
from PIL import Image

from codetalker.errors import UserError
from codetalker.export import EXPORTERS, check_count, export, read_motion
from codetalker.export.glb import quaternions
from codetalker.head import load_head, rotation_matrices
from codetalker.motion import ARKIT_NAMES, Animation
from codetalker.pipeline import EXPORT_KINDS
from codetalker.render import Track, render_frames


@pytest.fixture
def head(tmp_path):
    return load_head(tiny_head_file(tmp_path))


@pytest.fixture
def animation():
    random = np.random.default_rng(0)
    weights = random.random((75, 52)).astype(np.float32)
    return Animation(weights, random.normal(0, 0.2, (75, 3)).astype(np.float32), 30.0)


def test_the_table_is_the_one_that_the_commands_offer():
    assert tuple(EXPORTERS) == EXPORT_KINDS


@pytest.mark.parametrize("kind", ["npz", "arkit", "glb"])
def test_motion_comes_back(tmp_path, head, animation, kind):
    path = export(kind, animation, head, tmp_path / "take.2").path
    assert path.name == {"npz": "take.2.npz", "arkit": "take.2.csv", "glb": "take.2.glb"}[kind]
    back = read_motion(path)
    assert back.fps == 30.0 and len(back) == 75
    fine = 1e-5 if kind == "glb" else 1e-6  # its times are rounded
    np.testing.assert_allclose(back.weights, animation.weights, atol=fine)
    np.testing.assert_allclose(back.head_rotation, animation.head_rotation, atol=fine)


@pytest.mark.parametrize("kind", ["npz", "arkit", "glb"])
def test_what_was_exported_draws_the_same_picture(tmp_path, head, animation, kind):
    few = Animation(animation.weights[:4] * 0.5, animation.head_rotation[:4], 30.0)
    path = export(kind, few, head, tmp_path / "a").path
    played_by = load_head(path) if kind == "glb" else head
    given, again = (
        np.stack([picture.copy() for picture in render_frames([track], 30.0, 128)])
        for track in (Track(head, few), Track(played_by, read_motion(path)))
    )
    assert np.abs(given.astype(int) - again).max() <= 2 and np.abs(np.diff(given.astype(int), axis=0)).max() > 50


def test_pictures_are_cut_out(tmp_path, head, animation):
    few = Animation(animation.weights[:3] * 0.5, animation.head_rotation[:3], 30.0)
    told = []
    folder = export("png", few, head, tmp_path / "a", size=128, progress=told.append).path
    files = sorted(folder.iterdir())
    assert folder.name == "a_frames" and [file.name for file in files] == ["00000.png", "00001.png", "00002.png"]
    assert told == pytest.approx([1 / 3, 2 / 3, 1.0])
    cut = np.stack([np.asarray(Image.open(file)) for file in files]).astype(float)
    assert cut.shape == (3, 128, 128, 4) and not cut[:, 0, 0, 3].any() and (cut[:, 64, 64, 3] == 255).all()
    laid = np.array([0x33, 0x66, 0x99]) * (255 - cut[..., 3:]) / 255 + cut[..., :3] * cut[..., 3:] / 255
    drawn = np.stack([picture.copy() for picture in render_frames([Track(head, few)], 30.0, 128, "#336699")])
    assert np.abs(laid - drawn[..., :3]).max() < 3  # over a colour they are what is drawn on it
    with pytest.raises(UserError, match="90000 frames are too many"):
        check_count(90_000)


def test_the_speech_stands_beside_the_glb(tmp_path, head, animation):
    speech = np.sin(np.arange(40_000) / 20).astype(np.float32) * 0.5
    path = export("glb", animation, head, tmp_path / "take.2", speech=speech).path
    assert unpack(path.read_bytes())[0]["asset"]["extras"] == {"speech": "take.2.wav"}
    sound, rate = soundfile.read(tmp_path / "take.2.wav", dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(sound, speech, atol=1e-4)
    assert "extras" not in unpack(export("glb", animation, head, tmp_path / "b").path.read_bytes())[0]["asset"]


def test_damaged_or_motionless_glbs_are_refused(tmp_path, head, animation):
    data = export("glb", animation, head, tmp_path / "a").path.read_bytes()
    tree, binary = unpack(data)
    still = {name: part for name, part in tree.items() if name != "animations"}
    foreign = json.loads(json.dumps(tree))
    for mesh in foreign["meshes"]:
        mesh["extras"]["targetNames"] = [f"key {index}" for index in range(52)]
    lost = json.loads(json.dumps(tree))
    lost["animations"][0]["samplers"][0]["input"] = 10**6
    path = tmp_path / "bad.glb"
    for bad in (
        b"",
        data[:200],
        data[: len(data) // 2],
        pack(still, binary),
        pack(foreign, binary),
        pack(lost, binary),
    ):
        path.write_bytes(bad)
        with pytest.raises(UserError, match=r"bad\.glb"):
            read_motion(path)


def test_the_table_looks_as_live_link_face_writes_it(tmp_path, head, animation):
    header, first, *rest = export("arkit", animation, head, tmp_path / "a").path.read_text().splitlines()
    columns = header.split(",")
    assert columns[:3] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft"] and len(columns) == 2 + 61
    assert columns[53] == "TongueOut" and columns[54:57] == ["HeadYaw", "HeadPitch", "HeadRoll"]
    assert first.startswith("00:00:00:00.000,61,") and rest[29].startswith("00:00:01:00.000")
    row = dict(zip(columns, first.split(",")))
    looking = ARKIT_NAMES.index("eyeLookOutLeft"), ARKIT_NAMES.index("eyeLookInLeft")
    expected = 0.6 * (animation.weights[0, looking[1]] - animation.weights[0, looking[0]])  # to the right is positive
    assert float(row["LeftEyeYaw"]) == pytest.approx(expected, abs=1e-6)
    assert float(row["HeadYaw"]) == pytest.approx(-animation.head_rotation[0, 1], abs=1e-6)
    assert float(row["HeadPitch"]) == pytest.approx(animation.head_rotation[0, 0], abs=1e-6)


def test_a_recorded_table_with_dropped_frames_keeps_its_time(tmp_path):
    frames = [frame for frame in range(180) if frame % 7 != 3]
    rows = [f"17:05:{22 + (i + 50) // 60}:{(i + 50) % 60:02}.250,61,{i / 200:.6f}" for i in frames]
    path = tmp_path / "recorded.csv"
    path.write_text("Timecode,BlendshapeCount,JawOpen\n" + "\n".join(rows) + "\n")
    animation = read_motion(path)
    assert animation.fps == 60.0 and len(animation) == 180
    np.testing.assert_allclose(animation.weights[:, ARKIT_NAMES.index("jawOpen")], np.arange(180) / 200, atol=1e-5)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", "Timecode,JawOpen\n", "Timecode,JawOpen\nx,1\n", "Timecode,JawOpen\n00:00:00:00\n",
     "Timecode,JawOpen\n00:00:00:00,nan\n", "Timecode,JawOpen\n00:00:00:00,1\n99:00:00:00,1\n", "\0\0"],
)  # fmt: skip
def test_damaged_tables_are_refused(tmp_path, text):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=r"bad\.csv"):
        read_motion(path)


def test_an_unknown_kind_or_file_is_refused(tmp_path, head, animation):
    with pytest.raises(UserError, match="npz, arkit, glb"):
        export("fbx", animation, head, tmp_path / "a")
    with pytest.raises(UserError, match="no motion"):
        read_motion(tmp_path / "a.txt")


def _accessor(tree: dict, binary: bytes, index: int, width: int) -> np.ndarray:
    entry = tree["accessors"][index]
    view = tree["bufferViews"][entry["bufferView"]]
    dtype = {5126: "<f4", 5121: "u1"}[entry["componentType"]]
    return np.frombuffer(binary, dtype, entry["count"] * width, view["byteOffset"]).reshape(-1, width)


def test_the_glb_holds_the_same_head(tmp_path, head, animation):
    back = load_head(export("glb", animation, head, tmp_path / "a").path)
    np.testing.assert_allclose(back.vertices, head.vertices, atol=1e-7)
    np.testing.assert_allclose(back.shapes, head.shapes, atol=1e-6)
    np.testing.assert_allclose(back.colours, head.colours, atol=1e-6)
    np.testing.assert_array_equal(back.faces, head.faces)
    np.testing.assert_array_equal(back.textures[0], head.textures[0])
    assert {k: v.tolist() for k, v in back.regions.items()} == {k: v.tolist() for k, v in head.regions.items()}


def test_the_glb_moves_as_the_head_does(tmp_path, head, animation):
    """Plays the file by glTF's rules: morph, then skin. It must be what `deform` gives."""
    tree, binary = unpack(export("glb", animation, head, tmp_path / "a").path.read_bytes())
    (recorded,) = tree["animations"]
    times = _accessor(tree, binary, recorded["samplers"][0]["input"], 1)[:, 0]
    np.testing.assert_allclose(times, np.arange(75) / 30, atol=1e-6)
    turns = _accessor(tree, binary, recorded["samplers"][0]["output"], 4)
    weights = _accessor(tree, binary, recorded["samplers"][1]["output"], 1).reshape(75, 52)
    targets = [channel["target"]["node"] for channel in recorded["channels"] if channel["target"]["path"] == "weights"]
    assert targets == [index for index, node in enumerate(tree["nodes"]) if "mesh" in node]
    pivot = np.array(tree["nodes"][tree["skins"][0]["joints"][1]]["translation"])
    frame, expected = 40, head.deform(animation.weights[40:41], animation.head_rotation[40:41])[0]
    morphed = head.vertices + np.einsum("k,kvc->vc", weights[frame], head.shapes)
    x, y, z, w = turns[frame]
    axis = np.array([x, y, z])
    relative = morphed - pivot
    across = 2 * np.cross(axis, relative)
    turned = relative + w * across + np.cross(axis, across) + pivot
    share = np.concatenate(
        [
            _accessor(tree, binary, mesh["primitives"][0]["attributes"]["WEIGHTS_0"], 4)[:, 1:2]
            for mesh in tree["meshes"]
        ]
    )
    np.testing.assert_allclose(morphed + share * (turned - morphed), expected, atol=1e-5)


def test_quaternions_are_the_matrices():
    angles = np.random.default_rng(0).normal(0, 0.5, (20, 3))
    x, y, z, w = quaternions(angles).T
    matrix = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                       [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                       [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])  # fmt: skip
    np.testing.assert_allclose(matrix.transpose(2, 0, 1), rotation_matrices(angles), atol=1e-6)


def test_the_glb_is_well_formed(tmp_path, head, animation):
    data = export("glb", animation, head, tmp_path / "a").path.read_bytes()
    assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data)) and len(data) % 4 == 0
    tree, _ = unpack(data)
    assert not re.search(r'"uri"', json.dumps(tree))
    for view in tree["bufferViews"]:
        assert (
            view["byteOffset"] % 4 == 0 and view["byteOffset"] + view["byteLength"] <= tree["buffers"][0]["byteLength"]
        )
