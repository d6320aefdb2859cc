"""Meshes without shapes: what is carried over from our head, how it is told, and what is refused."""

import os

import numpy as np
import pytest
import trimesh
from heads import GlbBuilder, ball
from scipy.spatial import cKDTree

from codetalker.casting import head_for_motion
from codetalker.errors import UserError
from codetalker.head import load_head
from codetalker.head.bare import bag_of
from codetalker.head.surface import hang_together, untangle
from codetalker.head.templates import find_holes
from codetalker.head.transfer import SOURCE, our_source, skin_part
from codetalker.motion import ARKIT_NAMES, VertexAnimation

JAW = ARKIT_NAMES.index("jawOpen")
SPEECH = "jawOpen mouthClose mouthPucker mouthFunnel mouthRollLower mouthSmileLeft mouthUpperUpRight".split()


@pytest.fixture(scope="module")
def ours():
    return load_head(SOURCE)


@pytest.fixture(scope="module")
def skin(ours) -> trimesh.Trimesh:
    part = skin_part(ours)
    return trimesh.Trimesh(ours.vertices[part.vertices], ours.faces[part.faces] - part.vertices.start, process=False)


@pytest.fixture(scope="module")
def soup(skin, tmp_path_factory):
    """Our own skin as triangles that share nothing, in centimetres, z up, looking to -y: read back and given shapes."""
    path = tmp_path_factory.mktemp("soup") / "scan.stl"
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    trimesh.Trimesh(skin.vertices @ turn.T * 100.0, skin.faces, process=False).export(path)
    return load_head(path)


def test_our_own_skin_gets_nearly_its_own_shapes_back(soup, ours):
    part = skin_part(ours)
    own, read = ours.vertices[part.vertices], soup.vertices[soup.parts[0].vertices]
    centre = read.max(0) - own.max(0)  # where it stands is not kept
    _, nearest = cKDTree(own + centre).query(read)
    for name in SPEECH:
        column = ARKIT_NAMES.index(name)
        wanted = ours.shapes[column, part.vertices][nearest]
        got = soup.shapes[column, soup.parts[0].vertices]
        moving = np.linalg.norm(wanted, axis=1) > 0.001
        off = np.linalg.norm(wanted - got, axis=1)[moving]
        assert np.mean(off) < 0.0006, name


def test_the_lips_part_and_teeth_are_behind_them(soup):
    upper, lower = soup.regions["inner_lip_upper"], soup.regions["inner_lip_lower"]
    assert len(upper) > 5
    opened = soup.deform(np.eye(52, dtype=np.float32)[[JAW]])[0]
    gap = opened[upper, 1] - opened[lower, 1]
    assert gap.max() > 0.015
    sealed = soup.deform(0.4 * np.eye(52, dtype=np.float32)[[JAW, ARKIT_NAMES.index("mouthClose")]].sum(0)[None])[0]
    assert np.abs(sealed[upper, 1] - sealed[lower, 1]).max() < 0.004
    names = [part.name.split()[0] for part in soup.parts]
    assert {"skin", "teeth", "mouth", "eyes"} <= set(names)


def test_what_was_guessed_is_told(soup):
    assert soup.missing == []
    told = " ".join(soup.notes)
    for words in ("centimetres", "z was taken for up and -y for forward", "carried over from alex", "eyes are alex's"):
        assert words in told
    assert "the inside of its mouth is alex's" in told


