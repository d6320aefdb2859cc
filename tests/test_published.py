"""What importing refuses, each in one sentence that names the file; and that nothing is written then."""

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml

import codetalker
from codetalker.errors import UserError
from codetalker.published import import_bundle
from codetalker.published.config import check_config
from tests.test_parity import GOLDEN


@pytest.fixture
def given(tmp_path):
    """The arguments of a good import, whose files may be spoilt."""
    folder = shutil.copytree(GOLDEN / "codetalker_vocaset", tmp_path / "given")
    return {
        "kind": "codetalker",
        "out": tmp_path / "out",
        "config": folder / "config.yaml",
        "wav2vec2": folder / "wav2vec2_config.json",
        "stage1": folder / "stage1.pth.tar",
        "stage2": folder / "stage2.pth.tar",
    }


def _refused(given, words):
    with pytest.raises(UserError, match=words) as caught:
        import_bundle(**given)
    assert "\n" not in str(caught.value)
    assert not given["out"].exists()


def _spoil(path, change):
    content = torch.load(path, weights_only=True)
    change(content["state_dict"])
    torch.save(content, path)


def test_missing_files_are_all_listed(given, tmp_path):
    given |= {"stage1": tmp_path / "no1", "templates": tmp_path / "no2"}
    _refused(given, r"no1 \(stage1\).*no2 \(templates\)")


def test_a_truncated_checkpoint(given):
    whole = given["stage2"].read_bytes()
    given["stage2"].write_bytes(whole[: len(whole) // 2])
    _refused(given, "stage2.pth.tar is not a torch checkpoint of tensors alone: it is cut short")


class _Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_a_checkpoint_that_would_run_code(given, capsys):
    torch.save({"state_dict": _Evil()}, given["stage2"])
    _refused(given, "stage2.pth.tar is not a torch checkpoint of tensors alone: it asks for print")
    assert "run" not in capsys.readouterr().out


def test_unknown_and_missing_tensors(given):
    _spoil(given["stage2"], lambda state: state.update(extra=state.pop("feat_map.weight")))
    _refused(given, "feat_map.weight is missing, extra is unknown")


def test_values_that_are_no_numbers(given):
    _spoil(given["stage1"], lambda state: state["quantize.embedding.weight"].fill_(torch.nan))
    _refused(given, "stage1.pth.tar: the tensor quantize.embedding.weight")


def test_shapes_that_do_not_fit_are_both_told(given):
    _spoil(given["stage2"], lambda state: state.update({"PPE.pe": state["PPE.pe"], "vertice_map.bias": torch.ones(63)}))
    _refused(given, r"stage2.pth.tar: vertice_map.bias has the shape \(63,\), the config asks for \(64,\)")


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("vertice_map.bias", torch.ones(64, dtype=torch.int64), "vertice_map.bias holds int64, not floats"),
        ("vertice_map.bias", torch.ones(1).expand(64), "the tensor vertice_map.bias is not stored whole"),
        ("vertice_map.bias", torch.ones(64).to_sparse(), "the tensor vertice_map.bias is not stored whole"),
        ("vertice_map.bias", "text", "'vertice_map.bias' is no tensor"),
        ("PPE.pe", torch.ones(1, 600, 64), "PPE.pe is not the positional table of the published models"),
        ("PPE.pe", torch.ones(3), "PPE.pe is not the positional table of the published models"),
    ],
)
def test_tensors_that_are_none_of_the_published(given, name, tensor, words):
    _spoil(given["stage2"], lambda state: state.update({name: tensor}))
    _refused(given, words)


@pytest.mark.parametrize("content", [{}, [], {"state_dict": {}}, {"state_dict": {3: torch.ones(1)}}, torch.ones(3)])
def test_a_checkpoint_without_tensors_by_name(given, content):
    torch.save(content, given["stage2"])
    _refused(given, "stage2.pth.tar (holds no|must hold) tensors by name")


def test_checkpoints_that_are_another_thing(given):
    first, last = given["stage1"], given["stage2"]
    _refused(
        given | {"stage1": last, "stage2": first}, "stage2.pth.tar is CodeTalker's stage 2, not CodeTalker's stage 1"
    )
    baseline = GOLDEN / "faceformer_vocaset" / "model.pth"
    _refused(given | {"stage2": baseline}, "model.pth is FaceFormer, not CodeTalker's stage 2")


def test_stages_of_different_sets(given):
    given["stage1"] = GOLDEN / "codetalker_biwi" / "stage1.pth.tar"
    _refused(given, "stage1.pth.tar and .*stage2.pth.tar are of different data sets: the first moves 50 .* second 40")


