"""What the page shows, without a browser: its texts, the motion for the 3D view, the picture of the lips."""

import base64
import json
import re
import string
import subprocess

import numpy as np
import pytest
import soundfile
from imageio_ffmpeg import get_ffmpeg_exe

from app.evidence import best_lag, draw, gather, lip_gap, spans
from app.parts import LEGEND, VIEWER
from app.sheet import columns_for, lay_out
from app.steps import Result
from app.takes import Takes
from app.telling import figures, in_words
from app.ui import as_hex, mixture
from app.words import language_of, say, tables
from codetalker.export.visemes import MOUTHS
from codetalker.head import load_head
from codetalker.motion import ARKIT_NAMES, Animation
from codetalker.phones import PHONES
from codetalker.pipeline import ADDITION_KINDS, STAGES, Job, Moved
from codetalker.styles import style_weights

FPS, FRAMES = 30.0, 90
CLOSURES = [(20, 23), (50, 54)]


def motion(late=0, closes=True):
    """Says aa, m, aa, b, aa; and rests at the end."""
    opened = np.full(FRAMES, MOUTHS["aa"]["jawOpen"], np.float32)
    for start, end in CLOSURES if closes else ():
        opened[start:end] = 0
    opened[75:] = 0
    weights = np.zeros((FRAMES, 52), np.float32)
    weights[:, ARKIT_NAMES.index("jawOpen")] = np.roll(opened, late)
    weights[:, ARKIT_NAMES.index("browInnerUp")] = np.linspace(0, 0.5 if closes else 0.1, FRAMES)
    return Animation(weights, np.zeros((FRAMES, 3), np.float32), FPS)


def heard():
    phones = np.zeros((FRAMES, len(PHONES)), np.float32)
    phones[:, PHONES.index("aa")] = 1
    for (start, end), name in zip(CLOSURES, "mb"):
        phones[start:end] = np.eye(len(PHONES))[PHONES.index(name)]
    phones[75:] = np.eye(len(PHONES))[PHONES.index("sil")]
    return phones


@pytest.fixture(scope="module")
def moved():
    speech = (0.3 * np.sin(np.arange(48_000) / 12)).astype(np.float32)
    return Moved(speech, load_head("alex"), {"talker": motion(), "baseline": motion(closes=False)}, heard())


def test_every_language_has_every_text_with_the_same_blanks():
    english, *others = tables().values()
    blanks = lambda text: {name for _, name, _, _ in string.Formatter().parse(text) if name}  # noqa: E731
    assert others
    for other in others:
        assert other.keys() == english.keys()
        assert {key: blanks(text) for key, text in other.items()} == {k: blanks(text) for k, text in english.items()}
        assert sum(other[key] != english[key] for key in english) > 0.8 * len(english)
    used = [f"doing_{stage}" for stage in STAGES] + [f"viewer_{name}" for name in VIEWER] + [*ADDITION_KINDS, *LEGEND]
    assert all(key in english for key in used)


def test_the_browser_chooses_the_language():
    assert language_of("de-DE,de;q=0.9,en;q=0.8") == "de" and language_of("fr,de-AT") == "de"
    assert language_of("ja") == language_of(None) == language_of("") == "en"


def test_lips_that_meet_and_lips_that_do_not(moved):
    evidence = gather(moved)
    assert evidence.asked == CLOSURES and evidence.pauses == [(75, 90)]
    talker, baseline = evidence.lips["talker"], evidence.lips["baseline"]
    assert (talker.made, baseline.made) == (2, 0) and talker.still == baseline.still == 1.0
    assert talker.above > 3 * baseline.above
    whole = moved.head.deform(moved.animations["talker"].weights)
    upper, lower = (moved.head.regions[f"inner_lip_{side}"] for side in ("upper", "lower"))
    assert talker.gap == pytest.approx(
        1000 * np.linalg.norm(whole[:, upper] - whole[:, lower], axis=2).mean(1), abs=1e-2
    )


@pytest.mark.parametrize("late", [-3, 0, 2, 5])
def test_lag_is_found(moved, late):
    wanted = lip_gap(moved.head, motion())
    lag, follows = best_lag(lip_gap(moved.head, motion(late)), wanted, FPS)
    assert lag == pytest.approx(late / FPS, abs=0.5 / FPS) and follows > 0.8


def test_nothing_is_claimed_where_nothing_is_heard(moved):
    assert gather(Moved(moved.speech, moved.head, moved.animations, None)) is None
    assert spans(np.zeros(5, bool)) == [] and spans(np.array([1, 1, 0, 1], bool)) == [(0, 2), (3, 4)]


