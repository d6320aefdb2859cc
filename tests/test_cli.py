"""The commands: 0 when done, one line and 2 for a mistake, and no file left by a failure."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codetalker import cli, pipeline
from codetalker.errors import UserError
from codetalker.motion import Animation
from codetalker.outputs import staging

ROOT = Path(__file__).parent.parent
COMMANDS = ["animate", "motion", "stream", "render", "styles", "heads", "doctor", "import"]


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "codetalker", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL)


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "speech.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(16_000) / 12), 16_000)
    return path


@pytest.fixture
def weights(tmp_path):
    """The folder of a bundle, as far as `styles` looks at it."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "bundle.json").write_text(json.dumps({"styles": ["calm", "lively"]}))
    return folder


def complains(capsys, *arguments: object) -> str:
    """The one line that a mistake prints."""
    assert cli.main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.startswith("codetalker: ")
    return captured.err


def test_help_names_every_command_and_loads_no_model():
    code = "import sys, codetalker.cli as c\ntry: c.main(['--help'])\n"
    code += "finally: print([name for name in ('torch', 'gradio') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stderr == ""
    assert all(command in done.stdout for command in COMMANDS)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert command in capsys.readouterr().out


def test_exit_codes_of_the_real_process(tmp_path):
    done = run("animate", tmp_path / "none.wav", "-o", tmp_path / "out.mp4", "--size", "333")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "333" in done.stderr
    assert run("styles", "--weights", tmp_path).returncode == 2
    assert run().returncode == 2


def test_mistakes_in_the_arguments(capsys, tmp_path, speech):
    out = tmp_path / "out.mp4"
    assert "COMMAND" in complains(capsys)
    assert "animate" in complains(capsys, "dance")
    assert "--out" in complains(capsys, "animate", speech)
    assert "--size" in complains(capsys, "animate", speech, "-o", out, "--size", "big")
    assert "4000" in complains(capsys, "animate", speech, "-o", out, "--size", 4000)
    assert "must end in .mp4" in complains(capsys, "animate", speech, "-o", tmp_path / "out.avi")
    assert "doesn't exist" in complains(capsys, "animate", speech, "-o", tmp_path / "none" / "out.mp4")
    assert "npz, arkit, glb" in complains(capsys, "animate", speech, "-o", out, "--export", "npz,fbx")
    assert "faceformer" in complains(capsys, "animate", speech, "-o", out, "--baseline", "voca")
    assert "blink, gaze, sway, breath" in complains(capsys, "animate", speech, "-o", out, "--add", "blink,auto")
    assert "wink" in complains(capsys, "motion", speech, "-o", tmp_path / "out.npz", "--add", "wink")
    assert "seconds" in complains(capsys, "animate", speech, "-o", out, "--limit", "nan")
    assert "must end in .npz" in complains(capsys, "motion", speech, "-o", tmp_path / "out.csv")
    assert "bundle.json" in complains(capsys, "styles", "--weights", tmp_path)
    published = ["--config", "c.yaml", "--wav2vec2", "w.json", "--out", tmp_path / "published"]
    assert "--stage1 and --stage2" in complains(capsys, "import", "--kind", "codetalker", *published)
    assert "--model" in complains(capsys, "import", "--kind", "faceformer", *published)
    assert list(tmp_path.iterdir()) == [speech]


def test_styles_a_line_each(weights, capsys):
    assert cli.main(["styles", "--weights", str(weights)]) == 0
    assert capsys.readouterr().out == "calm\nlively\n"
    (weights / "bundle.json").write_text(json.dumps({"styles": {"calm": "small and slow", "lively": ""}}))
    assert cli.main(["styles", "--weights", str(weights)]) == 0
    assert capsys.readouterr().out == "calm\tsmall and slow\nlively\n"
    (weights / "bundle.json").write_text("{")
    assert "not a bundle" in complains(capsys, "styles", "--weights", weights)


def test_output_that_is_the_input(tmp_path, speech):
    video = tmp_path / "speech.mp4"
    video.write_bytes(speech.read_bytes())
    with pytest.raises(UserError, match="also an input"):
        pipeline.Job(speech=video, out=video)


def test_a_failure_leaves_the_old_output_and_nothing_else(tmp_path):
    (tmp_path / "out.mp4").write_text("old")
    with pytest.raises(RuntimeError), staging(tmp_path) as folder:
        (folder / "out.mp4").write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "old"
    with staging(tmp_path) as folder:
        (folder / "out.mp4").write_text("new")
        assert (tmp_path / "out.mp4").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "new"


def test_motion_that_belongs_to_other_speech():
    animation = Animation(np.zeros((30, 52)), np.zeros((30, 3)), 30.0)
    pipeline.check_length(animation, 1.4)
    with pytest.raises(UserError, match=r"1\.0 s and the speech 10\.0 s: they don't belong together"):
        pipeline.check_length(animation, 10.0)


def test_stopwatch_tells_each_stage():
    told = []
    watch = pipeline.Stopwatch(lambda stage, fraction: told.append((stage, fraction)))
    with watch.stage("talker") as tell:
        tell(0.5)
    assert told == [("talker", 0.0), ("talker", 0.5), ("talker", 1.0)]
    assert set(watch.report()) == {"load", "speech", "talker", "baseline", "render", "total"}


def test_a_reader_that_leaves_early_is_no_error(weights):
    command = [sys.executable, "-m", "codetalker", "styles", "--weights", str(weights)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 0
    process.stderr.close()


def test_what_could_not_be_added_is_told(capsys, monkeypatch, tmp_path, speech):
    told = {"additions": [], "additions_note": "nothing was added: moving vertices", "head": "ada"}
    monkeypatch.setattr(pipeline, "animate", lambda *given, **options: told)
    monkeypatch.setattr(pipeline, "write_motion", lambda *given, **options: told)
    for command, out in (("animate", "out.mp4"), ("motion", "out.npz")):
        assert cli.main([command, str(speech), "-o", str(tmp_path / out), "--add", "blink"]) == 0
        assert capsys.readouterr().err == "codetalker: nothing was added: moving vertices\n"
