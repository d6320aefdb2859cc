"""The published form on tiny folders of the data that people have: from the command to a bundle that predicts."""

from __future__ import annotations

import json
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

import codetalker
from tests import datasets as tiny
from tests.datasets import BIWI_NAMES, VERTICES, VOCASET_NAMES
from training import evaluate
from training.__main__ import main
from training.datasets import FaceData
from training.loop import LoopConfig, fit
from training.stage1 import Stage1Config
from training.talker import TalkerConfig
from training.vertices import Listener, VertexConfig, read_encoder, train_stage1

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "conv_dim": [8, 8, 8], "conv_kernel": [10, 8, 8], "conv_stride": [10, 8, 4], "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip  # 320 samples a feature, as the full size has


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wav2vec2")
    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**SMALL)).save_pretrained(folder)
    return str(folder)


def train(folder, tmp_path, wav2vec2, stages=("all",), *more) -> codetalker.bundle.Bundle:
    common = ["--data", str(folder), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "bundle")]
    for stage in stages:
        assert main([stage, *common, "--wav2vec2", wav2vec2, "--steps", "3", "--device", "cpu", *more]) == 0
    return codetalker.load(tmp_path / "bundle")


LAYOUTS = {
    "vocaset": lambda folder: tiny.converted(tiny.describe(folder, like="vocaset"), VOCASET_NAMES, 30),
    "raw vocaset": lambda folder: tiny.raw_vocaset(tiny.describe(folder, like="vocaset")),
    "biwi": lambda folder: tiny.converted(tiny.describe(folder, like="biwi"), BIWI_NAMES, 25),
    "own": lambda folder: tiny.converted(tiny.describe(folder, fps=40), ["anna_1", "ben_1", "ben_2"], 40),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_trains_into_a_bundle_that_predicts(tmp_path, wav2vec2, layout):
    bundle = train(LAYOUTS[layout](tmp_path / "data"), tmp_path, wav2vec2)
    data = FaceData(tmp_path / "data")
    assert bundle.space == "vertices" and bundle.fps == data.spec.fps and bundle.styles == data.styles
    assert set(bundle.templates) == set(data.templates) and bundle.has_baseline
    speech, template = tiny.sound(1.0), data.template(data.clips[0])
    frames = (50 - 1) // 2 if layout == "biwi" else int(49 / 50 * data.spec.fps)
    for model in ("talker", "baseline"):
        for style in range(len(data.styles)):
            made = bundle.predict(speech, template, style, model)
            assert made.shape == (frames, VERTICES, 3) and np.isfinite(made).all()
    rows = [json.loads(line) for line in (tmp_path / "runs" / "talker" / "log.jsonl").read_text().splitlines()]
    assert {"motion", "code"} <= set(rows[-1]) and (layout == "own" or "unseen_motion" in rows[-1])


@pytest.mark.parametrize("layout, counted", [("vocaset", 2), ("raw vocaset", 2), ("biwi", 4)])
def test_a_trained_bundle_is_judged_on_its_data_with_masks(tmp_path, wav2vec2, capsys, layout, counted):
    train(LAYOUTS[layout](tmp_path / "data"), tmp_path, wav2vec2)
    (tmp_path / "lve.txt").write_text("0, 1, 2")
    masks = {"lips": np.arange(3), "forehead": np.array([5]), "eye_region": np.array([6, 7])}
    (tmp_path / "FLAME_masks.pkl").write_bytes(pickle.dumps(masks, 2))
    common = ["--weights", str(tmp_path / "bundle"), "--data", str(tmp_path / "data")]
    capsys.readouterr()
    assert evaluate.main([*common, "--lips", str(tmp_path / "lve.txt")]) == 2
    assert "--data needs --lips and --upper" in capsys.readouterr().err
    common += ["--lips", str(tmp_path / "lve.txt"), "--upper", str(tmp_path / "FLAME_masks.pkl")]
    assert evaluate.main([*common, "--json", str(tmp_path / "out.json")]) == 0
    said = capsys.readouterr().out
    assert f"{counted} sequences of" in said and "masks of 3 lip and 3 upper-face vertices" in said
    figures = json.loads((tmp_path / "out.json").read_text())
    assert set(figures) == {"talker", "baseline"}
    for row in figures.values():
        assert {"LVE unit2", "LVE unsquared unit", "FDD unit2", "|FDD| unit2", "MVE unit", "FD unit2"} <= set(row)
        assert row["LVE unit2"] > 0 and np.isfinite(list(row.values())).all()


def test_wav2vec2_learns_along_but_its_convolutions_unless_frozen(tmp_path, wav2vec2):
    given = Wav2Vec2Model.from_pretrained(wav2vec2).state_dict()
    folder = LAYOUTS["biwi"](tmp_path / "data")
    for frozen in (False, True):
        bundle = train(folder, tmp_path / str(frozen), wav2vec2, ("baseline", "bundle"), *["--frozen"] * frozen)
        learnt = bundle.encoders["baseline"].model.state_dict()
        moved = {name.split(".")[0] for name, tensor in learnt.items() if not torch.equal(given[name], tensor)}
        assert moved == (set() if frozen else {"feature_projection", "encoder"})


def test_losses_are_the_published_ones(tmp_path, wav2vec2):
    """Squared error of features to stage 1's entries, and of motion; absolute error of motion in stage 1."""
    data = FaceData(LAYOUTS["biwi"](tmp_path / "data"))
    config = VertexConfig(steps=1)
    stage1 = train_stage1(data, tmp_path, "cpu", config)
    batch = data.batch(data.split("train")[0])
    terms, made = stage1.losses(batch["motion"])
    assert terms["motion"].item() == pytest.approx((made.motion - batch["motion"]).abs().mean().item())

    encoder = read_encoder(wav2vec2, data)
    talker = codetalker.talker.Talker(data.spec.talker(VERTICES, encoder.dim, data.styles), stage1)
    torch.nn.init.normal_(talker.feature_map.weight)
    listener = Listener(encoder, talker).eval()
    terms = listener.losses(batch)
    features = encoder(batch["speech"])
    frames = features.shape[1] // 2
    motion = batch["motion"][:, :frames]
    with torch.no_grad():
        codes = stage1.encode(motion)
        past = stage1.decode(stage1.lookup(codes))
        hidden = talker.predictor(past, batch["style"], talker.predictor.prepare(features[:, : 2 * frames]))
        feature = talker.feature_map(hidden).unflatten(-1, (stage1.spec.slots, -1))
        nearest = torch.cdist(feature.flatten(0, 2), stage1.codebooks()[0]).argmin(1).view(codes.shape)
        decoded = stage1.decode(stage1.lookup(nearest))
    assert terms["code"].item() == pytest.approx((feature - stage1.lookup(codes)).square().mean().item(), rel=1e-4)
    assert terms["motion"].item() == pytest.approx((decoded - motion).square().mean().item(), rel=1e-4)


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    data = FaceData(LAYOUTS["biwi"](tmp_path / "data"))
    train_stage1(data, tmp_path, "cpu", VertexConfig(steps=2))
    train_stage1(data, tmp_path, "cpu", VertexConfig(steps=4))
    steps = [json.loads(line)["step"] for line in (tmp_path / "stage1" / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4]


def test_the_log_tells_the_mean_of_its_steps_however_few_and_small(tmp_path):
    model = torch.nn.Linear(1, 1)
    loop = LoopConfig(3, log_every=50)
    fit(model, lambda batch, step: {"tiny": 2e-7 + 0 * model.weight.sum()}, lambda index: 0, tmp_path, loop)
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert (row["step"], row["tiny"]) == (3, 2e-7)


def test_nothing_is_trained_on_a_spoilt_folder(tmp_path, wav2vec2, capsys):
    folder = LAYOUTS["biwi"](tmp_path / "data")
    (folder / "wav" / "F2_e01.wav").unlink()
    arguments = ["stage1", "--data", str(folder), "--runs", str(tmp_path / "runs")]
    assert main(arguments) == 2
    assert "vertices_npy/F2_e01.npy: has no wav/F2_e01.wav" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_mistakes_are_told(tmp_path, wav2vec2, capsys):
    folder = LAYOUTS["biwi"](tmp_path / "data")
    common = ["--data", str(folder), "--runs", str(tmp_path / "runs"), "--device", "cpu"]
    assert main(["talker", *common]) == 2 and "--wav2vec2" in capsys.readouterr().err
    assert main(["talker", *common, "--wav2vec2", wav2vec2]) == 2
    assert "run python -m training stage1 first" in capsys.readouterr().err
    assert main(["bundle", *common]) == 2 and "neither talker nor baseline" in capsys.readouterr().err
    assert main(["speech", *common]) == 2 and "has the stages stage1, talker" in capsys.readouterr().err


def test_own_arkit_motion_trains_the_open_form(tmp_path, monkeypatch):
    folder = tiny.arkit(tmp_path / "data", [f"{who}_{number}" for who in ("eva", "tom") for number in range(2)])
    monkeypatch.setattr("training.own_motion.VARIANTS", 2)
    monkeypatch.setattr("training.stage1.Stage1Config", partial(Stage1Config, batch=2, frames=12))
    monkeypatch.setattr("training.talker.TalkerConfig", partial(TalkerConfig, batch=2, frames=12))
    common = ["--data", str(folder), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "bundle")]
    assert main(["all", *common, "--steps", "1", "--device", "cpu"]) == 0
    bundle = codetalker.load(tmp_path / "bundle")
    assert (bundle.space, bundle.styles, bundle.name) == ("arkit", ["eva", "tom"], "data")
    assert len(bundle.animate(tiny.sound(1.0), "tom")) == 30
