"""What the page does, without a browser: handlers, and one round trip through the real server."""

import threading
import time
from pathlib import Path

import pytest

from app import handlers, steps
from app.bundles import Shelf
from app.handlers import Look
from app.steps import Result, Step, Stopped
from app.telling import in_words
from codetalker.errors import UserError
from codetalker.pipeline import STAGES
from codetalker.shelf import DEFAULT_WEIGHTS, find_entries
from tests import studios
from tests.studios import endless_animate, files_under, quick_animate

make_studio, serve = studios.make_studio, studios.serve


def failing_animate(job, bundle, progress=None, moved=None):
    raise UserError("speech.wav is silent")


@pytest.fixture
def speech(tmp_path):
    return studios.write_speech(tmp_path / "my speech!.wav")


def test_generate_tells_steps_and_then_the_result(make_studio, speech):
    studio = make_studio(quick_animate)
    *steps, result = list(studio.generate("visitor", speech, "calm", "ada"))
    assert all(isinstance(step, Step) for step in steps) and isinstance(result, Result)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions) and fractions[-1] < 1.0
    assert {path.suffix for path in result.downloads.values()} == {".mp4", ".npz", ".csv", ".glb"}
    assert result.video.stem == "myspeech" and result.video.read_text() == ".mp4"
    assert "1.0 s of speech" in in_words(result) and "0.8 s" in in_words(result)
    assert "FaceFormer" not in in_words(result)


def test_styles_have_a_word_of_description(make_studio):
    shelf = make_studio(quick_animate).shelf
    assert shelf.styles(None) == [("calm · small and slow", "calm"), ("lively", "lively")]


def test_each_bundle_is_told_for_what_it_is(make_studio):
    shelf = make_studio(quick_animate).shelf
    (ours, first), (theirs, second) = shelf.choices()  # what can't be read is not offered
    assert (first, second) == ("weights", "voca")
    assert "the authors' weights, imported" in theirs and "imported" not in ours
    assert shelf.styles("voca") == [("S1", "S1")] and shelf.heads("voca") == ["S1", "S2"]
    assert shelf.exports("voca") == ("npz", "glb") and shelf.exports("weights") == ("npz", "arkit", "glb")


def test_the_default_is_called_ours():
    first, *_ = Shelf(find_entries(DEFAULT_WEIGHTS)).choices()
    assert first == ("open · our own, open weights", "open")


def test_a_bundle_is_loaded_when_it_is_used_and_one_is_kept(make_studio, speech):
    loaded, used = [], []

    def open_bundle(folder):
        loaded.append(folder.name)
        if folder.name == "voca" and loaded.count("voca") == 1:
            raise UserError("talker.safetensors is damaged")
        return folder.name

    def animate(job, bundle, progress=None, moved=None):
        used.append((bundle, job.head, job.exports))
        return quick_animate(job, bundle, progress)

    studio = make_studio(animate, open_bundle)
    assert loaded == []
    list(studio.generate("visitor", speech, None, None))
    list(studio.generate("visitor", speech, "calm", "ada", "weights"))
    with pytest.raises(UserError, match="damaged"):
        list(studio.generate("visitor", speech, "S1", "S2", "voca"))
    result = list(studio.generate("visitor", speech, "S1", "S2", "voca"))[-1]
    assert loaded == ["weights", "voca", "voca"]
    assert [bundle for bundle, *_ in used] == ["weights", "weights", "voca"]
    assert used[-1][1:] == ("S2", ("npz", "glb")) and result.imported


def test_names_that_are_not_on_the_list(make_studio, speech, tmp_path):
    studio = make_studio(quick_animate)
    for weights in ("open", "../weights", str(tmp_path / "voca"), "broken"):
        with pytest.raises(UserError, match="there is weights, voca"):
            list(studio.generate("visitor", speech, None, None, weights))
    for head in ("ada", "/etc/passwd", "S1.glb"):
        with pytest.raises(UserError, match="there is S1, S2"):
            list(studio.generate("visitor", speech, None, head, "voca"))


def test_seeds_outside_the_range(make_studio, speech):
    studio = make_studio(quick_animate)
    for seed in (-1, 2**31, 10**30):
        with pytest.raises(UserError, match="seed"):
            list(studio.generate("visitor", speech, None, None, seed=seed))


def test_additions_reach_the_job_and_are_told(make_studio, speech):
    asked = []

    def animate(job, bundle, progress=None, moved=None):
        asked.append(job.additions)
        return quick_animate(job, bundle, progress) | {"additions": list(job.additions)}

    studio = make_studio(animate)
    plain = list(studio.generate("visitor", speech, "calm", "ada"))[-1]
    alive = list(studio.generate("visitor", speech, "calm", "ada", additions=["blink", "sway"]))[-1]
    assert asked == [(), ("blink", "sway")] and "Added" not in in_words(plain)
    assert "Added to both heads alike, not predicted by either: blinks, head sway" in in_words(alive)


def test_look_reaches_the_job(make_studio, speech):
    asked = []

    def animate(job, bundle, progress=None, moved=None):
        asked.append(job)
        return quick_animate(job, bundle, progress)

    studio = make_studio(animate)
    look = Look(baseline=False, size=256, background="#102030", expressiveness=1.3, smoothing=0.02)
    list(studio.generate("visitor", speech, "calm", "ada", look=look))
    (job,) = asked
    assert (job.baseline, job.size, job.background, job.expressiveness, job.smoothing) == (
        False, 256, "#102030", 1.3, 0.02,
    )  # fmt: skip
    with pytest.raises(UserError, match="up to 512"):
        list(studio.generate("visitor", speech, "calm", "ada", look=Look(size=768)))
    with pytest.raises(UserError, match="expressiveness"):
        list(studio.generate("visitor", speech, "calm", "ada", look=Look(expressiveness=9.0)))


