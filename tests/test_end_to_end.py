"""The main job on the real weights, through the command line as a user meets it."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import codetalker
from codetalker import cli
from codetalker.audio import SAMPLE_RATE, load_speech
from codetalker.motion import ARKIT_NAMES, load_animation
from codetalker.pipeline import DEFAULT_WEIGHTS, EXPORT_KINDS

ROOT = Path(__file__).parent.parent
RECORDING = ROOT.parent / "shared" / "speech" / "jfk.flac"  # a real voice; our own example where it is not there
EXAMPLE = ROOT / "assets" / "speech" / "introduction.flac"
SIZE = 256  # pixels; a quarter of the default's work
REPORT_KEYS = {
    "audio_seconds",
    "frames",
    "fps",
    "style",
    "head",
    "weights",
    "decoding",
    "additions",
    "device",
    "seconds",
}
STAGE_KEYS = {"load", "speech", "talker", "baseline", "render", "total"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def speech_path():
    return RECORDING if RECORDING.exists() else EXAMPLE


@pytest.fixture(scope="module")
def made(tmp_path_factory, speech_path):
    """The folder with everything that one `animate` makes."""
    folder = tmp_path_factory.mktemp("made")
    arguments = ["animate", speech_path, "-o", folder / "out.mp4", "--size", SIZE, "--seed", 1]
    arguments += ["--export", "npz,arkit,glb,visemes,png", "--report", folder / "report.json"]
    assert cli.main([str(argument) for argument in arguments]) == 0
    return folder


def probe(video: Path) -> dict[str, dict]:
    """ffprobe's streams by kind."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-count_frames", "-of", "json", str(video)]
    streams = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["streams"]
    return {stream["codec_type"]: stream for stream in streams}


