"""The order of work and its leftovers, with stand-ins for models and renderer."""

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from codetalker import beside, casting, pipeline
from codetalker.errors import UserError
from codetalker.motion import ARKIT_NAMES, Animation, VertexAnimation, load_animation
from codetalker.pipeline import Job
from codetalker.tuning import check_tuning, tune

SAMPLES = 24_000  # 1.5 s


class StandInBundle:
    """Answers as codetalker.bundle.Bundle does, and notes what it was asked."""

    name, space, styles, fps, device = "open", "arkit", ["calm", "lively"], 30.0, "cpu"
    has_baseline = shares_features = True
    talker = "a model"

    def __init__(self):
        self.asked = []

    def encode(self, speech, model="talker", decoding="auto"):
        self.asked.append(("encode", model))
        return SimpleNamespace(speech=speech, told=lambda: decoding)

    def generate(self, heard, style=None, model="talker", seed=0, progress=None, template=None):
        self.asked.append((model, style, seed))
        progress(0.5)
        frames = round(len(heard.speech) / 16_000 * self.fps)
        return Animation(np.full((frames, 52), 0.5, np.float32), np.zeros((frames, 3), np.float32), self.fps)


@pytest.fixture
def drawn(monkeypatch):
    """What the renderer was given; it writes the captions as the video. `fails` makes it break off half-way."""
    seen = SimpleNamespace(tracks=None, fails=None)

    def render_video(tracks, speech, out, fps, size=512, progress=None, background=None, drift=False):
        seen.tracks = tracks
        out.write_text("half")
        progress(0.5)
        if seen.fails:
            raise seen.fails
        out.write_text(" | ".join(track.caption for track in tracks) + f" {size}")

    def export(kind, animation, head, stem, **belonging):
        path = stem.with_name(f"{stem.name}.{'csv' if kind == 'arkit' else kind}")
        path.write_text(kind)
        if kind == "glb":
            stem.with_name(f"{stem.name}.wav").write_text("the speech")
        return SimpleNamespace(path=path, deviation={})

    def track(head, animation, caption):
        return SimpleNamespace(head=head, animation=animation, caption=caption)

    modules = {
        "render": {"Track": track, "render_video": render_video},
        "export": {"export": export, "read_motion": load_animation, "check_count": lambda frames: None},
        "head": {"list_heads": lambda: ["ada", "ben"], "load_head": lambda name: SimpleNamespace(name=name, notes=[])},
    }
    for name, members in modules.items():
        module = ModuleType(f"codetalker.{name}")
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, f"codetalker.{name}", module)
    monkeypatch.setattr(casting, "_kept_head", modules["head"]["load_head"])
    return seen


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "speech.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(SAMPLES) / 12), 16_000)
    return path


@pytest.fixture
def out(tmp_path):
    (tmp_path / "made").mkdir()
    return tmp_path / "made" / "my.take.mp4"


