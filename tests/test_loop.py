"""The training loop: one process or many, stopped and gone on with, spoilt gradients, full disks."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from codetalker.autoencoder import Autoencoder
from codetalker.errors import UserError
from codetalker.specs import open_autoencoder
from codetalker.speech_encoder import MelSpec
from training import above, loop, plots, speech, stage1, talker
from training.__main__ import main
from training.log import read_log
from training.loop import CHECKPOINT, LoopConfig, fit
from training.runs import finish, finished

ROOT = Path(__file__).parent.parent
CONFIG = LoopConfig(60, 0.05, warmup=5, average=0.9, log_every=10, save_every=20)
EXACT = replace(CONFIG, half=False)  # where batches of other sizes are compared


def batch(index: int, size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(size, 4, generator=torch.Generator().manual_seed(index))
    return x, x.sum(1, keepdim=True)


def regression(out: Path, config: LoopConfig = CONFIG, stop: int = -1, draw=batch, dropout: float = 0.01) -> nn.Module:
    """A run that draws chance of its own as well, and is interrupted at the step `stop`."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(dropout), nn.Linear(4, 1))
    model.register_buffer("ballast", torch.zeros(25_000))  # a checkpoint is larger than all else that is written

    def losses(drawn, step: int):
        if step == stop:
            raise KeyboardInterrupt
        x, y = drawn
        return {"error": (model(x) - y).square().mean()}

    return fit(model, losses, draw, out, config, lambda averaged: {"bias": float(averaged[1].bias)})


def same(one, other) -> bool:
    """Whether two checkpoints are, to the bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return one == other


def checkpoint(folder: Path) -> dict:
    return torch.load(folder / CHECKPOINT, weights_only=True)


def test_training_reduces_the_loss_and_logs_it(tmp_path):
    averaged = regression(tmp_path, replace(CONFIG, steps=200), dropout=0.0)
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == list(range(10, 201, 10))
    assert rows[-1]["error"] < 0.01 * rows[0]["error"]
    assert torch.allclose(averaged[1].weight, torch.ones(1, 4), atol=0.05)
    assert all({"error", "gradient_norm", "learning_rate"} <= set(row) for row in rows)
    assert [row["step"] for row in rows if "bias" in row] == list(range(20, 201, 20))


def test_tensorboard_shows_what_is_logged(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with pytest.raises(KeyboardInterrupt):
        regression(tmp_path, stop=55)
    regression(tmp_path)
    shown = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    for name in ("error", "gradient_norm", "learning_rate", "bias"):
        scalars = {event.step: event.value for event in shown.Scalars(name)}
        logged = {row["step"]: row[name] for row in read_log(tmp_path) if name in row}
        assert scalars.keys() == logged.keys() and all(scalars[s] == pytest.approx(logged[s]) for s in logged)


def test_a_run_does_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    regression(tmp_path)
    assert len(read_log(tmp_path)) == 6 and not (tmp_path / "tensorboard").exists()


def test_a_run_without_accelerate_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(UserError, match=r"training/requirements\.txt"):
        loop.open_process("cpu")


@pytest.mark.parametrize("stop", [20, 33, 40, 59])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_stopped_run_goes_on_to_the_same_weights_and_log(tmp_path, stop, workers):
    config = replace(CONFIG, workers=workers)
    regression(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        regression(tmp_path / "stopped", config, stop)
    assert checkpoint(tmp_path / "stopped")["step"] == stop // 20 * 20
    regression(tmp_path / "stopped", config)
    assert same(checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "stopped"))
    assert read_log(tmp_path / "whole") == read_log(tmp_path / "stopped")


def test_a_run_of_another_seed_draws_other_chance(tmp_path):
    first, second = (regression(tmp_path / str(seed), LoopConfig(3, seed=seed)) for seed in (0, 1))
    assert not torch.equal(first[1].weight, second[1].weight)


def test_a_checkpoint_of_an_earlier_form_is_gone_on_with_and_another_model_s_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        regression(tmp_path, stop=30)
    state = checkpoint(tmp_path)
    del state["beside"]
    torch.save(state, tmp_path / CHECKPOINT)
    regression(tmp_path)
    assert [row["step"] for row in read_log(tmp_path)] == [10, 20, 30, 40, 50, 60]
    with pytest.raises(UserError, match="of another model"):
        fit(nn.Linear(3, 3), lambda batch, step: {}, batch, tmp_path, CONFIG)


def motion_set(folder: Path, frames: int = 64) -> Path:
    """Eight clips of smooth chance in two styles, and features that go with them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    motion = np.cumsum(rng.normal(0, 0.03, (8 * frames, 55)), 0)
    np.save(folder / "motion.npy", (0.5 + 0.5 * np.sin(motion)).astype(np.float16))
    np.save(folder / "features.npy", np.tanh(motion[:, :41]).astype(np.float16))
    (folder / "styles.json").write_text(json.dumps(["calm", "lively"]))
    with open(folder / "clips.jsonl", "w") as file:
        for index in range(8):
            split = "validation" if index == 7 else "train"
            row = {"name": str(index), "style": ("calm", "lively")[index % 2], "split": split}
            file.write(json.dumps(row | {"start": index * frames, "frames": frames}) + "\n")
    return folder


