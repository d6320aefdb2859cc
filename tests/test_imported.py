"""The published models, imported, through the commands: video, exports, heads, and what a user may get wrong."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import trimesh
from heads import GlbBuilder, played
from scipy.spatial import ConvexHull
from test_parity import GOLDEN
from videos import decode

from codetalker import cli, pipeline, windows
from codetalker.head import HEADS, list_heads
from codetalker.motion import VertexAnimation, load_animation
from codetalker.published import import_bundle

FPS = 30.0
OURS = list_heads()[0]
VERTICES = 40  # of the golden models of VOCASET


def face(vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed mesh of few vertices, the size of a head."""
    index = np.arange(vertices) + 0.5
    height, angle = 1 - 2 * index / vertices, np.pi * (1 + 5**0.5) * index
    around = np.sqrt(1 - height**2)
    points = np.stack([around * np.cos(angle), height, around * np.sin(angle)], 1)
    faces = ConvexHull(points).simplices
    corners = points[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = np.einsum("fc,fc->f", across, corners[:, 0])
    faces[outward < 0] = faces[outward < 0][:, ::-1]
    return (points * (0.09, 0.13, 0.1)).astype(np.float32), faces


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What users bring beside the checkpoints: templates, topology, and a head of it with shapes."""
    folder = tmp_path_factory.mktemp("files")
    vertices, faces = face(VERTICES)
    templates = {"ann": vertices, "ben": vertices * np.float32([1.1, 1.0, 1.0])}
    (folder / "templates.pkl").write_bytes(pickle.dumps(templates, protocol=2))
    trimesh.Trimesh(vertices, faces, process=False).export(folder / "sample.ply")
    drop, pucker = np.zeros_like(vertices), np.zeros_like(vertices)
    drop[vertices[:, 1] < 0, 1] = -0.02
    pucker[vertices[:, 2] > 0.05, 2] = 0.01
    glb = GlbBuilder()
    glb.tree["materials"].append({"name": "skin"})
    glb.mesh("face", vertices, faces.astype(np.uint32), {"jawOpen": drop, "mouthPucker": pucker}, 0)
    (folder / "shaped.glb").write_bytes(glb.pack())
    return folder


def imported(out: Path, **meshes: Path) -> Path:
    """CodeTalker and FaceFormer of the golden sets, side by side in one bundle."""
    for kind, weights in (
        ("codetalker", {"stage1": "stage1.pth.tar", "stage2": "stage2.pth.tar"}),
        ("faceformer", {"model": "model.pth"}),
    ):
        folder = GOLDEN / f"{kind}_vocaset"
        weights = {role: folder / name for role, name in weights.items()}
        import_bundle(kind, out, folder / "config.yaml", folder / "wav2vec2_config.json", **weights, **meshes)
    return out


@pytest.fixture(scope="module")
def bundle(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundles") / "tiny"
    return imported(out, templates=files / "templates.pkl", topology=files / "sample.ply")


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    soundfile.write(path, 0.3 * np.random.default_rng(0).normal(size=24_000).clip(-1, 1), 16_000)
    return path


@pytest.fixture(scope="module")
def made(bundle, speech, tmp_path_factory):
    """The folder with everything that one `animate` makes, on the second template."""
    folder = tmp_path_factory.mktemp("made")
    done = run("animate", speech, "-o", folder / "out.mp4", "--weights", bundle, "--head", "ben", "--size", 128,
               "--export", "npz,glb", "--report", folder / "report.json")  # fmt: skip
    assert done == 0
    return folder


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def complains(capsys, *arguments: object) -> str:
    capsys.readouterr()
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


def test_animate_on_imported_weights(made):
    assert sorted(path.name for path in made.iterdir()) == ["out.glb", "out.mp4", "out.npz", "out.wav", "report.json"]
    report = json.loads((made / "report.json").read_text())
    assert (report["head"], report["weights"], report["fps"], report["style"]) == ("ben", "tiny", 30, "S0")
    assert set(report["deviations"]) == {"glb"} and report["decoding"] == "whole"
    pictures, sound = decode(made / "out.mp4", 256)
    assert len(pictures) == 45 and len(sound) > 20_000
    left, right = pictures[:, :112, :128].astype(int), pictures[:, :112, 128:].astype(int)
    for half in (left, right):
        assert half.std() > 10 and np.abs(half[1:] - half[0]).max() > 30  # a head that moves
    assert np.abs(left - right).mean() > 0.3  # CodeTalker and FaceFormer


def test_its_motion_file_starts_at_the_template_and_knows_its_faces(made, files):
    animation = load_animation(made / "out.npz")
    assert animation.faces.shape[1] == 3 and animation.vertices.shape[1:] == (VERTICES, 3)
    np.testing.assert_allclose(animation.template, face(VERTICES)[0] * np.float32([1.1, 1.0, 1.0]), atol=1e-6)
    told = json.loads((made / "report.json").read_text())["deviations"]["glb"]
    distance = np.linalg.norm(played(made / "out.glb", 20) - animation.vertices[20], axis=1)
    assert distance.max() <= (told["worst_of_height"] + 1e-4) * np.ptp(animation.template[:, 1])


def test_its_motion_file_can_be_drawn(made, speech, files, tmp_path, capsys):
    arguments = ["--speech", speech, "-o", tmp_path / "again.mp4", "--size", 128]
    assert run("render", made / "out.npz", *arguments) == 0
    assert decode(tmp_path / "again.mp4", 128)[0].std() > 10
    assert run("render", made / "out.npz", "--head", files / "shaped.glb", *arguments) == 0
    told = complains(capsys, "render", made / "out.npz", "--head", OURS, *arguments)
    assert str(VERTICES) in told and OURS in told
    animation = load_animation(made / "out.npz")
    VertexAnimation(animation.vertices, animation.template, FPS).save(tmp_path / "bare.npz")
    assert "--head FILE.glb" in complains(capsys, "render", tmp_path / "bare.npz", *arguments)
    assert run("render", tmp_path / "bare.npz", "--head", files / "shaped.glb", *arguments) == 0


def test_a_head_of_the_topology_gives_arkit_weights(bundle, speech, files, tmp_path):
    out = tmp_path / "out.mp4"
    assert run("animate", speech, "-o", out, "--weights", bundle, "--head", files / "shaped.glb", "--size", 128,
               "--export", "npz,arkit", "--report", tmp_path / "r.json", "--baseline", "none") == 0  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["head"] == "shaped" and report["deviations"]["arkit"]["mean_of_height"] > 0
    np.testing.assert_allclose(load_animation(tmp_path / "out.npz").template, face(VERTICES)[0], atol=1e-6)
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert len(rows) == 1 + report["frames"] and rows[0].split(",")[54] == "HeadYaw"
    weights = np.array([row.split(",")[2:54] for row in rows[1:]], np.float32)
    assert weights.max() <= 1.0 and (weights.std(0) > 0).sum() <= 2  # it has two shapes


def test_mistakes_are_told_in_one_line(bundle, speech, files, tmp_path, capsys):
    animate = ["animate", speech, "-o", tmp_path / "out.mp4", "--size", 128]
    told = complains(capsys, *animate, "--weights", bundle, "--head", "carl")
    assert "carl" in told and "ann, ben" in told
    told = complains(capsys, *animate, "--weights", bundle, "--export", "arkit")
    assert "ann" in told and "shapes" in told
    glb = HEADS / f"{OURS}.glb"
    told = complains(capsys, *animate, "--weights", bundle, "--head", glb)
    assert str(VERTICES) in told and f"{OURS} has" in told
    (tmp_path / "bundles").mkdir()
    faceless = imported(tmp_path / "bundles" / "faceless", templates=files / "templates.pkl")
    assert "--topology" in complains(capsys, *animate, "--weights", faceless)
    assert list(tmp_path.iterdir()) == [tmp_path / "bundles"]


def test_heads_are_those_of_the_bundle(bundle, capsys):
    assert run("heads", "--weights", bundle) == 0
    assert capsys.readouterr().out.split() == ["ann", "ben"]
    assert run("heads") == 0
    assert OURS in capsys.readouterr().out.split()


def test_the_ways_of_decoding_are_the_ones_that_the_commands_offer():
    assert pipeline.DECODINGS == windows.DECODINGS