def test_our_own_examples_are_made_once_and_then_there_for_everybody(make_studio, speech, monkeypatch):
    monkeypatch.setattr(handlers, "EXAMPLES", speech.parent)
    made = []

    def animate(job, bundle, progress=None, moved=None):
        made.append(job.style)
        return quick_animate(job, bundle, progress)

    studio = make_studio(animate)
    first = list(studio.generate("a", speech, "calm", "ada"))[-1]
    studio.sessions.close("a")  # who asked first may leave
    (again,) = studio.generate("b", speech, "calm", "ada")
    assert again.video == first.video and again.video.exists() and made == ["calm"]
    other = list(studio.generate("b", speech, "calm", "ada", seed=1))[-1]
    assert other.video != first.video and made == ["calm", "calm"]
    studio.sessions.close(handlers.OURS)
    fresh = list(studio.generate("c", speech, "calm", "ada"))[-1]  # its files had gone
    assert fresh.video.exists() and len(made) == 3


def test_second_result_leaves_the_first(make_studio, speech):
    studio = make_studio(quick_animate)
    first = list(studio.generate("visitor", speech, "calm", "ada"))[-1]
    second = list(studio.generate("visitor", speech, "lively", "ada"))[-1]
    assert first.video != second.video and first.video.exists()


def test_mistakes_are_told_and_leave_nothing(make_studio, speech):
    studio = make_studio(failing_animate)
    with pytest.raises(UserError, match="silent"):
        list(studio.generate("visitor", speech, "calm", "ada"))
    with pytest.raises(UserError, match="first"):
        list(studio.generate("visitor", None, "calm", "ada"))
    assert files_under(studio.sessions.root) == []
    assert list(studio.sessions.open("visitor").folder.iterdir()) == []


def test_cancel_stops_the_job_and_the_next_one_runs(make_studio, speech):
    studio = make_studio(endless_animate)
    threading.Timer(0.2, lambda: studio.stop("visitor")).start()
    with pytest.raises(Stopped):
        list(studio.generate("visitor", speech, "calm", "ada"))
    studio._animate = quick_animate
    assert isinstance(list(studio.generate("visitor", speech, "calm", "ada"))[-1], Result)


def test_speech_that_went_while_others_were_served_is_asked_for_again(make_studio, speech):
    studio = make_studio(quick_animate)
    jobs = (
        studio.generate("one", speech, "calm", "ada", address="one"),
        studio.generate_motion("two", speech, "calm", address="two"),
    )
    others = studio.line.enter("another")
    for job in jobs:
        assert isinstance(next(job), Step)  # waiting
    speech.unlink()
    studio.line.leave(others)
    for job in jobs:
        with pytest.raises(UserError, match="send it once more"):
            list(job)


def test_leaving_in_the_middle_stops_the_job_and_removes_the_files(make_studio, speech):
    studio = make_studio(endless_animate)
    job = studio.generate("visitor", speech, "calm", "ada")
    next(job)
    folder = studio.sessions.open("visitor").folder
    studio.sessions.close("visitor")
    with pytest.raises(Stopped):
        list(job)
    assert not folder.exists()


def test_one_job_at_a_time(make_studio, speech):
    running, most = [], []

    def counted(job, bundle, progress=None, moved=None):
        running.append(job)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        return quick_animate(job, bundle, progress)

    studio = make_studio(counted)
    visitors = [
        threading.Thread(target=lambda key=key: list(studio.generate(key, speech, "calm", "ada", address=key)))
        for key in "abc"
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert most == [1, 1, 1]


def test_stages_of_the_page_are_the_pipelines():
    assert tuple(steps.STAGES) == STAGES
    assert sum(share for _, share in steps.STAGES.values()) == pytest.approx(1.0)
    assert steps.overall("load", 0.0).fraction == 0.0 and steps.overall("render", 1.0).fraction == 1.0


def test_names_of_uploads_become_safe():
    assert handlers.stem_of(Path("../../-x\n.wav")) == "x"
    assert handlers.stem_of(Path("日本.wav")) == "日本"
    assert handlers.stem_of(Path("....wav")) == "speech"


def test_page_answers_and_makes_a_video(serve, speech):
    from gradio_client import Client, handle_file
    from httpx import get

    _, page = serve(animate=quick_animate)
    answer = get(page)
    assert answer.status_code == 200 and "CodeTalker" in answer.text
    client = Client(page, verbose=False)
    video, exports, report = client.predict(handle_file(speech), "calm", "ada", "", "", 0, api_name="/animate")
    assert Path(video).read_text() == ".mp4" and report["frames"] == 30 and report["waited"] >= 0
    assert {Path(path).suffix for path in exports} == {".npz", ".csv", ".glb"}
    with pytest.raises(Exception, match="Record or choose"):
        client.predict(None, "calm", "ada", "weights", "", 0, api_name="/animate")
    told = client.predict(api_name="/styles")
    assert told["voca"] == {"styles": {"S1": ""}, "heads": ["S1", "S2"]}
    _, exports, _ = client.predict(handle_file(speech), "S1", "S2", "voca", "blink", 1, api_name="/animate")
    assert {Path(path).suffix for path in exports} == {".npz", ".glb"}  # a bare template has no ARKit weights
    with pytest.raises(Exception, match="there are no weights"):
        client.predict(handle_file(speech), "S1", "S2", str(DEFAULT_WEIGHTS), "", 0, api_name="/animate")
    client.close()