def names(path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_everything_at_once(drawn, speech, out, tmp_path):
    job = Job(speech, out, exports=("npz", "arkit", "glb"), report=tmp_path / "report.json", size=128, seed=7)
    bundle, told = StandInBundle(), []
    report = pipeline.animate(job, bundle, lambda stage, fraction: told.append(stage))
    assert names(out.parent) == ["my.take.csv", "my.take.glb", "my.take.mp4", "my.take.npz", "my.take.wav"]
    assert out.read_text() == "CodeTalker · calm | FaceFormer 128"
    assert json.loads((tmp_path / "report.json").read_text()) == report
    keys = ["audio_seconds", "frames", "fps", "style", "head", "weights", "decoding", "additions", "device", "seconds"]
    assert list(report) == keys
    assert list(report["seconds"]) == ["load", "speech", "talker", "baseline", "render", "total"]
    assert (report["audio_seconds"], report["frames"], report["head"]) == (1.5, 45, "ada")
    assert list(dict.fromkeys(told)) == list(pipeline.STAGES)
    assert bundle.asked == [("encode", "talker"), ("talker", None, 7), ("baseline", None, 7)]


def test_without_the_baseline(drawn, speech, out):
    report = pipeline.animate(Job(speech, out, style="lively", head="ben", baseline=False), StandInBundle())
    assert [track.caption for track in drawn.tracks] == ["CodeTalker · lively"]
    assert report["seconds"]["baseline"] == 0.0 and report["head"] == "ben"


def test_baseline_with_a_speech_encoder_of_its_own(drawn, speech, out):
    bundle = StandInBundle()
    bundle.shares_features = False
    pipeline.animate(Job(speech, out), bundle)
    assert ("encode", "baseline") in bundle.asked


@pytest.mark.parametrize("error", [UserError("no EGL"), RuntimeError("a bug"), KeyboardInterrupt(), SystemExit(143)])
def test_a_failure_leaves_nothing_new(drawn, speech, out, tmp_path, error):
    out.write_text("old")
    drawn.fails = error
    job = Job(speech, out, exports=("npz",), report=tmp_path / "report.json")
    with pytest.raises(type(error)):
        pipeline.animate(job, StandInBundle())
    assert names(out.parent) == [out.name] and out.read_text() == "old"
    assert names(tmp_path) == ["made", "speech.wav"]


def test_stopping_by_the_progress_callback(drawn, speech, out):
    class Stop(Exception):
        pass

    def progress(stage, fraction):
        if stage == "render":
            raise Stop

    with pytest.raises(Stop):
        pipeline.animate(Job(speech, out), StandInBundle(), progress)
    assert names(out.parent) == []


def test_bad_speech_is_told_before_the_models_work(drawn, out, tmp_path):
    bundle = StandInBundle()
    with pytest.raises(UserError, match=r"none\.wav doesn't exist"):
        pipeline.animate(Job(tmp_path / "none.wav", out), bundle)
    assert bundle.asked == [] and names(out.parent) == []


def test_a_bundle_of_faceformer_alone(drawn, speech, out):
    bundle = StandInBundle()
    bundle.talker = None
    report = pipeline.animate(Job(speech, out), bundle)
    assert [track.caption for track in drawn.tracks] == ["FaceFormer · calm"]
    assert report["seconds"]["talker"] == 0.0 and bundle.asked == [("encode", "baseline"), ("baseline", None, 0)]
    with pytest.raises(UserError, match="FaceFormer alone"):
        pipeline.animate(Job(speech, out, baseline=False), bundle)


def test_motion_and_its_video(drawn, speech, out):
    motion = out.with_name("motion.npz")
    pipeline.write_motion(speech, motion, StandInBundle(), model="baseline", style="calm")
    assert len(load_animation(motion)) == 45
    pipeline.render_motion(motion, speech, out, size=128)
    assert out.read_text() == "motion 128"
    assert names(out.parent) == ["motion.npz", out.name]


def test_a_background_that_no_video_can_have_is_told(tmp_path, speech):
    with pytest.raises(UserError, match="transparent"):
        Job(speech, tmp_path / "out.mp4", background="transparent")
    with pytest.raises(UserError, match="#rrggbb"):
        Job(speech, tmp_path / "out.mp4", background="blue")


def test_additions_are_the_same_on_both_heads(drawn, speech, out):
    class StillBundle(StandInBundle):
        def generate(self, *args, **options):
            animation = super().generate(*args, **options)
            return Animation(0.0 * animation.weights, animation.head_rotation, self.fps)

    report = pipeline.animate(Job(speech, out, additions=("sway", "breath")), StillBundle())
    talker, baseline = (track.animation for track in drawn.tracks)
    assert report["additions"] == ["sway", "breath"] and talker.head_rotation.std(0).max() > 1e-3
    np.testing.assert_array_equal(talker.head_rotation, baseline.head_rotation)
    assert pipeline.animate(Job(speech, out), StillBundle())["additions"] == []
    assert not drawn.tracks[0].animation.head_rotation.any()
    automatic = pipeline.animate(Job(speech, out, additions=("auto",)), StillBundle())
    assert automatic["additions"] == ["blink", "gaze", "sway", "breath"]
    with pytest.raises(UserError, match="can't add wink"):
        Job(speech, out, additions=("wink",))


def test_auto_adds_what_every_head_lacks(drawn, speech, out):
    class Uneven(StandInBundle):
        def generate(self, heard, model="talker", **options):
            animation = super().generate(heard, model=model, **options)
            if model == "talker":  # which turns its head by itself
                animation.head_rotation[:, 1] = np.linspace(-0.1, 0.1, len(animation))
            return animation

    report = pipeline.animate(Job(speech, out, additions=("auto",)), Uneven())
    assert report["additions"] == ["blink", "gaze"]


def test_moving_vertices_get_no_additions(drawn, speech, out):
    moving = VertexAnimation(np.zeros((45, 4, 3), np.float32), np.zeros((4, 3), np.float32), 30.0)
    animations, added = pipeline.enliven([moving], np.zeros(24_000, np.float32), ("blink",), 0)
    assert animations == [moving] and added == ()
    told = pipeline.told_additions(SimpleNamespace(space="vertices"), ("blink",), added)
    assert told["additions"] == [] and "no shapes" in told["additions_note"]


def test_the_speech_beside_the_glb_never_replaces_the_users_own(drawn, speech, tmp_path):
    before = speech.read_bytes()
    pipeline.animate(Job(speech, speech.with_suffix(".mp4"), exports=("glb",)), StandInBundle())
    assert names(tmp_path) == ["speech.glb", "speech.mp4", "speech.wav"] and speech.read_bytes() == before


def test_the_speech_beside_the_glb_never_replaces_another_recording(speech, out):
    other = out.with_name("my.take.wav")
    soundfile.write(other, np.zeros((480, 2)), 48_000)
    Job(speech, out)
    with pytest.raises(UserError, match=r"my\.take\.wav, where the GLB's speech belongs, is another sound"):
        Job(speech, out, exports=("glb",))
    soundfile.write(other, np.zeros(480), 16_000, "PCM_16")  # as an earlier run leaves it
    Job(speech, out, exports=("glb",))


def test_pictures_are_never_mixed_with_older_ones(speech, out):
    frames = out.parent / "my.take_frames"
    frames.mkdir()
    Job(speech, out)
    with pytest.raises(UserError, match="also the visemes' file"):
        Job(speech, out, exports=("visemes",), report=out.with_name("my.take.visemes.json"))
    with pytest.raises(UserError, match=r"my\.take_frames already: remove it"):
        Job(speech, out, exports=("png",))


def test_only_an_encoder_of_phones_tells_phones():
    from codetalker.phones import PHONES
    from codetalker.speech_encoder import MelEncoder, MelSpec

    encoder = MelEncoder(MelSpec(width=16, blocks=1, attention_layers=1))
    bundle = SimpleNamespace(encoders={"talker": encoder, "baseline": object()})
    heard = SimpleNamespace(features=torch.rand(1, 30, encoder.dim))
    assert beside.spoken_phones(bundle, heard, "talker").shape == (30, len(PHONES))
    assert beside.spoken_phones(bundle, heard, "baseline") is None


def test_motion_is_told_before_it_is_drawn_as_it_will_be_drawn(drawn, speech, out, monkeypatch):
    heard = []
    monkeypatch.setattr(pipeline, "spoken_phones", lambda bundle, heard, model: np.zeros((45, 37)))

    def moved(told):
        assert drawn.tracks is None
        heard.append(told)

    report = pipeline.animate(Job(speech, out, expressiveness=0.5), StandInBundle(), moved=moved)
    (told,) = heard
    assert list(told.animations) == ["talker", "baseline"] and len(told.speech) == SAMPLES
    assert [track.animation for track in drawn.tracks] == list(told.animations.values())
    assert report["expressiveness"] == 0.5 and "smoothing" not in report and told.phones.shape == (45, 37)


def test_tuning_changes_how_much_and_keeps_lids_and_pressed_lips():
    rng = np.random.default_rng(0)
    weights = rng.uniform(0, 0.6, (30, 52)).astype(np.float32)
    motion = Animation(weights, rng.normal(0, 0.1, (30, 3)).astype(np.float32), 30.0)
    kept = [ARKIT_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeLookInRight", "mouthPressLeft")]
    jaw, close = ARKIT_NAMES.index("jawOpen"), ARKIT_NAMES.index("mouthClose")
    weak, strong = tune(motion, 0.5), tune(motion, 1.5)
    assert np.array_equal(tune(motion).weights, weights)
    assert np.allclose(weak.weights[:, [jaw, close]], 0.5 * weights[:, [jaw, close]])
    assert np.allclose(strong.head_rotation, 1.5 * motion.head_rotation) and strong.weights.max() <= 1.0
    for tuned in (weak, strong):
        assert np.array_equal(tuned.weights[:, kept], weights[:, kept])
    calm = tune(motion, smoothing=0.05)
    assert np.abs(np.diff(calm.weights, axis=0)).mean() < 0.6 * np.abs(np.diff(weights, axis=0)).mean()
    assert np.allclose(calm.weights.mean(), weights.mean(), atol=0.01)
    for wrong in ({"expressiveness": 3.0}, {"expressiveness": float("nan")}, {"smoothing": -0.1}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            check_tuning(**({"expressiveness": 1.0, "smoothing": 0.0} | wrong))
