"""Where an import finds its wav2vec2: in the checkpoint, in a folder, on the hub; and what it says if not."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import codetalker
from codetalker.errors import UserError
from codetalker.published import import_bundle
from tests.test_parity import GOLDEN, TOLERANCE

NEWER = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}


@pytest.fixture
def given(tmp_path):
    """The arguments of a good import of FaceFormer, whose files may be spoilt."""
    folder = shutil.copytree(GOLDEN / "faceformer_vocaset", tmp_path / "given")
    own = {"config": folder / "config.yaml", "wav2vec2": folder / "wav2vec2_config.json", "model": folder / "model.pth"}
    return {"kind": "faceformer", "out": tmp_path / "out", **own}


def _refused(given, words):
    with pytest.raises(UserError, match=words) as caught:
        import_bundle(**given)
    assert "\n" not in str(caught.value) and not given["out"].exists()


def _exact(given):
    """Imports, and holds the result against the golden one. Returns what was dropped."""
    dropped = import_bundle(**given).dropped
    golden = np.load(GOLDEN / "faceformer_vocaset" / "golden.npz")
    made = codetalker.load(given["out"]).predict(golden["audio"], golden["template"], 1)
    assert np.abs(made - golden["style1"]).max() < TOLERANCE
    return dropped


def _newer(name):
    for old, new in NEWER.items():
        name = name.replace(old, new)
    return name


def _move_out(given, folder, rename=lambda name: name, **others):
    """Takes the speech encoder out of the checkpoint, into a folder. Returns it as a dict of renamed tensors."""
    tensors = torch.load(given["model"], weights_only=True)
    speech = {name: tensors.pop(name) for name in list(tensors) if name.startswith("audio_encoder.")}
    torch.save(tensors, given["model"])
    folder.mkdir()
    shutil.copy(given["wav2vec2"], folder / "config.json")
    given["wav2vec2"] = folder
    moved = {rename(name.removeprefix("audio_encoder.")): tensor for name, tensor in speech.items()}
    return moved | {name: torch.zeros(2) for name in others.get("besides", ())}


@pytest.mark.parametrize("rename", [lambda name: name, _newer])
def test_weights_of_the_checkpoint_under_old_and_new_names(given, rename):
    tensors = torch.load(given["model"], weights_only=True)
    renamed = {rename(name): tensor for name, tensor in tensors.items()}
    torch.save(renamed | {"audio_encoder.lm_head.weight": torch.zeros(2)}, given["model"])
    dropped = _exact(given)["model"]
    assert set(dropped) == {"PPE.pe", "audio_encoder.masked_spec_embed", "audio_encoder.lm_head.weight"}


def test_weights_of_a_folder_of_the_bare_model(given, tmp_path):
    speech = _move_out(given, tmp_path / "base", _newer)
    save_file(speech, tmp_path / "base" / "model.safetensors")
    assert _exact(given)["wav2vec2"] == {"masked_spec_embed": "hides speech in training only"}


def test_weights_of_a_folder_of_a_recogniser(given, tmp_path):
    speech = _move_out(given, tmp_path / "ctc", "wav2vec2.{}".format, besides=["lm_head.weight", "lm_head.bias"])
    torch.save(speech, tmp_path / "ctc" / "pytorch_model.bin")
    assert {"lm_head.weight", "lm_head.bias"} < set(_exact(given)["wav2vec2"])


def test_weights_of_a_folder_of_pretraining_in_torchs_oldest_form(given, tmp_path):
    heads = ["quantizer.codevectors", "project_q.weight", "project_hid.bias"]
    speech = _move_out(given, tmp_path / "pre", "wav2vec2.{}".format, besides=heads)
    torch.save(speech, tmp_path / "pre" / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert set(heads) < set(_exact(given)["wav2vec2"])


def test_weights_nowhere(given, tmp_path):
    _move_out(given, tmp_path / "empty")
    _refused(given, r"model.pth has no audio_encoder\.\* tensors, and .*empty holds neither model.safetensors nor")


def test_weights_that_would_run_code(given, tmp_path):
    _move_out(given, tmp_path / "evil")
    (tmp_path / "evil" / "pytorch_model.bin").write_bytes(pickle.dumps(print))
    _refused(given, "pytorch_model.bin is not a torch checkpoint of tensors alone")


def test_part_of_the_weights(given):
    tensors = torch.load(given["model"], weights_only=True)
    del tensors["audio_encoder.feature_projection.layer_norm.bias"]
    torch.save(tensors, given["model"])
    _refused(given, "model.pth is not .* describes: audio_encoder.feature_projection.layer_norm.bias is missing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 12}, "num_hidden_layers 12, but the wav2vec2 of .*model.pth has 1"),
        ({"hidden_size": 768}, "hidden_size 768, but the wav2vec2 of .*model.pth has 32"),
        ({"conv_kernel": [10, 3, 3, 3, 3, 2, 3]}, r"conv_kernel \[10, 3, 3, 3, 3, 2, 3\], but .* has \[10, 3, 3"),
        ({"model_type": "hubert"}, "not the config of a wav2vec2: its model_type is 'hubert'"),
        ({"conv_dim": [16]}, "is not the config of a wav2vec2"),
        ({"hidden_size": "many"}, "is not the config of a wav2vec2|describes no model|but the wav2vec2 of"),
        ({"hidden_act": "unheard"}, "describes no model"),
    ],
)
def test_a_config_that_contradicts_the_tensors(given, change, words):
    config = json.loads(given["wav2vec2"].read_text())
    given["wav2vec2"].write_text(json.dumps(config | change))
    _refused(given, words)


def test_a_config_that_is_none(given, tmp_path):
    given["wav2vec2"].write_text("{")
    _refused(given, "wav2vec2_config.json is not JSON that can be read")
    given["wav2vec2"] = tmp_path / "given"
    _refused(given, r"can't read .*config.json: No such file")
    given["wav2vec2"] = tmp_path / "nowhere" / "at" / "all"
    _refused(given, r"missing: .*nowhere/at/all \(wav2vec2\)")


def test_a_name_on_the_hub(given, tmp_path, monkeypatch):
    """Only what is needed is fetched: here the config alone, since the checkpoint has weights."""
    fetched, config = [], given["wav2vec2"]

    def fetch(name, file):
        fetched.append((name, file))
        return str(config)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    given["wav2vec2"] = "facebook/wav2vec2-base-960h"
    _exact(given)
    assert fetched == [("facebook/wav2vec2-base-960h", "config.json")]


def test_a_name_on_the_hub_that_can_t_be_reached(given, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    given["wav2vec2"] = "facebook/wav2vec2-base-960h"
    _refused(given, "facebook/wav2vec2-base-960h is no folder here and can't be fetched .* no copy is kept here")
