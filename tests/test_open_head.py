"""The open head: what its shapes must do for speech, checked on the file that ships and on a fresh build."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from codetalker.head import Head, load_head
from codetalker.motion import ARKIT_NAMES
from training.heads import anatomy, rings
from training.heads.build import build_head
from training.heads.field import build_field
from training.heads.mouth import jaw_motion
from training.heads.write import write_glb

FILE = Path(__file__).resolve().parent.parent / "assets" / "heads" / "alex.glb"
SEALING = ["mouthPucker", "mouthSmileLeft", "mouthPressLeft", "mouthRollUpper", "mouthRollLower", "mouthFrownLeft",
           "mouthStretchLeft", "mouthDimpleLeft", "mouthLeft", "jawLeft", "jawForward", "cheekPuff"]  # fmt: skip


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head(FILE)


def posed(head: Head, **weights: float) -> np.ndarray:
    """(V, 3) millimetres."""
    row = np.zeros((1, 52), np.float32)
    for name, weight in weights.items():
        row[0, ARKIT_NAMES.index(name)] = weight
    return head.deform(row, np.zeros((1, 3), np.float32))[0] * 1e3


def lip_gap(head: Head, vertices: np.ndarray) -> np.ndarray:
    """(pairs, 3) from the lower to the upper side of the line along which the lips meet."""
    return vertices[head.regions["inner_lip_upper"]] - vertices[head.regions["inner_lip_lower"]]


def test_every_shape_is_there_and_moves_something(head: Head) -> None:
    assert head.missing == []
    travel = np.linalg.norm(head.shapes, axis=2).max(1) * 1e3
    assert np.isfinite(head.shapes).all() and np.isfinite(head.vertices).all()
    assert {n for n, t in zip(ARKIT_NAMES, travel, strict=True) if not 1.5 < t < 50} == set()


def test_file_is_small_and_life_size(head: Head) -> None:
    assert FILE.stat().st_size < 4_000_000
    assert len(head.vertices) < 10_000
    x, y, z = head.regions["upper_face"], head.vertices[:, 1], head.vertices[:, 2]
    assert np.ptp(head.vertices[x, 0]) == pytest.approx(0.145, abs=0.02)
    assert 0.28 < np.ptp(y) < 0.40 and z.max() == pytest.approx(0.13, abs=0.005)


def test_lips_meet_at_rest_and_part_with_the_jaw(head: Head) -> None:
    assert np.abs(lip_gap(head, posed(head))).max() < 1e-3
    gap = lip_gap(head, posed(head, jawOpen=1.0))[:, 1]
    assert 25 < gap[len(gap) // 2] < 38
    assert (gap > 0).all()
    assert (np.diff(gap[: len(gap) // 2 + 1]) > 0).all()  # widest in the middle


@pytest.mark.parametrize("weight", [0.1, 0.35, 0.7, 1.0])
def test_mouth_close_seals_an_open_jaw(head: Head, weight: float) -> None:
    closed = posed(head, jawOpen=weight, mouthClose=weight)
    assert np.abs(lip_gap(head, closed)).max() < 0.01


@pytest.mark.parametrize("name", SEALING)
def test_lips_stay_sealed_where_no_shape_opens_them(head: Head, name: str) -> None:
    assert np.abs(lip_gap(head, posed(head, **{name: 1.0}))).max() < 0.01


@pytest.mark.parametrize("name", ARKIT_NAMES)
def test_lips_never_cross(head: Head, name: str) -> None:
    if name == "mouthClose":
        pytest.skip("mouthClose is meant to go with jawOpen")
    assert lip_gap(head, posed(head, **{name: 1.0}))[:, 1].min() > -0.01


def test_left_and_right_are_separate(head: Head) -> None:
    far_right = head.vertices[:, 0] < -0.012
    for index, name in enumerate(ARKIT_NAMES):
        if not name.endswith("Left") or name in ("mouthLeft", "jawLeft"):
            continue
        moved = np.linalg.norm(head.shapes[index], axis=1)
        assert moved[far_right].max() < 0.45 * moved.max(), name
        mirrored = head.shapes[ARKIT_NAMES.index(name.replace("Left", "Right"))]
        assert np.linalg.norm(mirrored, axis=1).max() == pytest.approx(moved.max(), rel=1e-3), name


def front_depth(vertices: np.ndarray, faces: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(N,) the foremost z of a surface behind each of the (N, 2) points seen from the front."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    double = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    seen = np.abs(double) > 1e-9
    a, b, c, double = a[seen], b[seen], c[seen], double[seen]
    depths = []
    for x, y in at:
        v = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (y - a[:, 1]) * (c[:, 0] - a[:, 0])) / double
        w = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])) / double
        inside = (v >= 0) & (w >= 0) & (v + w <= 1)
        z = a[:, 2] + v * (b[:, 2] - a[:, 2]) + w * (c[:, 2] - a[:, 2])
        depths.append(z[inside].max(initial=-np.inf))
    return np.array(depths)


def test_blink_covers_the_eye(head: Head) -> None:
    skin, eyes = (next(p.faces for p in head.parts if word in p.name) for word in ("skin", "eye"))
    grid = np.stack(np.meshgrid(np.arange(23.0, 41.0, 1.5), np.arange(31.0, 41.0, 1.0)), -1).reshape(-1, 2)

    def eye_in_front(weight: float) -> np.ndarray:
        v = posed(head, eyeBlinkLeft=weight)
        return front_depth(v, head.faces[eyes], grid) > front_depth(v, head.faces[skin], grid)

    rest, half, shut = (eye_in_front(weight) for weight in (0.0, 0.5, 1.0))
    assert rest.sum() > 50
    assert 0 < half.sum() < 0.7 * rest.sum()
    assert not (half & ~rest).any()  # a lid half way down lets no eyeball through
    assert shut.sum() == 0


def test_gaze_turns_the_eyeball_and_nothing_tears(head: Head) -> None:
    eyes = next(part.vertices for part in head.parts if "eye" in part.name)
    rest = posed(head)[eyes]
    front = np.argmax(rest[:, 2] * (rest[:, 0] > 0))
    for name, axis, sign in (("Up", 1, 1), ("Down", 1, -1), ("Out", 0, 1), ("In", 0, -1)):
        moved = posed(head, **{f"eyeLook{name}Left": 1.0})[eyes] - rest
        assert sign * moved[front, axis] > 4.0, name
        assert np.abs(moved[rest[:, 0] < 0]).max() == 0.0


def test_the_lower_jaw_turns_rigidly() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3)) * 20 + [0, -40, 90]
    moved = points + jaw_motion(points)["jawOpen"]
    before = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(moved[:, None] - moved[None], axis=2), before, atol=1e-9)


def test_field_runs_through_the_measured_midline() -> None:
    field = build_field()
    points = np.array([(0.0, y, z) for y, z in anatomy.MIDLINE if y > 42])
    assert np.abs(field(points)).max() < 2.5
    lips = rings.mouth(field)
    np.testing.assert_array_equal(lips[rings.MOUTH_CONTACT, :12], lips[rings.MOUTH_CONTACT, :12:-1])


@pytest.mark.slow
def test_a_fresh_build_is_the_file_that_ships(tmp_path: Path) -> None:
    """The same twice on one machine; beside the shipped file only up to rounding, which differs between processors."""
    digests = []
    for run in range(2):
        path = tmp_path / f"{run}.glb"
        write_glb(build_head(), path, "alex")
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    fresh, shipped = load_head(tmp_path / "0.glb"), load_head(FILE)
    assert fresh.vertices.shape == shipped.vertices.shape
    np.testing.assert_allclose(fresh.vertices, shipped.vertices, atol=1e-4)
    np.testing.assert_allclose(fresh.shapes, shipped.shapes, atol=1e-4)
