"""The open heads: what their shapes must do for speech, checked on the files that ship and on a fresh build."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from codetalker.head import Head, list_heads, load_head
from codetalker.motion import ARKIT_NAMES
from training.heads import average, constrain, rings
from training.heads.anatomy import Anatomy
from training.heads.build import build_head
from training.heads.field import build_field
from training.heads.mouth import jaw_motion
from training.heads.people import PEOPLE
from training.heads.person import Eyes
from training.heads.write import write_glb

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "heads"
SEALING = ["mouthPucker", "mouthSmileLeft", "mouthPressLeft", "mouthRollUpper", "mouthRollLower", "mouthFrownLeft",
           "mouthStretchLeft", "mouthDimpleLeft", "mouthLeft", "jawLeft", "jawForward", "cheekPuff"]  # fmt: skip
# of the landmarks all but the lids, and the lips' inner edges, which seal where the measured ones cross
MARKS = np.array([*range(36), *range(48, 60)])
LID_SHAPES = ("eyeBlink", "eyeLook", "eyeSquint", "eyeWide")


@pytest.fixture(scope="module", params=sorted(PEOPLE))
def head(request: pytest.FixtureRequest) -> Head:
    return load_head(request.param)


def posed(head: Head, **weights: float) -> np.ndarray:
    """(V, 3) millimetres."""
    row = np.zeros((1, 52), np.float32)
    for name, weight in weights.items():
        row[0, ARKIT_NAMES.index(name)] = weight
    return head.deform(row, np.zeros((1, 3), np.float32))[0] * 1e3


def lip_gap(head: Head, vertices: np.ndarray) -> np.ndarray:
    """(pairs, 3) from the lower to the upper side of the line along which the lips meet."""
    return vertices[head.regions["inner_lip_upper"]] - vertices[head.regions["inner_lip_lower"]]


def faces_of(head: Head, word: str) -> np.ndarray:
    return np.concatenate([head.faces[part.faces] for part in head.parts if word in part.name])


def test_four_people_and_alex_first() -> None:
    assert list_heads() == sorted(PEOPLE) and list_heads()[0] == "alex" and len(PEOPLE) == 4


def test_every_shape_is_there_and_moves_something(head: Head) -> None:
    assert head.missing == []
    travel = np.linalg.norm(head.shapes, axis=2).max(1) * 1e3
    assert np.isfinite(head.shapes).all() and np.isfinite(head.vertices).all()
    assert {n for n, t in zip(ARKIT_NAMES, travel, strict=True) if not 1.5 < t < 60} == set()


def test_file_is_small_and_life_size(head: Head) -> None:
    assert (FOLDER / f"{head.name}.glb").stat().st_size < 4_000_000
    assert 5_000 < len(head.vertices) <= 12_000
    face, y = head.regions["upper_face"], head.vertices[:, 1]
    assert 0.13 < np.ptp(head.vertices[face, 0]) < 0.17
    assert 0.28 < np.ptp(y) < 0.40 and 0.11 < head.vertices[:, 2].max() < 0.14


def test_the_face_has_no_hole(head: Head) -> None:
    """Every edge of the face joins two faces, but for where the lids end, behind the eyeballs."""
    alike = np.hstack([head.vertices, head.shapes[ARKIT_NAMES.index("jawOpen")]])  # lips that touch part
    points, point_of = np.unique(np.round(alike * 1e6), axis=0, return_inverse=True)
    wet = np.zeros(len(points), bool)
    wet[point_of.ravel()[faces_of(head, "mouth mouth")]] = True
    faces = point_of.ravel()[np.vstack([faces_of(head, "skin skin"), faces_of(head, "mouth mouth")])]
    edges = np.sort(np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges, counts = np.unique(edges, axis=0, return_counts=True)
    middle = points[edges, :3].mean(1) * 1e-6
    in_face = (middle[:, 2] > 0.03) & (middle[:, 1] > -0.1) & ~wet[edges].all(1)
    assert (counts[in_face] == 1).sum() == 2 * rings.EYE_COLUMNS
    assert counts[in_face].max() == 2


def test_lips_meet_at_rest_and_part_with_the_jaw(head: Head) -> None:
    assert np.abs(lip_gap(head, posed(head))).max() < 1e-3
    gap = lip_gap(head, posed(head, jawOpen=1.0))[:, 1]
    assert 25 < gap[len(gap) // 2] < 40
    assert (gap > 0).all()
    assert (np.diff(gap[: len(gap) // 2 + 1]) > 0).all()  # widest in the middle


@pytest.mark.parametrize("weight", [0.1, 0.35, 0.7, 1.0])
def test_mouth_close_seals_an_open_jaw(head: Head, weight: float) -> None:
    closed = posed(head, jawOpen=weight, mouthClose=weight)
    assert np.abs(lip_gap(head, closed)).max() < 0.01


def test_lips_stay_sealed_where_no_shape_opens_them(head: Head) -> None:
    gaps = {name: np.abs(lip_gap(head, posed(head, **{name: 1.0}))).max() for name in SEALING}
    assert {name: gap for name, gap in gaps.items() if gap >= 0.01} == {}


def lip_faces(head: Head, side: str, other: str) -> np.ndarray:
    """(F, 3) faces of one lip: those that the jaw's opening carries with it, or leaves."""
    lips = np.zeros(len(head.vertices), bool)
    lips[head.regions["lips"]] = True
    drop = -head.shapes[ARKIT_NAMES.index("jawOpen"), :, 1] * 1e3
    of_lower = drop > 12.0
    skin = faces_of(head, "skin skin")
    skin = skin[lips[skin].all(1)]
    chosen = of_lower if side == "lower" else ~of_lower & (drop < 6.0)
    shared = np.concatenate([head.regions["inner_lip_upper"], head.regions["inner_lip_lower"]])
    near = np.linalg.norm(head.vertices[skin].mean(1)[:, None] - head.vertices[shared][None], axis=2).min(1) < 0.012
    return skin[chosen[skin].all(1) & near]


