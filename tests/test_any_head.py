"""Other people's heads: names of shapes, visemes and expressions, units, directions, bodies, ways to store a mesh."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from heads import pack, tiny_glb, unpack

from app.steps import Result
from app.telling import in_words
from codetalker import cli
from codetalker.errors import UserError
from codetalker.head import gltf, load_head
from codetalker.head.spellings import STAND_INS, arkit_name, recipe_for, stand_in_name
from codetalker.motion import ARKIT_NAMES

SKIN = slice(0, 272)
JAW, PUCKER, BLINK = (ARKIT_NAMES.index(name) for name in ("jawOpen", "mouthPucker", "eyeBlinkLeft"))


def loaded(tmp_path, change, name: str = "other.glb"):
    """The tiny head after `change(tree)`, which may return another binary chunk."""
    tree, binary = unpack(tiny_glb())
    changed = change(tree, binary)
    path = tmp_path / name
    path.write_bytes(pack(tree, binary if changed is None else changed))
    return load_head(path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("tiny"), lambda tree, binary: None)


def named(*names: str):
    def change(tree, binary):
        tree["meshes"][0]["extras"]["targetNames"] = list(names)

    return change


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        *((text, "jawOpen") for text in "jawOpen JawOpen jaw_open Face.jawOpen blendShape1.jawOpen".split()),
        *((text, "jawOpen") for text in "head__jawOpen vrm.jawOpen Mesh|jaw_Open ARKit-jawOpen".split()),
        *(
            (text, "eyeBlinkLeft")
            for text in "eyeBlink_L eyeBlinkLeft eyeBlink.L eyeBlinkL Face_eye_blink_left".split()
        ),
        ("mouthLeft", "mouthLeft"),
        ("mouthLowerDown_R", "mouthLowerDownRight"),
        ("browInnerUp_L", "partly.browInnerUp"),
        ("jaw", None),
        ("earWiggle", None),
    ],
)
def test_spellings_of_arkit(spelled, name):
    assert arkit_name(spelled) == name


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        *zip("viseme_aa viseme_PP viseme_O vrc.v_oh Fcl_MTH_U M_F00_Fcl_MTH_A".split(), "aa pp oh oh ou aa".split()),
        *zip("vrm.a vrm.ee vrm.Blink_L vrm.blinkRight A あ".split(), "aa ee blinkLeft blinkRight aa aa".split()),
        ("Fcl_EYE_Close_R", "blinkRight"),
        ("mouthOpen", "aa"),
        ("a", None),
        ("Hair_A", None),
        ("viseme_sil", None),
    ],
)
def test_spellings_of_visemes_and_expressions(spelled, name):
    assert stand_in_name(spelled) == name


def test_every_stand_in_can_be_spelled():
    parts = {part for recipes in STAND_INS.values() for recipe in recipes for part in recipe}
    spoken = "viseme_aa viseme_PP viseme_FF viseme_TH viseme_I viseme_U viseme_E viseme_O blink blinkLeft blinkRight"
    others = "Fcl_MTH_Joy Fcl_MTH_Angry Fcl_EYE_Surprised Fcl_BRW_Surprised Fcl_BRW_Angry"
    assert parts == {stand_in_name(name) for name in f"{spoken} {others}".split()}
    assert set(STAND_INS) <= set(ARKIT_NAMES)
    assert recipe_for("mouthClose", ["aa"]) == {"aa": -0.85} and recipe_for("cheekPuff", ["aa"]) == {}


def test_visemes_stand_in_for_shapes(tmp_path, tiny):
    head = loaded(tmp_path, named("viseme_aa", "viseme_U", "blink", "viseme_sil"))
    np.testing.assert_allclose(head.shapes[JAW], tiny.shapes[JAW], atol=1e-7)
    np.testing.assert_allclose(head.shapes[PUCKER], tiny.shapes[PUCKER], atol=1e-7)
    close = ARKIT_NAMES.index("mouthClose")
    np.testing.assert_allclose(head.shapes[close], -0.85 * tiny.shapes[JAW], atol=1e-7)
    assert "mouthRollLower" in head.missing and "jawOpen" not in head.missing
    approximated, lacking = head.notes
    assert "visemes" in approximated and "aa, blink, ou" in approximated
    assert lacking.startswith(f"it lacks {len(head.missing)} of the 52")


def test_shapes_of_its_own_count_more_than_visemes(tmp_path, tiny):
    head = loaded(tmp_path, named("viseme_aa", "mouthPucker", "eyeBlink_L", "jawOpen"))
    np.testing.assert_array_equal(head.shapes[JAW], tiny.shapes[JAW])
    assert not any("jawOpen" in note for note in head.notes)


def test_a_blink_of_both_eyes_is_taken_apart(tmp_path, tiny):
    head = loaded(tmp_path, named("jawOpen", "mouthPucker", "blink", "earWiggle"))
    left, right = (head.shapes[ARKIT_NAMES.index(f"eyeBlink{side}")] for side in ("Left", "Right"))
    np.testing.assert_allclose(left + right, tiny.shapes[BLINK], atol=1e-6)
    assert left[head.vertices[:, 0] > 0.03].any() and not right[head.vertices[:, 0] > 0.03].any()


def test_halves_are_added(tmp_path, tiny):
    head = loaded(tmp_path, named("jawOpen", "mouthPucker", "browInnerUp_L", "browInnerUp_R"))
    brows = head.shapes[ARKIT_NAMES.index("browInnerUp")]
    np.testing.assert_allclose(brows, tiny.shapes[BLINK] + tiny.shapes[JAW], atol=1e-6)


def _vrm0(tree):
    groups = [
        {"name": "A", "presetName": "a", "binds": [{"mesh": 0, "index": 0, "weight": 100}]},
        {"name": "U", "presetName": "u", "binds": [{"mesh": 0, "index": 1, "weight": 50}]},
        {"name": "jawOpen", "presetName": "unknown", "binds": []},
    ]
    tree["extensions"] = {"VRM": {"blendShapeMaster": {"blendShapeGroups": groups}}}


def _vrm1(tree):
    preset = {
        "aa": {"morphTargetBinds": [{"node": 0, "index": 0, "weight": 1.0}]},
        "ou": {"morphTargetBinds": [{"node": 0, "index": 1, "weight": 0.5}]},
    }
    tree["extensions"] = {"VRMC_vrm": {"expressions": {"preset": preset, "custom": {}}}}


@pytest.mark.parametrize("version", [_vrm0, _vrm1])
def test_expressions_of_a_vrm_look_backwards_in_version_0(tmp_path, tiny, version):
    def change(tree, binary):
        tree["meshes"][0]["extras"]["targetNames"] = ["t0", "t1", "t2", "t3"]
        tree["nodes"].append({"children": [0, 1, 2, 3], "rotation": [0, 1, 0, 0]})
        tree["scenes"][0]["nodes"] = [4]
        version(tree)

    head = loaded(tmp_path, change, "avatar.vrm")
    np.testing.assert_allclose(head.shapes[JAW], tiny.shapes[JAW], atol=1e-6)
    np.testing.assert_allclose(head.shapes[PUCKER], 0.5 * tiny.shapes[PUCKER], atol=1e-6)
    assert "it was turned: y was taken for up and -z for forward" in head.notes


@pytest.mark.parametrize(
    ("scale", "rotation", "words"),
    [
        (1.0, [0, 0, 0, 1], []),
        (100.0, [0, 0, 0, 1], ["it was taken to be in centimetres"]),
        (1000.0, [0, 0, 0, 1], ["it was taken to be in millimetres"]),
        (0.01, [0, 0, 0, 1], ["it was enlarged 100 times"]),
        (1.0, [2**-0.5, 0, 0, 2**-0.5], ["it was turned: z was taken for up and -y for forward"]),
        (1.0, [0, 2**-0.5, 0, 2**-0.5], ["it was turned: y was taken for up and x for forward"]),
    ],
)
def test_any_unit_and_direction(tmp_path, tiny, scale, rotation, words):
    def change(tree, binary):
        tree["nodes"].append({"children": [0, 1, 2, 3], "rotation": rotation, "scale": [scale] * 3})
        tree["nodes"][4]["translation"] = [3.0, 2.0, 1.0]
        tree["scenes"][0]["nodes"] = [4]

    head = loaded(tmp_path, change)
    np.testing.assert_allclose(np.ptp(head.vertices, axis=0), np.ptp(tiny.vertices, axis=0), rtol=1e-3)
    np.testing.assert_allclose(head.shapes, tiny.shapes, atol=1e-6)
    assert [note for note in head.notes if "lacks" not in note] == words


def test_of_a_body_head_and_shoulders_are_kept(tmp_path, tiny):
    def change(tree, binary):
        body = json.loads(json.dumps(tree["meshes"][3])) | {"name": "legs"}
        tree["meshes"].append(body)
        tree["nodes"] += [{"mesh": 4, "translation": [0.0, -1.5, 0.0]}, {"mesh": 4, "translation": [0.8, 0.0, 0.0]}]
        tree["scenes"][0]["nodes"] += [4, 5]
        tree["nodes"][0]["skin"] = 0

    head = loaded(tmp_path, change)
    np.testing.assert_array_equal(head.vertices, tiny.vertices)
    assert "of its body head and shoulders are shown" in head.notes and "its skeleton is not used" in head.notes


def test_primitives_that_share_vertices_take_their_own(tmp_path, tiny):
    def change(tree, binary):
        whole = tree["meshes"][0]["primitives"][0]
        indices = tree["accessors"][whole["indices"]]
        half = 30
        indices["count"] -= half
        indices["byteOffset"] = half * 4
        tree["accessors"].append(indices | {"count": half, "byteOffset": 0})
        tree["meshes"][0]["primitives"].append(whole | {"indices": len(tree["accessors"]) - 1})

    head = loaded(tmp_path, change)
    faces = head.parts[0].faces.stop + head.parts[1].faces.stop - head.parts[1].faces.start
    assert faces == tiny.parts[0].faces.stop
    assert len(head.vertices) < len(tiny.vertices) + 60
    assert head.shapes[JAW, head.parts[1].vertices].any()


def test_a_gltf_with_its_data_inside(tmp_path, tiny):
    tree, binary = unpack(tiny_glb())
    tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    path = tmp_path / "text.gltf"
    path.write_text(json.dumps(tree))
    np.testing.assert_array_equal(load_head(path).vertices, tiny.vertices)
    for uri, words in (("face.bin", "outside itself"), ("data:;base64,%%%", "not sound"), (None, "self-contained")):
        tree["buffers"][0] = {"byteLength": 8} | ({} if uri is None else {"uri": uri})
        path.write_text(json.dumps(tree))
        with pytest.raises(UserError, match=words):
            load_head(path)


def test_quantised_positions(tmp_path, tiny):
    def change(tree, binary):
        accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
        shorts = np.zeros((272, 4), "<i2")
        shorts[:, :3] = np.round(tiny.vertices[SKIN] / 0.12 * 32767)
        tree["bufferViews"].append({"buffer": 0, "byteOffset": len(binary), "byteLength": 272 * 8, "byteStride": 8})
        accessor |= {"componentType": 5122, "normalized": True, "bufferView": len(tree["bufferViews"]) - 1}
        tree["nodes"][0]["scale"] = [0.12, 0.12, 0.12]
        tree["extensionsRequired"] = ["KHR_mesh_quantization"]
        return binary + shorts.tobytes()

    head = loaded(tmp_path, change)
    np.testing.assert_allclose(head.vertices[SKIN], tiny.vertices[SKIN], atol=4e-6)
    np.testing.assert_allclose(head.shapes[JAW], 0.12 * tiny.shapes[JAW], atol=1e-7)


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        ("KHR_draco_mesh_compression", "compressed with Draco: export it again without compression"),
        ("EXT_meshopt_compression", "compressed with meshopt"),
        ("KHR_texture_basisu", "textures as PNG or JPEG"),
    ],
)
def test_compressed_files_are_told_how_to_export(tmp_path, extension, words):
    def change(tree, binary):
        tree["extensionsRequired"] = [extension]

    with pytest.raises(UserError, match=words):
        loaded(tmp_path, change)


def test_a_million_vertices_are_refused(tmp_path):
    def change(tree, binary):
        tree["accessors"].append({"componentType": 5126, "count": 999_999, "type": "VEC3"})
        tree["meshes"][0] = {"primitives": [{"attributes": {"POSITION": len(tree["accessors"]) - 1}}]}

    with pytest.raises(UserError, match="more than 200000 vertices"):
        loaded(tmp_path, change)


def test_work_is_bounded(tmp_path):
    def change(tree, binary):
        tree["accessors"].append({"componentType": 5126, "count": 1_000_000, "type": "VEC3"})
        indices = tree["meshes"][0]["primitives"][0]["indices"]
        primitive = {"attributes": {"POSITION": len(tree["accessors"]) - 1}, "indices": indices}
        tree["meshes"][0]["primitives"] = [primitive] * 5_000

    with pytest.raises(UserError, match="million numbers"):
        loaded(tmp_path, change)


def test_large_textures_shrink(tmp_path, monkeypatch):
    monkeypatch.setattr(gltf, "KEPT_PIXELS", 4)
    head = loaded(tmp_path, lambda tree, binary: None)
    assert head.textures[0].shape == (4, 4, 4)


def test_what_was_guessed_is_said_on_the_page_and_on_stderr(capsys):
    report = {"audio_seconds": 1.0, "frames": 30, "fps": 30.0, "style": "soft", "head": "robot", "device": "cpu"}
    report["seconds"] = dict.fromkeys(("load", "speech", "talker", "baseline", "render", "total"), 1.0)
    report["head_notes"] = ["it was taken to be in inches"]
    assert "Of the head: it was taken to be in inches." in in_words(Result(Path("a.mp4"), {}, report))
    cli._tell("robot", report["head_notes"])
    assert capsys.readouterr().err == "codetalker: the head robot: it was taken to be in inches\n"
    cli._tell("robot", [])
    assert capsys.readouterr().err == ""
