"""What importing refuses, each in one sentence that names the file; and that nothing is written then."""

import pickle
import shutil

import numpy as np
import pytest
import torch
import trimesh
import yaml

import codetalker
from codetalker.errors import UserError
from codetalker.published import import_bundle
from tests.test_parity import GOLDEN, import_golden


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


def test_stages_of_different_sets(given):
    given["stage1"] = GOLDEN / "codetalker_biwi" / "stage1.pth.tar"
    _refused(given, "stage1.pth.tar and .*stage2.pth.tar are of different data sets: the first moves 50 .* second 40")


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
    ],
)
def test_a_config_that_contradicts_the_tensors(given, change, words):
    config = yaml.safe_load(given["config"].read_text())
    given["config"].write_text(yaml.safe_dump(config | change))
    _refused(given, words)


def test_nested_configs_and_parallel_checkpoints_are_read_too(given):
    config = yaml.safe_load(given["config"].read_text())
    given["config"].write_text(yaml.safe_dump({"NETWORK": config, "DATA": {"test_subjects": "S9"}}))
    content = torch.load(given["stage2"], weights_only=True)
    renamed = {f"module.{name}": tensor for name, tensor in content["state_dict"].items()}
    torch.save({"state_dict": renamed}, given["stage2"])
    assert import_bundle(**given).bundle.styles == ["S0", "S1", "S2", "S3"]


def test_talker_and_baseline_share_a_bundle(tmp_path):
    for name in ("codetalker_vocaset", "faceformer_vocaset"):
        import_golden(name, tmp_path / "both")
    bundle = codetalker.load(tmp_path / "both")
    golden = np.load(GOLDEN / "faceformer_vocaset" / "golden.npz")
    made = bundle.predict(golden["audio"], golden["template"], "S1", model="baseline")
    assert np.abs(made - golden["style1"]).max() < 1e-5
    assert bundle.has_baseline and not bundle.shares_features
    with pytest.raises(UserError, match="another data set"):
        import_golden("faceformer_biwi", tmp_path / "both")


def test_templates_and_topology_come_along(given, tmp_path):
    templates = {"S0": np.random.default_rng(0).normal(size=(40, 3)), "S1": np.zeros((40, 3))}
    (tmp_path / "templates.pkl").write_bytes(pickle.dumps(templates, protocol=2))
    mesh = trimesh.Trimesh(templates["S0"], [[0, 1, 2], [1, 2, 3]], process=False)
    mesh.export(tmp_path / "mesh.ply")
    import_bundle(**given, templates=tmp_path / "templates.pkl", topology=tmp_path / "mesh.ply")
    bundle = codetalker.load(given["out"])
    assert list(bundle.templates) == ["S0", "S1"] and bundle.faces.tolist() == [[0, 1, 2], [1, 2, 3]]
    audio = np.load(given["config"].parent / "golden.npz")["audio"][:8000]
    made = bundle.animate(audio, "S1")
    assert made.vertices.shape[1:] == (40, 3) and np.allclose(made.template, templates["S0"], atol=1e-6)
