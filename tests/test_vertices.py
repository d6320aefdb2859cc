"""Vertices that move freely, as the published models emit them, on screen and in files."""

import numpy as np
import pytest
import trimesh
from heads import ball, played, tiny_head_file, unpack

from codetalker.export import components, export, fitting
from codetalker.export.components import find_components
from codetalker.export.fitting import fit_weights
from codetalker.head import list_heads, load_head
from codetalker.head.templates import find_eyes, find_holes, template_head
from codetalker.motion import ARKIT_NAMES, Animation, VertexAnimation
from codetalker.render import Track, render_stills
from codetalker.render.figure import Surface, figure_of, find_chin

FPS = 30.0


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    return load_head(tiny_head_file(tmp_path_factory.mktemp("head")))


@pytest.fixture(scope="module")
def ours():
    return load_head(list_heads()[0])


def speaking(frames: int) -> Animation:
    """Weights of the tiny head's shapes that come and go smoothly."""
    weights = np.zeros((frames, 52), np.float32)
    time = np.arange(frames) / FPS
    for shape, rate in (("jawOpen", 2.0), ("mouthPucker", 3.1), ("eyeBlinkLeft", 0.7)):
        weights[:, ARKIT_NAMES.index(shape)] = 0.5 - 0.5 * np.cos(2 * np.pi * rate * time)
    return Animation(weights, np.zeros((frames, 3), np.float32), FPS)


def moving(head, frames: int) -> VertexAnimation:
    return VertexAnimation(head.deform(speaking(frames).weights), head.vertices, FPS, head.faces)


class Watched:
    """Vertices that note how many frames are asked for at once."""

    def __init__(self, vertices):
        self.inner, self.most = vertices, 0

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, rows):
        block = self.inner[rows]
        self.most = max(self.most, len(block) if block.ndim == 3 else 1)
        return block


def skin_of(ours, scale: float = 1.0):
    part = ours.parts[0]
    return template_head("skin", ours.vertices[part.vertices] * scale, ours.faces[part.faces])


def test_a_track_of_vertices_moves_as_the_head_does(head):
    animation = speaking(20)
    by_weights, by_vertices = Track(head, animation), Track(head, moving(head, 20))
    np.testing.assert_allclose(by_vertices.vertices(3, 30), by_weights.vertices(3, 30), atol=1e-7)


def test_a_template_is_one_skin_and_prepared_once(head):
    made = template_head("S1", head.vertices, head.faces)
    assert template_head("S1", head.vertices.copy(), head.faces.astype(np.int64)) is made
    assert not made.has_shapes and head.has_shapes and len(made.missing) == 52
    np.testing.assert_array_equal(made.vertices, head.vertices)
    inside, outside = figure_of(made).batches
    assert inside.inside and not outside.inside and not inside.double_sided and not outside.double_sided


def test_a_topology_turned_inside_out_is_turned_back(head):
    made = template_head("S1", head.vertices, head.faces[:, ::-1])
    assert {tuple(face) for face in made.faces} == {tuple(face) for face in head.faces}


def test_the_unit_of_length_does_not_show(ours):
    in_metres, in_something = (render_stills(skin_of(ours, scale), np.zeros((1, 52)), 128)[0] for scale in (1.0, 37.0))
    assert np.abs(in_metres.astype(int) - in_something).mean() < 0.2
    assert in_metres.std() > 20


def test_the_chin_is_found_without_shapes(ours):
    assert find_chin(skin_of(ours)) == pytest.approx(find_chin(ours), abs=0.01)


def test_a_mask_is_shown_whole(ours):
    """A face without back and neck: no part of it leaves the picture, and none is under the caption."""
    chin, skin = find_chin(ours), ours.vertices[ours.parts[0].vertices]
    kept = (skin[:, 1] > chin) & (skin[:, 2] > 0.0)
    faces = ours.faces[ours.parts[0].faces]
    faces = (np.cumsum(kept) - 1)[faces[kept[faces].all(1)]]
    picture = render_stills(template_head("mask", skin[kept], faces), np.zeros((1, 52)), 128)[0].astype(int)
    covered = (picture[..., 0] - picture[..., 2]) > 15  # skin is warm, the backdrop cool
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    assert rows[0] >= 2 and rows[-1] < 0.95 * 128 and columns[0] >= 2 and columns[-1] < 126
    assert covered.mean() > 0.2


def with_eyes(radius: float, eyes: list[tuple[float, float, float]]):
    vertices, faces = ball(0.12, (0.0, 0.0, 0.0))
    for centre in eyes:
        more, more_faces = ball(radius, centre, rows=12)
        faces = np.concatenate([faces, more_faces + len(vertices)])
        vertices = np.concatenate([vertices, more])
    return trimesh.Trimesh(vertices, faces, process=False)


def test_balls_in_a_face_are_eyes():
    mesh = with_eyes(0.015, [(0.03, 0.03, 0.1), (-0.03, 0.03, 0.1)])
    mesh.merge_vertices()  # the ball of the tests is open along a seam
    mesh = trimesh.util.concatenate(sorted(mesh.split(), key=lambda piece: -len(piece.vertices)))
    made = template_head("S1", np.asarray(mesh.vertices), np.asarray(mesh.faces))
    assert [part.name for part in made.parts] == ["skin", "eye", "eye"]
    assert set(figure_of(made).surface[made.parts[1].vertices, 0]) == {Surface.EYE}
    eye = made.vertices[made.parts[1].vertices]
    colours = made.colours[made.parts[1].vertices]
    assert colours[eye[:, 2].argmax(), :3].max() < 0.05 and colours[eye[:, 2].argmin()].min() > 0.5  # pupil, white
    assert len(made.faces) == len(mesh.faces)
    for part in made.parts:
        used = made.faces[part.faces]
        assert used.min() >= part.vertices.start and used.max() < part.vertices.stop
    one = with_eyes(0.015, [(0.03, 0.03, 0.1)])
    assert find_eyes(np.asarray(one.vertices, np.float32), np.asarray(one.faces)) == []