def corpus(folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "speech.npy", rng.normal(0, 3000, 4 * 48_000).astype(np.int16))
    with open(folder / "utterances.jsonl", "w") as file:
        for index in range(4):
            phones = [["sil", 0.0, 1.0], ["aa", 1.0, 2.0], ["m", 2.0, 3.0]]
            row = {"name": str(index), "voice": "v", "split": "validation" if index == 3 else "train"}
            file.write(json.dumps(row | {"phones": phones, "start": index * 48_000, "samples": 48_000}) + "\n")
    return folder


# The step that each is stopped in; above comes after the mouth's six
STAGES = {"speech": 5, "stage1": 5, "mouth": 5, "above": 11, "baseline": 5}


def train(name: str, data: Path, out: Path, steps: int = 6) -> nn.Module:
    """The stage as it is, but for its sizes."""
    sizes = talker.TalkerConfig(steps, batch=2, frames=16)
    if name == "speech":
        return speech.train(data, out, data, "cpu", speech.SpeechConfig(steps, batch=2))
    if name == "stage1":
        config = stage1.Stage1Config(steps, batch=2, frames=16)
        return stage1.train(data, out, "cpu", config, open_autoencoder(width=32))
    if name == "baseline":
        return talker.train_baseline(data, out, "cpu", sizes)
    torch.manual_seed(0)
    frozen = Autoencoder(open_autoencoder(width=32))
    for coder in frozen.regions.values():
        nn.init.normal_(coder.quantizer.codebook)
    return talker.train_talker(frozen, data, out, "cpu", sizes, above.AboveConfig(steps, batch=2, frames=16))


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_goes_on_to_the_same_weights(tmp_path, monkeypatch, name):
    data = corpus(tmp_path / "corpus") if name == "speech" else motion_set(tmp_path / "motion")
    monkeypatch.setattr(speech, "CROP", 1.0)
    monkeypatch.setattr(speech, "MelSpec", partial(MelSpec, width=32, blocks=1))
    for module in (speech, stage1, talker, above):
        monkeypatch.setattr(module, "LoopConfig", partial(LoopConfig, warmup=2, log_every=1, save_every=3))
    train(name, data, tmp_path / "whole")

    follow, followed = loop._follow, []

    def interrupted(*arguments) -> None:
        follow(*arguments)
        followed.append(arguments)
        if len(followed) == STAGES[name]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "_follow", interrupted)
        train(name, data, tmp_path / "stopped")
    stopped = checkpoint(tmp_path / "stopped" / name)
    assert stopped["step"] == 3
    train(name, data, tmp_path / "stopped")
    whole = checkpoint(tmp_path / "whole" / name)
    assert same(whole, checkpoint(tmp_path / "stopped" / name))
    assert not same(whole["model"], stopped["model"])
    assert read_log(tmp_path / "whole" / name) == read_log(tmp_path / "stopped" / name)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_stops_the_run_before_the_weights_are_touched(tmp_path, where):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    before = []

    def losses(drawn, step: int):
        before[:] = [parameter.detach().clone() for parameter in model.parameters()]
        zero = 0.0 * model[1].weight.sum()
        bad = (zero / 0 if where == "loss" else zero.abs().sqrt()) if step == 25 else zero
        return {"good": model(drawn[0]).square().mean(), "bad": bad}

    with pytest.raises(FloatingPointError) as raised:
        fit(model, losses, batch, tmp_path, CONFIG)
    told = str(raised.value)
    assert told.startswith("step 25 has losses good ") and told.endswith("not finite: 1.weight")
    assert "bad nan" in told if where == "loss" else "bad 0," in told
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters()))
    assert checkpoint(tmp_path)["step"] == 20


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_says_so(tmp_path):
    """A limit on the size of files, below that of a checkpoint, stops writing midway, as a full disk does."""
    with pytest.raises(KeyboardInterrupt):
        regression(tmp_path, stop=30)
    last = (tmp_path / CHECKPOINT).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(last) // 2, limits[1]))
    try:
        with pytest.raises(UserError, match=r"checkpoint\.pt could not be written, and is as it was"):
            regression(tmp_path)
        with pytest.raises(UserError, match=r"model\.safetensors could not be written"):
            finish(nn.Linear(300, 300), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / CHECKPOINT).read_bytes() == last and not list(tmp_path.glob("*.partial"))
    assert not (tmp_path / "model.safetensors").exists()
    regression(tmp_path)
    regression(tmp_path / "whole")
    assert same(checkpoint(tmp_path), checkpoint(tmp_path / "whole"))


