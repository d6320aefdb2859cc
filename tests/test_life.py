"""What is added to a motion: natural rates, both eyes together, the mouth untouched, and only what lacks."""

import numpy as np
import pytest

from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError
from codetalker.gestures import LOOK_FULL
from codetalker.life import ADDITIONS, CLEAR, add_life, blink_times, lacking
from codetalker.motion import ARKIT_NAMES, Animation
from codetalker.pipeline import ADDITION_KINDS
from codetalker.prosody import loud_phrases, measure

FPS = 30.0
COLUMN = {name: index for index, name in enumerate(ARKIT_NAMES)}
EYES = [index for name, index in COLUMN.items() if name.startswith("eye")]


def babble(seconds: float, spoken: float = 2.2, pause: float = 0.7) -> np.ndarray:
    """(N,) syllables of a wavering voice, in phrases with pauses between."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * time + 3 * np.sin(2 * np.pi * 0.6 * time)) / k for k in range(1, 9))
    syllables = 0.15 + 0.85 * np.sin(np.pi * 4.3 * time) ** 2
    speaking = np.mod(time, spoken + pause) < spoken
    return (0.2 * voice * syllables * speaking).astype(np.float32)


def still(seconds: float) -> Animation:
    frames = round(seconds * FPS)
    return Animation(np.zeros((frames, 52), np.float32), np.zeros((frames, 3), np.float32), FPS)


@pytest.fixture(scope="module")
def speech():
    return babble(60.0)


@pytest.fixture(scope="module")
def prosody(speech):
    return measure(speech, 1800, FPS)


def channel(animation: Animation, name: str) -> np.ndarray:
    return animation.weights[:, COLUMN[name]]


def blinks(animation: Animation) -> list[int]:
    """Frames at which the lids are shut most, one for each blink."""
    lids = animation.weights[:, [COLUMN["eyeBlinkLeft"], COLUMN["eyeBlinkRight"]]].mean(1)
    edges = np.flatnonzero(np.diff(np.pad(lids > 0.5, 1).astype(int)))
    return [first + int(lids[first:end].argmax()) for first, end in edges.reshape(-1, 2)]


def gaze(animation: Animation, side: str) -> np.ndarray:
    """(T, 2) degrees to the head's left and up"""
    out, into = ("Out", "In") if side == "Left" else ("In", "Out")
    left = channel(animation, f"eyeLook{out}{side}") - channel(animation, f"eyeLook{into}{side}")
    return LOOK_FULL * np.stack(
        [left, channel(animation, f"eyeLookUp{side}") - channel(animation, f"eyeLookDown{side}")], 1
    )


def test_the_commands_offer_what_there_is():
    assert ADDITIONS == ADDITION_KINDS


def test_phrases_without_phones(speech, prosody):
    assert len(prosody.phrases) == 21
    np.testing.assert_allclose([start for start, _ in prosody.phrases], np.arange(21) * 2.9 * FPS, atol=3)
    assert loud_phrases(np.zeros(90), FPS) == []


def test_blinks_come_at_a_natural_rate(prosody):
    nobody = np.zeros(1800, bool)
    times = [np.array(blink_times(prosody, 1800, FPS, nobody, np.random.default_rng(seed))) for seed in range(40)]
    assert 12 < np.mean([len(one) for one in times]) < 20  # a minute
    intervals = np.concatenate([np.diff(one) for one in times]) / FPS
    assert intervals.min() > 0.5 and np.mean(intervals) > 1.05 * np.median(intervals)  # skewed
    ends = np.array([end for _, end in prosody.phrases])
    distance = np.abs(np.concatenate(times)[:, None] - ends).min(1) / FPS
    evenly = np.abs(np.arange(1800)[:, None] - ends).min(1) / FPS
    assert (distance < 0.25).mean() > 1.5 * (evenly < 0.25).mean()  # drawn to the ends of phrases


def test_a_blink_is_quick_to_close_and_shuts_both_eyes(speech):
    animation = add_life(still(60.0), speech, ["blink"], seed=3)
    left, right = channel(animation, "eyeBlinkLeft"), channel(animation, "eyeBlinkRight")
    assert np.abs(left - right).max() < 0.2 and np.abs(left - right).max() > 0.005
    closing, opening = [], []
    for frame in blinks(animation):
        assert min(left[frame], right[frame]) > 0.88
        before, after = left[max(frame - 15, 0) : frame][::-1], left[frame + 1 : frame + 16]
        closing.append((before > 0.02).sum() / FPS)
        opening.append((after > 0.02).sum() / FPS)
    assert 0.05 < np.mean(closing) < 0.14 and 0.12 < np.mean(opening) < 0.22


def test_no_blink_into_the_motions_own(speech, prosody):
    motion = still(60.0)
    own = np.zeros(1800, bool)
    for first in range(40, 1800, 97):
        own[first : first + 6] = True
    motion.weights[own, COLUMN["eyeBlinkLeft"]] = motion.weights[own, COLUMN["eyeBlinkRight"]] = 0.9
    animation = add_life(motion, speech, ["blink"], seed=5)
    changed = channel(animation, "eyeBlinkLeft") != channel(motion, "eyeBlinkLeft")
    assert changed.any() and not (changed & own).any()
    for at in blink_times(prosody, 1800, FPS, own, np.random.default_rng(0)):
        assert np.abs(np.flatnonzero(own) - at).min() >= CLEAR * FPS - 1


