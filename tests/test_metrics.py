"""The field's measures against values worked out by hand."""

import numpy as np
import pytest
import scipy.linalg

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


def clips(seed: int = 0, count: int = 3) -> tuple[list, list, list]:
    """Truths, predictions of other lengths, and templates, all of chance."""
    rng = np.random.default_rng(seed)
    templates = [rng.normal(size=(9, 3)).astype(np.float32) for _ in range(count)]
    truth = [(t + 0.1 * rng.normal(size=(5 + 3 * k, 9, 3))).astype(np.float32) for k, t in enumerate(templates)]
    made = [(t + 0.1 * rng.normal(size=(7 + 2 * k, 9, 3))).astype(np.float32) for k, t in enumerate(templates)]
    return truth, made, templates


def test_published_formulas_frame_by_frame_and_vertex_by_vertex():
    """The published evaluation of BIWI, derived anew in loops: frames of all sequences in one list; squares, no roots;
    for the dynamics the squared norm's population deviation in time, truth less prediction, over the sequences."""
    truth, made, templates = clips()
    lips, upper = [1, 4, 5], [0, 2, 7, 8]
    worst, differences = [], []
    for true, predicted, template in zip(truth, made, templates):
        frames = min(len(true), len(predicted))
        for t in range(frames):
            worst.append(
                max(sum((float(true[t, v, c]) - float(predicted[t, v, c])) ** 2 for c in range(3)) for v in lips)
            )
        lively = []
        for motion in (true, predicted):
            deviations = []
            for v in upper:
                norms = [
                    sum((float(motion[t, v, c]) - float(template[v, c])) ** 2 for c in range(3)) for t in range(frames)
                ]
                mean = sum(norms) / frames
                deviations.append((sum((norm - mean) ** 2 for norm in norms) / frames) ** 0.5)
            lively.append(sum(deviations) / len(upper))
        differences.append(lively[0] - lively[1])
    lve, fdd = sum(worst) / len(worst), sum(differences) / len(differences)
    tally = metrics.Tally(np.array(lips), np.array(upper))
    for one in zip(truth, made, templates):
        tally.add(*one)
    figures = tally.figures("unit")
    assert figures["LVE unit2"] == pytest.approx(lve, rel=1e-6)
    assert metrics.lip_vertex_error(truth, made, np.array(lips)) == pytest.approx(lve, rel=1e-6)
    assert figures["FDD unit2"] == pytest.approx(fdd, rel=1e-5)
    assert metrics.face_dynamics_deviation(truth, made, templates, np.array(upper)) == pytest.approx(fdd, rel=1e-5)
    assert figures["|FDD| unit2"] == pytest.approx(sum(map(abs, differences)) / len(differences), rel=1e-5)
    assert figures["LVE unsquared unit"] == pytest.approx(sum(value**0.5 for value in worst) / len(worst), rel=1e-6)


def test_a_tally_equals_the_measures_over_all_sequences_at_once():
    truth, made, templates = clips(1, 4)
    lips, upper, inner = np.array([0, 1, 2]), np.array([5, 6, 7]), (np.array([0, 1]), np.array([3, 4]))
    tally = metrics.Tally(lips, upper, inner)
    for one in zip(truth, made, templates):
        tally.add(*one)
    figures = tally.figures("mm")
    assert figures["MVE mm"] == pytest.approx(metrics.mean_vertex_error(truth, made))
    assert figures["MOD mm"] == pytest.approx(metrics.mouth_opening_difference(truth, made, *inner))
    assert figures["LVE mm2"] == pytest.approx(metrics.lip_vertex_error(truth, made, lips))
    assert figures["LVE unsquared mm"] == pytest.approx(metrics.lip_vertex_distance(truth, made, lips))
    assert figures["jitter / truth"] == pytest.approx(1.0, abs=0.3)  # noise of the same strength
    assert metrics.Tally(lips, upper).frames == []


def test_frechet_distance_is_that_of_gaussians():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5))
    b = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) + 2
    first, second = np.cov(a.T), np.cov(b.T)
    product = scipy.linalg.sqrtm(first @ second).real
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * product)
    assert metrics.frechet_distance(a, b) == pytest.approx(wanted, rel=1e-6)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(a, a + np.array([3, 0, 4, 0, 0])) == pytest.approx(25)


def test_acceleration_is_the_second_difference_of_the_chosen():
    vertices = sequence(4)
    vertices[:, 0, 0] = [0, 1, 4, 9]  # second differences 2, 2
    vertices[:, 1, 1] = [0, 5, 10, 15]  # 0
    vertices[2, 3] = 100
    assert metrics.acceleration(vertices, LIPS) == pytest.approx(1.0)


def test_diversity_is_the_distance_from_the_mean_take():
    first, second = sequence(2), sequence(2)
    second[:, 0] = [0, 6, 8]  # 10 apart, so each 5 from the mean; the other lip vertex 0
    assert metrics.diversity([first, second], LIPS) == pytest.approx((25 / 2) ** 0.5)
    assert metrics.diversity([first, first]) == 0


def test_the_opening_is_followed_whatever_its_size():
    """r is of the course of the opening: half as wide is as good, the opposite is -1, and a still truth has none."""
    upper, lower, wave = np.array([0, 1]), np.array([2, 3]), 1.5 + np.sin(np.linspace(0, 9, 40))

    def mouth(opening):
        vertices = np.zeros((len(opening), 4, 3))
        vertices[:, :2, 1] = opening[:, None]
        return vertices

    def followed(truth, made):
        return metrics.mouth_opening_correlation(mouth(truth), mouth(made), upper, lower)

    assert followed(wave, 0.5 * wave + 1) == pytest.approx(1.0)
    assert followed(wave, 4 - wave) == pytest.approx(-1.0)
    assert followed(np.ones(40), wave) is None and followed(wave, np.ones(40)) == 0.0
    tally = metrics.Tally(np.array([0]), np.array([1]), (upper, lower))
    for truth, made in ((wave, wave), (wave[:20], 4 - wave[:20]), (np.ones(40), wave)):
        tally.add(mouth(truth), mouth(made), np.zeros((4, 3)))
    assert tally.figures("mm")["opening r"] == pytest.approx((40 - 20) / 60)
