"""The field's measures against values worked out by hand."""

import numpy as np
import pytest

from codetalker import metrics

LIPS = np.array([0, 1])
UPPER_FACE = np.array([2, 3])


def sequence(frames: int) -> np.ndarray:
    return np.zeros((frames, 4, 3), np.float32)


def test_lip_vertex_error_takes_the_worst_lip_vertex_squared_and_pools_frames():
    first, second = sequence(1), sequence(3)
    first[0, 0] = [3, 4, 0]  # squared distance 25
    first[0, 1] = [1, 0, 0]
    first[0, 2] = [100, 0, 0]  # not a lip
    second[1, 1] = [0, 0, 2]  # 4
    truth = [sequence(1), sequence(3)]
    # Frames pooled: (25 + 0 + 4 + 0) / 4. A mean of the sequences' means would be (25 + 4/3) / 2.
    assert metrics.lip_vertex_error(truth, [first, second], LIPS) == pytest.approx(29 / 4)
    assert metrics.lip_vertex_distance(truth, [first, second], LIPS) == pytest.approx(7 / 4)


def test_mean_vertex_error_is_a_plain_distance():
    predicted = sequence(2)
    predicted[0, 0] = [3, 4, 0]
    predicted[1, 3] = [0, 2, 0]
    assert metrics.mean_vertex_error([sequence(2)], [predicted]) == pytest.approx(7 / 8)


def test_upper_face_dynamics_is_the_deviation_of_the_squared_displacement():
    template = np.ones((4, 3), np.float32)
    vertices = np.repeat(template[None], 2, 0)
    vertices[1, 2] += [2, 0, 0]  # squared 0, 4: deviation 2
    vertices[:, 3] += [0, 5, 0]  # away, but still: deviation 0
    vertices[1, 0] += 9  # not upper face
    assert metrics.upper_face_dynamics(vertices, template, UPPER_FACE) == pytest.approx(1.0)


def test_face_dynamics_deviation_is_signed_and_cancels_unless_absolute():
    still, moving = sequence(2), sequence(2)
    moving[1, 2] = [2, 0, 0]  # dynamics 1
    template = np.zeros((4, 3), np.float32)

    def deviation(truth, predicted, absolute=False):
        return metrics.face_dynamics_deviation(truth, predicted, [template] * len(truth), UPPER_FACE, absolute)

    assert deviation([moving], [still]) == pytest.approx(1.0)
    assert deviation([still], [moving]) == pytest.approx(-1.0)
    assert deviation([moving, still], [still, moving]) == pytest.approx(0.0)
    assert deviation([moving, still], [still, moving], absolute=True) == pytest.approx(1.0)


def test_mouth_opening_difference():
    truth, predicted = sequence(2), sequence(2)
    truth[0, 0] = [0, 3, 4]  # 5 from vertex 1; the pair (2, 3) stays shut
    predicted[1, 2] = [1, 0, 0]
    upper, lower = np.array([0, 2]), np.array([1, 3])
    np.testing.assert_allclose(metrics.mouth_opening(truth, upper, lower), [2.5, 0])
    assert metrics.mouth_opening_difference([truth], [predicted], upper, lower) == pytest.approx((2.5 + 0.5) / 2)


def test_sequences_are_cut_to_the_shorter_and_must_fit():
    predicted = sequence(5)
    predicted[4] = 100
    assert metrics.mean_vertex_error([sequence(4)], [predicted]) == 0
    with pytest.raises(ValueError, match="as many"):
        metrics.mean_vertex_error([sequence(4)], [])
    with pytest.raises(ValueError, match="sequence 0"):
        metrics.mean_vertex_error([sequence(4)], [np.zeros((4, 5, 3))])
