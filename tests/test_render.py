"""Pictures and video: they show the head and its motion, sound and picture meet, captions stand."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from heads import tiny_head_file
from videos import FPS, JAW, SIZE, decode, frames_of, motion

from codetalker.errors import UserError
from codetalker.head import load_head
from codetalker.render import Track, check_gl, read_background, render_frames, render_stills, render_video
from codetalker.render.captions import draw_captions
from codetalker.render.figure import Surface, figure_of
from codetalker.render.normals import Normals

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    return load_head(tiny_head_file(tmp_path_factory.mktemp("head")))


def test_the_renderer_names_itself():
    assert "OpenGL" in check_gl()


def test_nothing_of_opengl_is_loaded_with_the_package():
    code = "import sys, codetalker.render; sys.exit(any(m in sys.modules for m in ('OpenGL', 'pyrender', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_environment_stays_as_it_was():
    check_gl()
    assert "PYOPENGL_PLATFORM" not in os.environ


def test_stills_show_the_motion(head):
    weights = np.zeros((3, 52), np.float32)
    weights[1, JAW] = 1.0
    shut, opened, again = render_stills(head, weights, size=SIZE).astype(int)
    np.testing.assert_array_equal(shut, again)
    assert np.abs(shut - opened).max() > 50
    np.testing.assert_array_equal(shut[:8, :8], opened[:8, :8])  # the backdrop
    turned = render_stills(head, weights[:1], size=SIZE, yaw=0.8)[0].astype(int)
    assert np.abs(shut - turned).max() > 50
    nodding = render_stills(head, weights[:1], size=SIZE, rotation=np.array([[0.4, 0.0, 0.0]]))[0].astype(int)
    assert np.abs(shut - nodding).max() > 50


def test_the_picture_is_a_portrait(head):
    """Upright, centred, coloured as the materials say, in front of a backdrop without bands or holes."""
    picture = render_stills(head, np.zeros((1, 52), np.float32), size=SIZE)[0].astype(int)
    backdrop = picture[4, 4]
    covered = np.abs(picture - backdrop).max(2) > 60
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    assert rows[0] < 0.25 * SIZE and abs(columns.mean() - SIZE / 2) < 3
    assert 0.25 * SIZE**2 < covered.sum() < 0.8 * SIZE**2
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    hat = np.argwhere((red > 2 * green) & (red > 2 * blue))
    eyes = np.argwhere((blue > 1.5 * red) & (blue > 90))
    assert len(hat) > 50 and len(eyes) > 30
    assert hat[:, 0].mean() < eyes[:, 0].mean()  # the hat is above the eyes
    skin = picture[int(0.75 * SIZE), SIZE // 2]
    assert skin[0] > skin[1] and skin[0] > skin[2]


def test_edges_are_smooth(head):
    """Along the outline there are pixels between figure and backdrop."""
    picture = render_stills(head, np.zeros((1, 52), np.float32), size=SIZE)[0].astype(int)
    row = picture[5 * SIZE // 8, :, 0]
    steps = np.abs(np.diff(row))
    edge = int(np.argmax(steps[: SIZE // 2]))
    assert steps[edge] < 0.9 * abs(row[edge + 3] - row[edge - 3])


def test_surfaces_go_by_their_names(head):
    kinds = figure_of(head).surface[:, 0]
    assert [int(kinds[part.vertices.start]) for part in head.parts] == [Surface.SKIN, Surface.EYE, Surface.EYE, 0]


def test_folds_are_darker_than_foreheads(head):
    """Where the eye's ball stands in the skin, less light comes in than on the cheek."""
    figure = figure_of(head)
    openness = figure.surface[:, 1]
    skin = figure.vertices[:272]
    fold = np.linalg.norm(skin - (0.04, 0.03, 0.105), axis=1) < 0.024
    cheek = (skin[:, 2] > 0.06) & (skin[:, 1] < -0.03)
    assert fold.any() and openness[:272][fold].mean() < openness[:272][cheek].mean() - 0.1
    assert openness.min() >= 0.0 and openness.max() <= 1.0