def frames(video: Path, width: int, height: int) -> np.ndarray:
    """(T, H, W) uint8, grey."""
    command = ["ffmpeg", "-v", "error", "-i", str(video), "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, height, width)


def test_files(made):
    names = ["out.csv", "out.glb", "out.mp4", "out.npz", "out.visemes.json", "out.wav", "out_frames", "report.json"]
    assert sorted(path.name for path in made.iterdir()) == names
    assert len(list((made / "out_frames").iterdir())) == len(load_animation(made / "out.npz"))


def test_streams_and_length(made, speech_path):
    streams = probe(made / "out.mp4")
    picture, sound = streams["video"], streams["audio"]
    assert (picture["codec_name"], picture["pix_fmt"], sound["codec_name"]) == ("h264", "yuv420p", "aac")
    assert (picture["width"], picture["height"]) == (2 * SIZE, SIZE)
    seconds = len(load_speech(speech_path)) / SAMPLE_RATE
    fps = json.loads((made / "report.json").read_text())["fps"]
    assert int(picture["nb_read_frames"]) / fps == pytest.approx(seconds, abs=1.01 / fps)
    assert float(sound["duration"]) == pytest.approx(seconds, abs=0.1)


def test_both_heads_are_there_and_move(made):
    pictures = frames(made / "out.mp4", 2 * SIZE, SIZE).astype(np.float32)
    left, right = pictures[:, :, :SIZE], pictures[:, :, SIZE:]
    for half in (left, right):
        assert half.mean(axis=0).std() > 10.0  # a head before a background
        lower_face = half[:, SIZE // 2 :, SIZE // 4 : -SIZE // 4]
        assert np.abs(np.diff(lower_face, axis=0)).mean() > 0.05
    assert np.abs(left - right).mean() > 0.3  # two models, not one twice


def test_report(made, speech_path):
    report = json.loads((made / "report.json").read_text())
    assert set(report) == REPORT_KEYS and set(report["seconds"]) == STAGE_KEYS
    assert report["audio_seconds"] == pytest.approx(len(load_speech(speech_path)) / SAMPLE_RATE, abs=1e-3)
    assert report["frames"] == len(load_animation(made / "out.npz"))
    parts = [seconds for stage, seconds in report["seconds"].items() if stage != "total"]
    assert all(seconds > 0 for seconds in parts) and sum(parts) <= report["seconds"]["total"] + 0.01


def test_lips_open_in_loud_vowels_and_rest_in_pauses(made, speech_path):
    """Loudness of each frame's 33 ms against how far the lips are apart in it, by the shapes alone."""
    speech, animation = load_speech(speech_path), load_animation(made / "out.npz")
    weight = dict(zip(ARKIT_NAMES, animation.weights.T))
    opening = np.maximum(0.0, weight["jawOpen"] - weight["mouthClose"])
    window = SAMPLE_RATE / animation.fps
    starts = (np.arange(len(animation)) * window).astype(int)
    loudness = np.array([np.sqrt(np.square(speech[start : start + int(window)]).mean()) for start in starts])
    smooth = np.convolve(loudness, np.ones(5) / 5, mode="same")
    loud, quiet = smooth >= np.quantile(smooth, 0.75), smooth <= np.quantile(smooth, 0.10)
    assert opening[loud].mean() > 3 * opening[quiet].mean() + 0.05


def test_motion_is_what_animate_exports(made, tmp_path, speech_path):
    assert cli.main(["motion", str(speech_path), "-o", str(tmp_path / "motion.npz"), "--seed", "1"]) == 0
    with np.load(tmp_path / "motion.npz") as file:
        assert file["names"].shape == (52,) and float(file["fps"]) == 30.0
        assert file["weights"].min() >= 0.0 and file["weights"].max() <= 1.0
        assert file["head_rotation"].shape == (len(file["weights"]), 3)
    animated, motion = load_animation(made / "out.npz"), load_animation(tmp_path / "motion.npz")
    assert np.abs(animated.weights - motion.weights).max() < 1e-5


@pytest.mark.parametrize("ending", ["npz", "csv", "glb", "visemes.json"])
def test_render_of_what_was_exported(made, tmp_path, speech_path, ending):
    out = tmp_path / "again.mp4"
    arguments = ["render", made / f"out.{ending}", "--speech", speech_path, "-o", out, "--size", 128]
    assert cli.main([str(argument) for argument in arguments]) == 0
    assert int(probe(out)["video"]["nb_read_frames"]) == int(probe(made / "out.mp4")["video"]["nb_read_frames"])


def test_styles_differ_and_unknown_names_list_what_there_is(tmp_path, capsys):
    bundle, speech_path = codetalker.load(DEFAULT_WEIGHTS), EXAMPLE
    styles = bundle.styles
    assert cli.main(["styles"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == styles
    features = bundle.encode(load_speech(speech_path))
    mixture = f"{styles[0]}:0.5,{styles[1]}:0.5"
    motions = [bundle.generate(features, style).weights for style in (styles[0], styles[1], mixture)]
    assert all(np.abs(motions[a] - motions[b]).mean() > 1e-3 for a, b in [(0, 1), (0, 2), (1, 2)])
    for option, names in (("--style", styles), ("--head", None)):
        out = tmp_path / "out.mp4"
        assert cli.main(["animate", str(speech_path), "-o", str(out), option, "nobody"]) == 2
        told = capsys.readouterr().err
        assert "nobody" in told and told.count("\n") == 1 and not out.exists()
        assert names is None or all(name in told for name in names)


def test_export_kinds_are_the_exporters():
    from codetalker.export import EXPORTERS

    assert set(EXPORT_KINDS) == set(EXPORTERS)


def test_doctor_is_content():
    done = subprocess.run([sys.executable, "-m", "codetalker", "doctor"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""


def readme_commands() -> list[str]:
    """The lines of the README's `sh` blocks that run a command of the library."""
    blocks = (ROOT / "README.md").read_text(encoding="utf-8").split("```")[1::2]
    lines = [line.split("#")[0].strip() for block in blocks if block.startswith("sh\n") for line in block.splitlines()]
    return [line for line in lines if line.startswith("./run ")]


def test_readme_commands_run(tmp_path, monkeypatch, capsys):
    commands = readme_commands()
    assert len(commands) >= 4
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    for command in commands:
        arguments = shlex.split(command)[1:]
        if arguments[0] in ("animate", "render"):
            arguments += ["--size", "128"]
        assert cli.main(arguments) == 0, command
        assert capsys.readouterr().err == ""