LAUGHS = ["ha"]
for _ in range(40):
    LAUGHS = [LAUGHS, LAUGHS]  # YAML's aliases write it in forty lines


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"feature_dim": 128}, "is not the config of stage2.pth.tar: feature_dim is 128, but 64 in the tensors"),
        ({"vertice_dim": 150, "in_dim": 150}, "of stage1.pth.tar: vertice_dim is 150, but 120 in the tensors"),
        ({"n_embed": 64, "zquant_dim": 8}, "n_embed is 64, but 32 in the tensors; zquant_dim is 8, but 16 in"),
        ({"intermediate_size": 64}, "intermediate_size is 64, but 128 in the tensors"),
        ({"period": 25}, "period is 25, but 30 in the tensors"),
        ({"face_quan_num": 5}, "face_quan_num is 5, but 4 in the tensors"),
        ({"num_layers": 3}, "num_layers is 3, but 2 in the tensors"),
        ({"num_hidden_layers": 9}, "num_hidden_layers is 9, but 2 in the tensors"),
        ({"train_subjects": "S0 S1"}, "names 2 train_subjects, but .*stage2.pth.tar has 4 styles"),
        ({"train_subjects": "S0 S1 S1 S2"}, "train_subjects names S1 twice"),
        ({"dataset": "multiface"}, "dataset must be one of vocaset, BIWI, not 'multiface'"),
        ({"dataset": "BIWI"}, "says BIWI, but .*stage1.pth.tar is built as those of vocaset are"),
        ({"autoencoder": "stage1_BIWI"}, "the dataset is vocaset, but the autoencoder 'stage1_BIWI'"),
        ({"in_dim": 150}, "vertice_dim is 120 and in_dim 150"),
        ({"num_attention_heads": 7}, "hidden_size 64 is no multiple of num_attention_heads 7"),
        ({"quant_factor": 1}, "quant_factor must be 0, as published, not 1"),
        ({"n_head": 8}, "n_head must be 4, as published, not 8"),
        ({"period": "x"}, "period must be a whole number above zero, not 'x'"),
        ({"num_layers": 10**12}, "num_layers must be a whole number above zero, not 1000000000000"),
        ({"train_subjects": ["a", "b:c", "d", "e"]}, "train_subjects names 'b:c', but commas, colons and spaces"),
        ({"dataset": LAUGHS}, "dataset must be one of vocaset, BIWI, not a list"),
        ({"period": LAUGHS}, "period must be a whole number above zero, not a list"),
    ],
)
def test_a_config_that_contradicts_the_tensors(given, change, words):
    config = yaml.safe_load(given["config"].read_text())
    given["config"].write_text(yaml.safe_dump(config | change))
    _refused(given, words)


def test_a_config_that_is_none(given):
    given["config"].write_text("a: [")
    _refused(given, "config.yaml is not a config that can be read")
    given["config"].write_text("- a")
    _refused(given, "config.yaml is not a config: no names")
    given["config"].write_text("dataset: vocaset")
    _refused(given, "config.yaml lacks train_subjects, feature_dim, .*; CodeTalker's stage2.yaml and demo.yaml have it")


def _published(config):
    """Values in the sections of the published stage2.yaml, among others of its kind."""
    section = {
        "DATA": ["dataset", "train_subjects"],
        "NETWORK": ["in_dim", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"],
        "VQuantizer": ["n_embed", "zquant_dim"],
        "PREDICTOR": ["feature_dim", "vertice_dim", "period", "num_layers"],
    }
    nested = {name: {key: config[key] for key in keys} for name, keys in section.items()}
    nested["NETWORK"] |= {"arch": "stage2", "window_size": 1, "quant_factor": 0, "neg": 0.2, "INaffine": False}
    nested["NETWORK"] |= {"face_quan_num": config["face_quan_num"], "autoencoder": f"stage1_{config['dataset']}"}
    nested["PREDICTOR"] |= {"device": "cuda", "wav2vec2model_path": "facebook/wav2vec2-base-960h", "n_head": 4}
    return nested | {"TRAIN": {"train_gpu": [0], "weight": None, "manual_seed": 131}, "TEST": {"save": True}}


@pytest.mark.parametrize("name", ["codetalker_vocaset", "codetalker_biwi"])
def test_configs_in_sections_and_stage_2_as_it_may_come(given, name):
    """Of parallel training, in torch's form before 1.6, in 16 bits, with stage 1 inside."""
    folder = GOLDEN / name
    given |= {"stage1": folder / "stage1.pth.tar", "wav2vec2": folder / "wav2vec2_config.json"}
    given["config"].write_text(yaml.safe_dump(_published(yaml.safe_load((folder / "config.yaml").read_text()))))
    last = torch.load(folder / "stage2.pth.tar", weights_only=True)["state_dict"]
    first = torch.load(folder / "stage1.pth.tar", weights_only=True)["state_dict"]
    whole = last | {f"autoencoder.{key}": tensor for key, tensor in first.items()}
    content = {"epoch": 1, "state_dict": {f"module.{key}": tensor.half() for key, tensor in whole.items()}}
    torch.save(content, given["stage2"], _use_new_zipfile_serialization=False)
    dropped = import_bundle(**given).dropped["stage2"]
    assert set(dropped) == {f"autoencoder.{key}" for key in first} | {"PPE.pe", "audio_encoder.masked_spec_embed"}
    assert codetalker.load(given["out"]).talker.feature_map.weight.dtype == torch.float32


def test_the_configs_that_the_readme_gives(tmp_path):
    told = (Path(__file__).parent.parent / "weights" / "README.md").read_text()
    configs = re.findall(r"```yaml\n(.*?)```", told, re.DOTALL)
    subjects = []
    for config in configs:
        (tmp_path / "config.yaml").write_text(config)
        checked = check_config(tmp_path / "config.yaml", "faceformer")
        subjects.append((checked.data_set.name, checked.values["vertice_dim"] // 3, len(checked.subjects)))
    assert subjects == [("vocaset", 5023, 8), ("BIWI", 23370, 6)]