def test_normals_are_those_of_the_faces_around(head):
    figure = figure_of(head)
    vertices = figure.vertices + np.random.default_rng(0).normal(0, 0.002, figure.vertices.shape).astype(np.float32)
    expected = np.zeros((figure.welds.max() + 1, 3))
    for a, b, c in figure.faces:
        for corner in {figure.welds[a], figure.welds[b], figure.welds[c]}:
            times = [figure.welds[a], figure.welds[b], figure.welds[c]].count(corner)
            expected[corner] += times * np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(Normals(figure.faces, figure.welds)(vertices), expected[figure.welds], atol=2e-4)


@pytest.mark.parametrize("seconds", [1.0, 1.49, 0.21])
def test_a_video_lasts_as_long_as_its_speech(head, tmp_path, seconds):
    out, speech = tmp_path / "out.mp4", 0.1 * np.random.default_rng(0).normal(size=round(16_000 * seconds))
    render_video([Track(head, motion(10))], speech.astype(np.float32), out, FPS, SIZE)
    pictures, sound = decode(out, SIZE)
    assert len(pictures) == round(seconds * FPS)
    assert abs(len(sound) / 16_000 - seconds) < 1 / FPS
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_sound_and_picture_meet_in_one_frame(head, tmp_path):
    """A click and a jaw that opens in the same frame, in both pictures of a side-by-side video."""
    for frame in (7, 20):
        speech = np.zeros(32_000, np.float32)
        click = round(frame / FPS * 16_000)
        speech[click : click + 80] = 0.9
        out = tmp_path / "out.mp4"
        render_video([Track(head, motion(60, frame))] * 2, speech, out, FPS, SIZE)
        pictures, sound = decode(out, 2 * SIZE)
        heard = np.argmax(np.abs(sound) > 0.3) / 16_000 * FPS
        for half in (pictures[:, :, :SIZE], pictures[:, :, SIZE:]):
            change = np.abs(half.astype(int) - half[0]).max((1, 2, 3))
            seen = int(np.argmax(change > 40))
            assert seen == frame and abs(heard - seen) < 1.0


def test_two_heads_are_drawn_as_one_would_be(head, tmp_path):
    weights = motion(3).weights
    speech = np.zeros(1_600, np.float32)
    render_video([Track(head, motion(3)), Track(head, motion(3, 0))], speech, tmp_path / "two.mp4", FPS, SIZE)
    pictures, _ = decode(tmp_path / "two.mp4", 2 * SIZE)
    weights[1, JAW] = 1.0
    left, right, _ = render_stills(head, weights, size=SIZE).astype(int)
    assert np.abs(pictures[1, :, :SIZE] - left).mean() < 3.0  # what the codec adds
    assert np.abs(pictures[1, :, SIZE:] - right).mean() < 3.0