def crossings(vertices: np.ndarray, one: np.ndarray, other: np.ndarray, depth: float = 0.05) -> int:
    """How many edges of one set of faces pierce faces of the other by more than `depth` mm (Moeller and Trumbore)."""
    edges = np.unique(np.sort(np.vstack([one[:, [0, 1]], one[:, [1, 2]], one[:, [2, 0]]]), axis=1), axis=0)
    start, way = vertices[edges[:, 0]], vertices[edges[:, 1]] - vertices[edges[:, 0]]
    a, b, c = (vertices[other[:, i]] for i in range(3))
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    first, last = np.minimum(start, start + way), np.maximum(start, start + way)
    near = ((first[:, None] <= high[None]) & (last[:, None] >= low[None])).all(2)
    i, j = np.nonzero(near)
    e1, e2, origin, d = b[j] - a[j], c[j] - a[j], start[i] - a[j], way[i]
    p = np.cross(d, e2)
    det = (e1 * p).sum(1)
    det = np.where(np.abs(det) < 1e-9, np.inf, det)
    u = (origin * p).sum(1) / det
    q = np.cross(origin, e1)
    v, t = (d * q).sum(1) / det, (e2 * q).sum(1) / det
    inside = (u > 0.02) & (v > 0.02) & (u + v < 0.98) & (t > 0) & (t < 1)
    normal = np.cross(e1, e2) / np.maximum(np.linalg.norm(np.cross(e1, e2), axis=1, keepdims=True), 1e-12)
    reach = np.minimum(np.abs((origin * normal).sum(1)), np.abs(((origin + d) * normal).sum(1)))
    return int((inside & (reach > depth)).sum())


def test_lips_never_cross(head: Head) -> None:
    """mouthClose is left out: it is meant to go with jawOpen, and is tried with it."""
    upper, lower = lip_faces(head, "upper", "lower"), lip_faces(head, "lower", "upper")
    assert min(len(upper), len(lower)) > 100
    poses = {name: {name: 1.0} for name in ARKIT_NAMES if name != "mouthClose"}
    poses["sealed"] = {"jawOpen": 1.0, "mouthClose": 1.0}
    for name, weights in poses.items():
        v = posed(head, **weights)
        assert lip_gap(head, v)[:, 1].min() > -0.01, name
        assert crossings(v, upper, lower) + crossings(v, lower, upper) == 0, name