@pytest.mark.parametrize("moment", ["write", "replace"])
def test_a_kill_while_a_checkpoint_is_written_leaves_the_last_one_whole(tmp_path, monkeypatch, moment):
    with pytest.raises(KeyboardInterrupt):
        regression(tmp_path / "killed", stop=45)
    last = (tmp_path / "killed" / CHECKPOINT).read_bytes()

    def die(*_) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def torn(state, file) -> None:
        file.write(b"torn")
        file.flush()
        die()

    arguments = (tmp_path / "killed" / CHECKPOINT, {"model": nn.Linear(4, 1)}, 60)
    child = get_context("fork").Process(target=loop._save, args=arguments)
    with monkeypatch.context() as patch:
        patch.setattr(*((torch, "save", torn) if moment == "write" else (os, "replace", die)))
        child.start()
        child.join()
    assert child.exitcode == -signal.SIGKILL and (tmp_path / "killed" / "checkpoint.partial").exists()
    assert (tmp_path / "killed" / CHECKPOINT).read_bytes() == last
    regression(tmp_path / "killed")
    regression(tmp_path / "whole")
    assert same(checkpoint(tmp_path / "killed"), checkpoint(tmp_path / "whole"))


def test_a_torn_last_row_of_the_log_is_made_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        regression(tmp_path, stop=45)
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"step": 50, "err')
    regression(tmp_path)
    assert [row["step"] for row in read_log(tmp_path)] == [10, 20, 30, 40, 50, 60]


def test_what_a_stage_leaves_is_read_by_the_next_and_of_another_form_refused(tmp_path):
    made = nn.Linear(2, 2)
    finish(made, tmp_path)
    assert torch.equal(finished(nn.Linear(2, 2), tmp_path).weight, made.weight)
    with pytest.raises(UserError, match="of other data or another form"):
        finished(nn.Linear(3, 3), tmp_path)


PROCESS = """
import sys, torch
from pathlib import Path
from tests.test_loop import EXACT, regression, train
from training.loop import open_process

out = Path(sys.argv[1])
process = open_process("cpu")
regression(out / "regression", EXACT, dropout=0.0)
made = train("stage1", out / "motion", out)
torch.save(made.state_dict(), out / f"{process.process_index}.pt")
"""


@pytest.mark.slow
def test_two_processes_train_one_model_on_twice_the_batches_and_one_of_them_writes(tmp_path):
    motion_set(tmp_path / "motion")
    (tmp_path / "process.py").write_text(PROCESS)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, tmp_path / "process.py", tmp_path], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()

    def doubled(index: int):
        return tuple(torch.cat(parts) for parts in zip(batch(2 * index), batch(2 * index + 1)))

    alone = regression(tmp_path / "alone", EXACT, draw=doubled, dropout=0.0)
    both = checkpoint(tmp_path / "regression")["averaged"]
    assert all(torch.allclose(both[name], tensor, atol=1e-4) for name, tensor in alone.state_dict().items())
    logs = [read_log(tmp_path / name) for name in ("regression", "alone")]
    assert [row["step"] for row in logs[0]] == [10, 20, 30, 40, 50, 60]
    assert [row["error"] for row in logs[0]] == pytest.approx([row["error"] for row in logs[1]], rel=1e-3)
    first, second = (torch.load(tmp_path / f"{index}.pt") for index in (0, 1))
    assert same(first, second) and all(first[f"regions.{name}.quantizer.codebook"].any() for name in ("mouth", "head"))


def test_plots_show_losses_and_codes_of_what_was_trained(tmp_path, capsys):
    data = motion_set(tmp_path / "motion")
    train("stage1", data, tmp_path, steps=2)
    row = read_log(tmp_path / "stage1")[-1]
    for region, frames in (("mouth", 4 * 64), ("lids", 64), ("gaze", 64), ("brows", 64), ("head", 64)):
        counts = np.array(row[f"counts_{region}"])
        share = counts[counts > 0] / frames
        assert len(counts) == 256 and counts.sum() == frames
        assert row[f"dead_{region}"] == (counts == 0).sum()
        assert row[f"used_{region}"] == pytest.approx(len(share) / 256, abs=1e-4)
        assert row[f"perplexity_{region}"] == pytest.approx(np.prod(share**-share), abs=0.01)
    written = plots.draw([tmp_path / "stage1", tmp_path / "talker"], tmp_path / "plots")
    assert [path.name for path in written] == ["stage1.png", "stage1_codes.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    assert sum(path.stat().st_size for path in written) < 200_000
    assert main(["plots", "--runs", str(tmp_path / "nothing")]) == 2
    assert "no stage has left a log.jsonl yet" in capsys.readouterr().err