def test_captions_stand_under_their_heads(head, tmp_path):
    speech = np.zeros(1_600, np.float32)
    plain = [Track(head, motion(3)), Track(head, motion(3))]
    named = [Track(head, motion(3), "CodeTalker · calm"), Track(head, motion(3), "FaceFormer")]
    render_video(plain, speech, tmp_path / "plain.mp4", FPS, SIZE)
    render_video(named, speech, tmp_path / "named.mp4", FPS, SIZE)
    before, after = (decode(tmp_path / name, 2 * SIZE)[0][1].astype(int) for name in ("plain.mp4", "named.mp4"))
    lit = (after - before).max(2) > 50  # light letters
    assert not lit[: SIZE * 4 // 5].any()
    for start in (0, SIZE):
        columns = np.flatnonzero(lit[:, start : start + SIZE].any(0))
        assert len(columns) > 20 and abs((columns[0] + columns[-1]) / 2 - SIZE / 2) < 6


def test_a_long_caption_is_made_to_fit():
    captions = draw_captions(["a very long caption " * 6, ""], 256)
    used = np.flatnonzero((captions.text > 0).any((0, 2)))
    assert used.min() >= 8 and used.max() < 248


def test_frames_with_alpha_lie_on_any_colour(head):
    """Straight alpha: laid over a colour they are what is drawn in front of it."""
    clear = frames_of(head, motion(2, 1))
    assert len(clear) == 2 and clear[0].shape == (SIZE, SIZE, 4) and clear[0].dtype == np.uint8
    alpha = clear[1][..., 3:] / 255.0
    assert alpha[4, 4] == 0.0 and alpha[SIZE // 2, SIZE // 2] == 1.0
    edge = (alpha > 0.0) & (alpha < 1.0)
    assert edge.sum() > 50
    for background, colour in (("#ffffff", (255, 255, 255)), ("#20c040", (32, 192, 64))):
        drawn = frames_of(head, motion(2, 1), background=background)[1]
        assert (drawn[..., 3] == 255).all() and (drawn[4, 4, :3] == colour).all()
        laid = alpha * clear[1][..., :3] + (1.0 - alpha) * colour
        assert np.abs(laid - drawn[..., :3])[1:-1].max() < 3.0


def test_the_edges_of_frames_with_alpha_have_no_fringe(head):
    """A pixel at the skin's outline is as bright as the skin beside it, and not darker by its share."""
    picture = frames_of(head, motion(1))[0].astype(int)
    row = picture[5 * SIZE // 8]
    first = int(np.flatnonzero(row[:, 3] > 30)[0])
    assert 30 < row[first, 3] < 255 and np.abs(row[first, :3] - row[first + 1, :3]).max() < 40


def test_the_camera_drifts_when_asked_to(head):
    still = frames_of(head, motion(40))
    drifting = frames_of(head, motion(40), drift=True)
    np.testing.assert_array_equal(still[0], still[39])
    np.testing.assert_array_equal(still[0], drifting[0])
    assert np.abs(still[39].astype(int) - drifting[39]).max() > 50
    both = [pair.copy() for pair in render_frames([Track(head, motion(40))] * 2, FPS, SIZE, drift=True)][39]
    np.testing.assert_array_equal(both[:, :SIZE], both[:, SIZE:])
    np.testing.assert_array_equal(both[:, :SIZE], drifting[39])


@pytest.mark.parametrize("background", ["red", "#12345", "#12345g", ""])
def test_a_background_that_is_no_colour_is_told(background):
    with pytest.raises(UserError, match="#rrggbb"):
        read_background(background)


def test_a_video_is_not_transparent(head, tmp_path):
    with pytest.raises(UserError, match="PNG"):
        render_video([Track(head, motion(1))], np.zeros(1_600), tmp_path / "a.mp4", FPS, SIZE, background="transparent")
    speech = np.zeros(1_600, np.float32)
    render_video([Track(head, motion(3))], speech, tmp_path / "a.mp4", FPS, SIZE, background="#2040c0")
    assert np.abs(decode(tmp_path / "a.mp4", SIZE)[0][0, 4, 4].astype(int) - (0x20, 0x40, 0xC0)).max() < 4


def test_captions_can_be_read_on_any_background():
    for background, lighter in ((None, True), ((1.0, 1.0, 1.0, 1.0), False), ((0.05, 0.1, 0.3, 1.0), True)):
        captions = draw_captions(["MMMMMMMM"], 256, background)
        picture = np.full((256, 256, 4), 255, np.uint8)
        picture[..., :3] = np.round(255 * np.array((background or (0.3, 0.35, 0.4))[:3]))
        before = picture[:, :, :3].astype(int)
        captions.lay_over(picture)
        letters = (captions.keep < 20)[..., 0]
        change = (picture[captions.top :, :, :3] - before[captions.top :])[letters].mean()
        assert letters.any() and (change > 120 if lighter else change < -120)