def test_left_and_right_are_separate(head: Head) -> None:
    far_right = head.vertices[:, 0] < -0.012
    for index, name in enumerate(ARKIT_NAMES):
        if not name.endswith("Left") or name in ("mouthLeft", "jawLeft"):
            continue
        moved = np.linalg.norm(head.shapes[index], axis=1)
        assert moved[far_right].max() < 0.45 * moved.max(), name
        mirrored = head.shapes[ARKIT_NAMES.index(name.replace("Left", "Right"))]
        assert np.linalg.norm(mirrored, axis=1).max() == pytest.approx(moved.max(), rel=1e-3), name


def test_landmarks_move_as_measured(head: Head) -> None:
    """To 25 % of the shape's largest motion; of lids, that are built and not measured, how far they go, against how far
    the eye is open."""
    eyes = PEOPLE[head.name].eyes
    open_ = (eyes.upper + eyes.lower) / (Eyes().upper + Eyes().lower)
    for name, rows in average.TABLE["motion"].items():
        wanted = np.zeros((68, 3))
        for mark, step in rows.items():
            wanted[int(mark)] = step
        got = head.shapes[ARKIT_NAMES.index(name), head.regions["landmarks"]] * 1e3
        if name == "mouthClose":
            continue  # set by what seals the lips
        reach = np.linalg.norm(wanted, axis=1)
        if name.startswith(LID_SHAPES):
            far = reach > 0.5 * reach.max()
            ratio = np.median(np.linalg.norm(got[far], axis=1) / reach[far]) / eyes.scale
            assert 0.75 < (ratio if name.endswith(("InLeft", "OutLeft")) else ratio / open_) < 1.25, name
        else:
            error = np.linalg.norm(got - wanted, axis=1)[MARKS]
            assert error.max() <= 0.25 * reach.max(), (name, int(MARKS[error.argmax()]))


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


def eye_in_front(head: Head, **weights: float) -> np.ndarray:
    """(N,) whether the left eyeball is what is seen, at points 1.2 mm apart over the whole eye."""
    eye = Anatomy(PEOPLE[head.name])
    x, y = (eye.eye_centre[i] + np.arange(-14.4, 14.5, 1.2) * eye.person.eyes.scale for i in range(2))
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    v = posed(head, **weights)
    skin = faces_of(head, "skin skin")
    near = np.abs(v[skin].mean(1) - eye.eye_centre).max(1) < 40
    ball = faces_of(head, "eyes eye")
    ball = ball[np.linalg.norm(v[ball].mean(1) - eye.eye_centre, axis=1) < eye.eye_radius + 1.0]
    return front_depth(v, ball, grid) > front_depth(v, skin[near], grid)


def test_blink_covers_the_eye(head: Head) -> None:
    rest, half, shut = (eye_in_front(head, eyeBlinkLeft=weight) for weight in (0.0, 0.5, 1.0))
    assert rest.sum() > 80
    assert 0 < half.sum() < 0.75 * rest.sum()
    assert not (half & ~rest).any()  # a lid half way down lets no eyeball through
    assert shut.sum() == 0


def test_blink_covers_an_eye_that_looks_aside(head: Head) -> None:
    """A lid that follows a glance upwards closes later: a narrow slit may stay."""
    rest = eye_in_front(head).sum()
    for gaze, slit in (("Down", 0.02), ("In", 0.02), ("Out", 0.02), ("Up", 0.16)):
        assert eye_in_front(head, eyeBlinkLeft=1.0, **{f"eyeLook{gaze}Left": 0.6}).sum() <= slit * rest, gaze


def test_lids_never_cross(head: Head) -> None:
    """From their rims outwards, to a tenth of a millimetre."""
    skin = faces_of(head, "skin skin")
    upper, lower = (skin[np.isin(skin, head.regions[f"{which}_lids"]).all(1)] for which in ("upper", "lower"))
    assert min(len(upper), len(lower)) > 300
    for name in [name for name in ARKIT_NAMES if name.startswith(("eye", "cheekSquint", "brow"))]:
        v = posed(head, **{name: 1.0})
        assert crossings(v, upper, lower, 0.1) + crossings(v, lower, upper, 0.1) == 0, name


def test_gaze_turns_the_eyeball_and_nothing_tears(head: Head) -> None:
    eyes = next(part.vertices for part in head.parts if part.name == "eyes eye")
    rest = posed(head)[eyes]
    front = np.argmax(rest[:, 2] * (rest[:, 0] > 0))
    for name, axis, sign in (("Up", 1, 1), ("Down", 1, -1), ("Out", 0, 1), ("In", 0, -1)):
        moved = posed(head, **{f"eyeLook{name}Left": 1.0})[eyes] - rest
        assert sign * moved[front, axis] > 4.0, name
        assert np.abs(moved[rest[:, 0] < 0]).max() == 0.0