def test_joined_lips_are_told_and_an_obj_opens_nothing_else(skin, tmp_path):
    """Materials named in the file are a trap that would hang."""
    outside = np.delete(skin.faces, bag_of(our_source().face), 0)
    membranes = find_holes(skin.vertices, outside)
    closed = trimesh.Trimesh(skin.vertices, np.concatenate([outside, membranes[: len(membranes) // 2]]), process=False)
    os.mkfifo(tmp_path / "trap.mtl")
    text = "mtllib trap.mtl\nusemtl face\n" + "".join(f"v {x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in closed.vertices)
    path = tmp_path / "closed.obj"
    path.write_text(text + "".join(f"f {a}/1/1 {b}/1/1 {c}/1/1\n" for a, b, c in closed.faces + 1))
    head = load_head(path)
    assert "its lips are one surface, so that its mouth can't be seen to open" in head.notes
    assert not any("mouth is" in note or "turned" in note for note in head.notes)
    assert np.linalg.norm(head.shapes[JAW], axis=1).max() > 0.03


def test_moving_vertices_are_not_played_on_it(soup, monkeypatch):
    monkeypatch.setattr("codetalker.casting.open_head", lambda name: soup)
    moving = VertexAnimation(soup.vertices[None], soup.vertices, 30.0, soup.faces)
    with pytest.raises(UserError, match="no shapes of its own"):
        head_for_motion("scan.stl", moving, "motion.npz")


def _glb_without_shapes() -> bytes:
    glb = GlbBuilder()
    glb.tree["materials"].append({"name": "clay"})
    glb.mesh("ball", *ball(0.12, (0, 0, 0), rows=40), {}, 0)
    del glb.tree["meshes"][0]["extras"], glb.tree["meshes"][0]["primitives"][0]["targets"]
    return glb.pack()


def _ply(vertices: str = "0 0 0\n0 1 0\n1 0 1\n", count: int = 3, face: str = "3 0 1 2\n") -> bytes:
    head = f"ply\nformat ascii 1.0\nelement vertex {count}\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    return f"{head}{vertices}{face}".encode()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("ball.glb", _glb_without_shapes(), "no face was found"),
        ("ball.stl", trimesh.creation.icosphere(3, 12.0).export(file_type="stl"), "no face was found"),
        ("box.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n", "no face was found"),
        ("one.ply", _ply(), "no face was found"),
        ("nan.ply", _ply("nan 0 0\n0 1 0\n1 0 1\n"), "not finite"),
        ("flat.ply", _ply("0 0 0\n0 1 0\n1 0 0\n"), "flat"),
        ("few.ply", _ply(face="3 0 1 7\n"), "don't exist|can be read"),
        ("huge.ply", _ply(count=10**12), "cut off"),
        ("cut.ply", _ply()[:60], "can be read"),
        ("cut.stl", trimesh.creation.icosphere(2).export(file_type="stl")[:500], "can be read|no face"),
        ("empty.obj", b"", "no faces|can be read"),
        ("points.obj", b"v 0 0 0\nv 1 1 1\nv 2 3 1\n", "no faces|can be read"),
        ("wild.obj", b"v 0 0 0\nv 1 1 1\nv 2 3 1\nf 1 2 99\n", "don't exist|can be read"),
        ("text.stl", b"solid nothing\nendsolid\n", "no faces|can be read"),
    ],
)
def test_what_is_no_face_is_refused(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        load_head(path)
    assert "\n" not in str(caught.value) and name.split(".")[0] in str(caught.value)


def test_too_many_vertices_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("codetalker.head.mesh_files.MAX_VERTICES", 100)
    trimesh.creation.icosphere(3).export(tmp_path / "fine.ply")
    with pytest.raises(UserError, match="more than 100 vertices"):
        load_head(tmp_path / "fine.ply")


def test_touching_lips_are_two_and_seams_are_none():
    """Two beams, one lying on the edge of the other, welded there or as a soup of triangles."""
    beam = trimesh.creation.box((2, 1, 1)).apply_transform(
        trimesh.transformations.rotation_matrix(np.pi / 4, [1, 0, 0])
    )
    both = trimesh.util.concatenate(beam, beam.copy().apply_translation([0, 2**0.5, 0]))
    soup = both.triangles.reshape(-1, 3)
    welded = both.copy()
    welded.merge_vertices(digits_vertex=6)
    assert len(welded.vertices) == 14
    for vertices, faces in ((soup, np.arange(len(soup)).reshape(-1, 3)), (welded.vertices, welded.faces)):
        copied, faces = untangle(vertices, faces, soup=len(vertices) == len(soup))
        assert len(copied) == 16 and len(np.unique(hang_together(vertices[copied], faces).piece)) == 2