def test_parted_lips_show_no_backdrop_and_a_mask_keeps_its_rim():
    side = 21
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(side), np.arange(side)))
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    faces = np.concatenate([np.stack([corner, corner + 1, corner + side], 1),
                            np.stack([corner + 1, corner + side + 1, corner + side], 1)])  # fmt: skip
    middle = np.stack([x, y], 1)[faces].mean(1)
    faces = faces[~((np.abs(middle[:, 0] - 10) < 3) & (np.abs(middle[:, 1] - 8) < 1))]
    vertices = np.stack([x, y, 0 * x], 1).astype(np.float32)
    plates = find_holes(vertices, faces)
    assert len(plates) and (np.abs(vertices[plates] - (10, 8, 0)).max((0, 1)) <= (4, 2, 0)).all()
    corners = vertices[plates]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    missing = 2 * (side - 1) ** 2 - len(faces)
    assert across[across > 0].sum() == pytest.approx(missing / 2) == pytest.approx(-across[across < 0].sum())


def test_frames_are_read_in_blocks(head, tmp_path):
    animation = moving(head, 200)
    watched = Watched(animation.vertices)
    animation = VertexAnimation(watched, head.vertices, FPS, head.faces)
    Track(head, animation).vertices(190, 206)
    export("glb", animation, head, tmp_path / "a")
    export("arkit", animation, head, tmp_path / "a")
    assert 1 < watched.most <= max(components.TOGETHER, fitting.TOGETHER, 16) < 200


def test_components_are_as_few_as_the_motion_needs(head):
    found = find_components(moving(head, 120))
    assert len(found.shapes) <= 3 and np.abs(found.weights).max() == pytest.approx(1.0)
    again = head.vertices + np.einsum("tk,kvc->tvc", found.weights, found.shapes)
    distance = np.linalg.norm(again - moving(head, 120).vertices, axis=2) / np.ptp(head.vertices[:, 1])
    assert found.worst == pytest.approx(distance.max(), rel=0.05, abs=1e-6)
    assert found.mean == pytest.approx(distance.mean(), rel=0.05, abs=1e-6)
    assert found.mean <= components.FINE


def test_components_of_a_long_clip_and_of_noise(head, monkeypatch):
    monkeypatch.setattr(components, "SEEN", 64)
    found = find_components(moving(head, 500))
    assert found.mean <= components.FINE and len(found.weights) == 500
    noise = np.random.default_rng(0).normal(0, 0.01, (60, *head.vertices.shape)).astype(np.float32)
    found = find_components(VertexAnimation(head.vertices + noise, head.vertices, FPS))
    assert len(found.shapes) == components.MOST
    assert 0.001 < found.mean < found.worst  # and it is told
    still = find_components(VertexAnimation(np.repeat(head.vertices[None], 5, 0), head.vertices, FPS))
    assert len(still.shapes) == 1 and still.worst == 0.0


def test_the_glb_moves_as_the_vertices_do_and_tells_how_well(head, tmp_path):
    animation = moving(head, 50)
    made = template_head("S1", animation.template, animation.faces)
    path, deviation = export("glb", animation, made, tmp_path / "a")
    distance = np.linalg.norm(played(path, 17) - animation.vertices[17], axis=1) / np.ptp(head.vertices[:, 1])
    assert distance.max() <= deviation["worst_of_height"] + 1e-5
    tree, _ = unpack(path.read_bytes())
    assert tree["asset"]["extras"] == deviation and "skins" not in tree
    assert deviation["components"] == len(tree["meshes"][0]["weights"])


def test_weights_come_back_from_vertices(ours):
    """Of a whole head with all shapes: the vertices to 0.05 mm, and the weights that made them."""
    random = np.random.default_rng(0)
    weights = np.zeros((40, 52), np.float32)
    for name in ("jawOpen", "mouthPucker", "mouthSmileLeft", "browInnerUp", "eyeBlinkLeft", "eyeBlinkRight"):
        weights[:, ARKIT_NAMES.index(name)] = random.random(40)
    animation = VertexAnimation(ours.deform(weights), ours.vertices, FPS)
    fitted, off = fit_weights(animation, ours)
    distance = np.linalg.norm(ours.deform(fitted.weights) - animation.vertices, axis=2)
    assert distance.max() < 5e-5 and off < 1e-4
    assert np.abs(fitted.weights - weights).max() < 0.02
    assert fitted.weights.min() >= 0.0 and fitted.weights.max() <= 1.0 and not fitted.head_rotation.any()


def test_weights_stay_in_bounds_where_the_vertices_ask_for_more(head):
    weights = speaking(20).weights
    fitted, off = fit_weights(VertexAnimation(head.deform(1.5 * weights), head.vertices, FPS), head)
    np.testing.assert_allclose(fitted.weights, np.minimum(1.5 * weights, 1.0), atol=0.02)
    assert off > 1e-3