def test_the_tongue_rises_between_the_teeth_of_a_small_opening(head: Head) -> None:
    """It follows the jaw by less than the lower teeth; tongueOut brings it past the upper ones and then out."""
    teeth = next(part.vertices for part in head.parts if part.name == "teeth teeth")
    rest, small = posed(head), posed(head, jawOpen=0.25)
    front = rest[teeth, 2].max()
    mouth = np.unique(faces_of(head, "mouth mouth"))
    out = posed(head, jawOpen=0.4, tongueOut=1.0)
    tip = mouth[np.argmax(out[mouth, 2])]
    assert out[tip, 2] > front + 15.0
    assert rest[tip, 2] < front
    lower = np.arange(len(rest))[teeth][(small - rest)[teeth, 1] < -2.0]
    edge = small[lower, 1].max()
    assert small[tip, 1] > edge and small[tip, 1] - rest[tip, 1] > 0.8 * (small - rest)[lower, 1].min()


def test_the_lower_jaw_turns_rigidly() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3)) * 20 + [0, -40, 90]
    moved = points + jaw_motion(points)["jawOpen"]
    before = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(moved[:, None] - moved[None], axis=2), before, atol=1e-9)


@lru_cache
def bodies() -> dict[str, Anatomy]:
    return {name: Anatomy(person) for name, person in PEOPLE.items()}


@pytest.mark.parametrize("name", sorted(PEOPLE))
def test_unplace_undoes_place(name: str) -> None:
    body = bodies()[name]
    np.testing.assert_allclose(body.unplace(body.landmarks), average.LANDMARKS, atol=0.2)


def test_people_differ_by_more_than_size() -> None:
    """Landmarks of any two, laid over each other as well as scale and place allow, still lie apart."""
    marks = {name: body.landmarks - body.landmarks.mean(0) for name, body in bodies().items()}
    marks = {name: m / np.linalg.norm(m) * np.sqrt(len(m)) for name, m in marks.items()}
    size = np.linalg.norm(average.LANDMARKS - average.LANDMARKS.mean(0)) / np.sqrt(68)
    for one in marks:
        for other in marks:
            if one < other:
                apart = np.sqrt(((marks[one] - marks[other]) ** 2).sum(1).mean()) * size
                assert apart > 2.5, (one, other, apart)  # mm


def test_field_runs_through_the_measured_midline() -> None:
    body = bodies()["alex"]
    field = build_field(body)
    points = body.place([(0.0, y, z) for y, z in average.MIDLINE if y > 42])
    assert np.abs(field(points)).max() < 2.5
    lips = rings.mouth(field)
    np.testing.assert_array_equal(lips[rings.MOUTH_CONTACT, :12], lips[rings.MOUTH_CONTACT, :12:-1])


def test_wanted_edges_come_into_a_triangulation() -> None:
    flat = np.array([(0.0, 0.0), (4.0, 0.0), (1.0, 1.0), (2.0, -1.0), (3.0, 1.0), (2.0, 3.0)])
    faces = np.array([(0, 3, 2), (2, 3, 4), (4, 3, 1), (2, 4, 5)])
    fixed = constrain.with_edges(flat, faces, np.array([(0, 1)]))
    assert any({0, 1} <= set(face) for face in fixed.tolist())

    def area(faces: np.ndarray) -> float:
        a, b, c = (flat[faces[:, i]] for i in range(3))
        return np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).sum()

    assert area(fixed) == pytest.approx(area(faces))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PEOPLE))
def test_a_fresh_build_is_the_file_that_ships(name: str, tmp_path: Path) -> None:
    """The same twice on one machine; beside the shipped file only up to rounding, which differs between processors."""
    digests = []
    for run in range(2):
        path = tmp_path / f"{run}.glb"
        write_glb(build_head(PEOPLE[name]), path, name)
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    fresh, shipped = load_head(tmp_path / "0.glb"), load_head(name)
    assert fresh.vertices.shape == shipped.vertices.shape
    np.testing.assert_allclose(fresh.vertices, shipped.vertices, atol=1e-4)
    np.testing.assert_allclose(fresh.shapes, shipped.shapes, atol=1e-4)