def test_hanging_and_wide_lids_shut_too(speech):
    motion = still(20.0)
    motion.weights[:, [COLUMN["eyeBlinkLeft"], COLUMN["eyeBlinkRight"]]] = 0.25
    motion.weights[:, COLUMN["eyeWideLeft"]] = 0.4
    animation = add_life(motion, speech[: 20 * SAMPLE_RATE], ["blink"])
    (first, *_) = blinks(animation)
    assert channel(animation, "eyeBlinkLeft")[first] > 0.9 and channel(animation, "eyeWideLeft")[first] < 0.05
    assert channel(animation, "eyeBlinkLeft").min() == pytest.approx(0.25)


def test_eyes_jump_together_and_rest_between(speech):
    animation = add_life(still(60.0), speech, ["gaze"], seed=1)
    left, right = gaze(animation, "Left"), gaze(animation, "Right")
    np.testing.assert_allclose(left, right, atol=1e-4)
    speed = np.linalg.norm(np.diff(left, axis=0), axis=1) * FPS  # degrees a second
    assert speed.max() > 60 and np.median(speed) < 1
    assert np.linalg.norm(left, axis=1).max() < 16 and 0.5 < np.linalg.norm(left, axis=1).mean() < 4
    down = np.maximum(channel(animation, "eyeLookDownLeft"), 0)
    np.testing.assert_allclose(channel(animation, "eyeBlinkLeft"), 0.5 * down, atol=1e-5)  # lids follow


def test_glances_add_to_the_motions_own_gaze(speech):
    motion = still(10.0)
    motion.weights[:, [COLUMN["eyeLookInLeft"], COLUMN["eyeLookOutRight"]]] = 0.3
    speech = speech[: 10 * SAMPLE_RATE]
    alone, both = (gaze(add_life(one, speech, ["gaze"]), "Left") for one in (still(10.0), motion))
    np.testing.assert_allclose(both - alone, np.tile([-0.3 * LOOK_FULL, 0.0], (300, 1)), atol=1e-3)


def test_the_head_nods_to_the_voice_and_stays_smooth(speech, prosody):
    swaying = np.degrees(add_life(still(60.0), speech, ["sway"], seed=2).head_rotation)
    assert 0.5 < swaying.std(0).max() < 2.0 and np.abs(swaying).max() < 5.0
    assert np.abs(np.diff(swaying, axis=0)).max() * FPS < 25  # degrees a second
    other = np.degrees(add_life(still(60.0), babble(60.0, 1.0, 2.0), ["sway"], seed=2).head_rotation)
    assert np.abs(swaying - other).max() > 0.5  # it follows the speech, not the seed alone


def test_breathing_is_slow_and_small(speech):
    pitch = np.degrees(add_life(still(60.0), speech, ["breath"], seed=4).head_rotation)
    assert np.abs(pitch[:, 1:]).max() == 0
    level = pitch[:, 0] - pitch[:, 0].mean()
    assert 0.25 < np.ptp(level) < 0.8
    spectrum = np.abs(np.fft.rfft(level * np.hanning(len(level))))
    breaths = 60 * np.fft.rfftfreq(len(level), 1 / FPS)[spectrum.argmax()]
    assert 12 <= breaths <= 16


@pytest.mark.parametrize("added", [*ADDITIONS, ADDITIONS])
def test_the_mouth_and_what_was_not_asked_for_stay(speech, added):
    random = np.random.default_rng(0)
    motion = Animation(random.random((1800, 52)).astype(np.float32), np.zeros((1800, 3), np.float32), FPS)
    names = [added] if isinstance(added, str) else added
    first, again = (add_life(motion, speech, names, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.weights, again.weights)  # the seed decides
    others = np.setdiff1d(np.arange(52), EYES)
    np.testing.assert_array_equal(first.weights[:, others], motion.weights[:, others])
    assert first.weights.min() >= 0 and first.weights.max() <= 1
    moves_eyes, turns = bool({"blink", "gaze"} & set(names)), bool({"sway", "breath"} & set(names))
    assert (first.weights[:, EYES] != motion.weights[:, EYES]).any() == moves_eyes
    assert first.head_rotation.any() == turns
    different = add_life(motion, speech, names, seed=8)
    assert (different.weights != first.weights).any() or (different.head_rotation != first.head_rotation).any()


def test_what_a_motion_lacks_is_measured(speech):
    assert lacking(still(60.0)) == ADDITIONS
    alive = add_life(still(60.0), speech, ADDITIONS)
    assert lacking(alive) == ()
    assert lacking(Animation(alive.weights, np.zeros((1800, 3), np.float32), FPS)) == ("sway", "breath")
    assert "blink" in lacking(add_life(still(60.0), speech, ["gaze"]))


def test_short_and_strange_speech():
    for speech in (babble(0.3), np.zeros(4800, np.float32)):
        assert len(add_life(still(0.3), speech, ADDITIONS)) == 9
    with pytest.raises(UserError, match="can't add wink: there is blink, gaze, sway, breath"):
        add_life(still(0.3), babble(0.3), ["wink"])
    assert add_life(still(0.3), babble(0.3), []).weights.any() == False  # noqa: E712