def test_the_picture_marks_what_was_asked_for(moved):
    words = {key: say("en", key) for key in LEGEND} | {"described": 'a "wave" & more'}
    picture = draw(gather(moved), words)
    closures = re.findall(r'<rect class="closure" x="(\d+)" y="36" width="(\d+)"', picture)
    assert [(int(x), int(x) + int(width)) for x, width in closures] == CLOSURES
    assert 'aria-label="a &quot;wave&quot; &amp; more"' in picture and picture.count("<path") == 3
    curve = re.search(r'<path class="talker" d="M([^"]+)"', picture)[1].split(" ")
    heights = np.array([float(point.split(",")[1]) for point in curve])
    assert len(heights) == FRAMES and heights[21] > heights[10] + 20  # down, where the lips meet


def test_figures_and_report_in_words(moved, tmp_path):
    seconds = {"load": 0.0, "speech": 0.1, "talker": 0.2, "baseline": 0.0, "render": 0.4, "total": 0.75}
    report = {"audio_seconds": 3.0, "frames": 90, "fps": 30.0, "style": "calm", "head": "ada", "weights": "open"}
    result = Result(tmp_path / "x.mp4", {}, report | {"device": "cpu", "seconds": seconds, "additions": []})
    told = figures(gather(moved), result)
    assert "CodeTalker 2 of 2, FaceFormer 0 of 2" in told and "100%" in told and "0.3 s of it" in told
    assert "times as much" in told and "In sync" in told
    assert "FaceFormer" not in in_words(result) and "3.0 s Sprache" in in_words(result, "de")
    report = result.report | {"additions": ["blink"], "expressiveness": 1.2}
    told = in_words(Result(result.video, {}, report, imported=True, lost_gpu=True))
    assert "Added to both heads alike, not predicted by either: blinks" in told and "the authors' weights" in told
    assert "expressiveness 1.2" in told and "GPU" in told


def test_a_take_holds_sound_and_motion_under_a_secret_name(moved, tmp_path):
    takes = Takes()
    job = Job(tmp_path / "speech.wav", tmp_path / "out.mp4")
    take = takes.keep(tmp_path, job, "open", moved, "4")
    assert takes.find(take.token) is take and takes.find("guessed") is None and len(take.token) > 20
    sound, rate = soundfile.read(take.sound, dtype="float32")
    assert rate == 16_000 and np.abs(sound - moved.speech).max() < 1e-4
    told = json.loads(take.motion("4").read_text())
    assert told["fps"] == FPS and told["names"] == list(ARKIT_NAMES)
    assert [model["name"] for model in told["models"]] == ["CodeTalker", "FaceFormer"]
    values = np.frombuffer(base64.b64decode(told["models"][1]["motion"]), "<f4").reshape(FRAMES, 55)
    assert np.array_equal(values[:, :52], moved.animations["baseline"].weights)
    take.sound.unlink()
    assert takes.find(take.token) is None  # gone with the visitor's files


def test_mixtures_are_read_as_they_are_meant():
    styles = ["calm", "lively"]
    assert style_weights(mixture("calm", "lively", 30), styles).tolist()[0] == pytest.approx([0.7, 0.3])
    assert mixture("calm", "", 30) == mixture("calm", "calm", 30) == mixture("calm", "lively", 0) == "calm"
    assert style_weights(mixture("calm", "lively", 100), styles).tolist()[0] == pytest.approx([0, 1])


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_row_of_pictures_becomes_a_sheet(tmp_path, count):
    """Grey squares, each lighter than the one before, are found where they belong."""
    size, columns = 32, columns_for(count)
    row, out = tmp_path / "row.mp4", tmp_path / "sheet.mp4"
    levels = [40 + 40 * number for number in range(count)]
    squares = "".join(f"color=c=0x{3 * f'{level:02x}'}:s={size}x{size}:d=1[s{n}];" for n, level in enumerate(levels))
    joined = "".join(f"[s{n}]" for n in range(count)) + (f"hstack=inputs={count}" if count > 1 else "null")
    command = [get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "sine=d=1"]
    command += ["-filter_complex", f"{squares}{joined}[v]", "-map", "[v]", "-map", "0:a", "-shortest", str(row)]
    subprocess.run(command, check=True)
    lay_out(row, out, count, columns)
    rows = -(-count // columns)
    first = [get_ffmpeg_exe(), "-i", str(out), *"-v error -frames:v 1 -f rawvideo -pix_fmt gray -".split()]
    grey = np.frombuffer(subprocess.run(first, capture_output=True, check=True).stdout, np.uint8)
    frame = grey.reshape(rows * size, columns * size)
    for number, level in enumerate([*levels, *[0] * (rows * columns - count)]):
        y, x = (number // columns) * size + size // 2, (number % columns) * size + size // 2
        assert abs(int(frame[y, x]) - level) < 8


def test_colours_as_pickers_give_them():
    assert as_hex("#20262b") == "#20262b" and as_hex("rgba(32.4, 38, 43, 1)") == as_hex("rgb(32, 38, 43)") == "#20262b"
