"""Bundles written and read, styles by name, and what a broken bundle says."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import codetalker
from codetalker.bundle import Bundle, save_bundle
from codetalker.errors import UserError
from codetalker.faceformer import FaceFormer
from codetalker.motion import MOTION_DIM, Animation
from codetalker.predictor import PredictorSpec
from codetalker.specs import open_autoencoder, open_faceformer, open_talker
from codetalker.speech_encoder import MelEncoder, MelSpec
from codetalker.styles import parse_style, style_weights
from codetalker.talker import TalkerGroup

STYLES = {"calm": "little movement", "lively": ""}


@pytest.fixture(scope="module")
def bundle():
    torch.manual_seed(0)
    encoder = MelEncoder(MelSpec(width=16, blocks=1, attention_layers=1)).eval()
    talker = TalkerGroup(open_talker(encoder.dim, len(STYLES), open_autoencoder(width=32))).eval()
    baseline = FaceFormer(open_faceformer(encoder.dim, len(STYLES))).eval()
    for one in talker.members:
        books = [region.quantizer.codebook for region in one.autoencoder.regions.values()]
        for weight in (one.feature_map.weight, *books):
            torch.nn.init.normal_(weight)
    torch.nn.init.normal_(baseline.motion_out.weight, std=0.2)
    encoders = {"talker": encoder, "baseline": encoder}
    return Bundle("open", "arkit", 30.0, STYLES, encoders, talker, baseline)


@pytest.fixture(scope="module")
def folder(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "open"
    save_bundle(bundle, folder)
    return folder


@pytest.fixture(scope="module")
def speech():
    return np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)


@pytest.mark.parametrize("model", ["talker", "baseline"])
def test_a_loaded_bundle_does_what_the_saved_one_did(bundle, folder, speech, model):
    loaded = codetalker.load(folder)
    assert (loaded.styles, loaded.fps, loaded.space, loaded.name) == (["calm", "lively"], 30.0, "arkit", "open")
    assert loaded.has_baseline and loaded.shares_features and loaded.styles_told["calm"] == "little movement"
    made = loaded.animate(speech, "calm:0.5,lively:0.5", seed=2, model=model)
    wanted = bundle.animate(speech, "calm:0.5,lively:0.5", seed=2, model=model)
    assert isinstance(made, Animation) and made.weights.shape == (30, 52) and made.head_rotation.shape == (30, 3)
    assert np.abs(made.weights - wanted.weights).max() < 1e-5


def test_half_precision_halves_the_files_and_opens_wide(bundle, folder, tmp_path):
    save_bundle(bundle, tmp_path / "half", half=True)
    size = (tmp_path / "half" / "talker.safetensors").stat().st_size
    assert size < 0.55 * (folder / "talker.safetensors").stat().st_size
    assert all(p.dtype == torch.float32 for p in codetalker.load(tmp_path / "half").talker.parameters())


def test_an_unknown_style_model_or_space_is_told(bundle, speech):
    features = bundle.encode(speech)
    with pytest.raises(UserError, match=r"no style 'angry': there is calm, lively"):
        bundle.generate(features, "angry")
    with pytest.raises(UserError, match="no model 'best'"):
        bundle.generate(features, model="best")
    with pytest.raises(UserError, match="not vertices"):
        bundle.predict(speech, np.zeros((4, 3)), 0)


def test_progress_ends_at_one(bundle, speech):
    told = []
    bundle.generate(bundle.encode(speech), progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0


def test_mixtures():
    assert parse_style("calm") == {"calm": 1.0}
    assert parse_style(" calm:0.7, lively:0.3") == {"calm": 0.7, "lively": 0.3}
    names = ["calm", "lively", "odd"]
    assert style_weights(None, names).tolist() == [[1, 0, 0]]
    assert style_weights({0: 1, "odd": 3}, names).tolist() == [[0.25, 0, 0.75]]
    for wrong in ("calm:x", "calm,calm", "", "calm:-1", "calm:nan", "calm:0", 3, -1):
        with pytest.raises(UserError):
            style_weights(wrong, names)


def _copy(folder, to):
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_missing_files_are_all_listed(folder, tmp_path):
    broken = _copy(folder, tmp_path / "broken")
    (broken / "talker.safetensors").unlink()
    (broken / "baseline.safetensors").unlink()
    with pytest.raises(UserError, match=r"talker.safetensors, baseline.safetensors missing"):
        codetalker.load(broken)
    with pytest.raises(UserError, match="there is no bundle in"):
        codetalker.load(tmp_path / "nowhere")


def test_a_truncated_file_is_named(folder, tmp_path):
    broken = _copy(folder, tmp_path / "broken")
    whole = (broken / "talker.safetensors").read_bytes()
    (broken / "talker.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"talker.safetensors is damaged or cut short"):
        codetalker.load(broken)


def test_a_description_that_contradicts_the_weights_names_both_shapes(folder, tmp_path):
    broken = _copy(folder, tmp_path / "broken")
    description = json.loads((broken / "bundle.json").read_text())
    description["models"]["baseline"]["spec"]["width"] = 64
    (broken / "bundle.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match=r"has the shape \(128, \d+\) instead of \(64, \d+\)"):
        codetalker.load(broken)


def test_a_style_without_weights_is_told(folder, tmp_path):
    broken = _copy(folder, tmp_path / "broken")
    description = json.loads((broken / "bundle.json").read_text())
    description["styles"]["third"] = ""
    (broken / "bundle.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="names 3 styles, but the talker has 2"):
        codetalker.load(broken)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "space": "arkit"}', '{"format": 1}'])
def test_a_broken_description_is_told(folder, tmp_path, text):
    broken = _copy(folder, tmp_path / "broken")
    (broken / "bundle.json").write_text(text)
    with pytest.raises(UserError, match=r"bundle.json"):
        codetalker.load(broken)


def test_importing_the_package_does_not_import_torch():
    code = "import sys, codetalker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_open_specs_cover_the_motion():
    assert open_autoencoder().motion_dim == MOTION_DIM
    assert isinstance(open_faceformer(41, 6), PredictorSpec)


def test_a_model_that_is_not_there_is_told_before_it_hears(bundle, speech):
    alone = replace(bundle, baseline=None, encoders={"talker": bundle.encoders["talker"]})
    with pytest.raises(UserError, match="holds no baseline"):
        alone.encode(speech, "baseline")
    with pytest.raises(UserError, match="no model 'best'"):
        alone.encode(speech, "best")
