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
from codetalker.foreign import read_templates
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
    _refused(given, "stage2.pth.tar is not a whole torch checkpoint")


class _Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_a_checkpoint_that_would_run_code(given, capsys):
    torch.save({"state_dict": _Evil()}, given["stage2"])
    _refused(given, "stage2.pth.tar is not a whole torch checkpoint")
    assert "run" not in capsys.readouterr().out


def test_unknown_and_missing_tensors(given):
    _spoil(given["stage2"], lambda state: state.update(extra=state.pop("feat_map.weight")))
    _refused(given, "feat_map.weight is missing, extra is unknown")


def test_values_that_are_no_numbers(given):
    _spoil(given["stage1"], lambda state: state["quantize.embedding.weight"].fill_(torch.nan))
    _refused(given, "stage1.pth.tar: the tensor quantize.embedding.weight")


def test_stages_of_different_sets(given):
    given["stage1"] = GOLDEN / "codetalker_biwi" / "stage1.pth.tar"
    _refused(given, "stage1.pth.tar is not the checkpoint that the config describes")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"feature_dim": 128}, r"has the shape \(.*\), the config asks for \("),
        ({"n_embed": 64}, r"quantize.embedding.weight has the shape \(32, 16\), the config asks for \(64, 16\)"),
        ({"period": 25}, "does not repeat every 25 frames"),
        ({"dataset": "multiface"}, "dataset must be one of vocaset, BIWI"),
        ({"face_quan_num": 5}, "5 parts x code_dim 16 is not the width 64"),
        ({"quant_factor": 1}, "quant_factor must be 0"),
        ({"num_layers": 3}, "is missing"),
        ({"period": "x"}, "describe no model"),
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
    assert import_bundle(**given).styles == ["S0", "S1", "S2", "S3"]


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


PYTHON_2 = (  # pickle.dumps({"S0": numpy.zeros((1, 3))}, 2) of Python 2.7: byte strings without an encoding
    b"\x80\x02}q\x00U\x02S0q\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01bq"
    b"\x05\x87q\x06Rq\x07(K\x01K\x01K\x03\x86q\x08cnumpy\ndtype\nq\tU\x02f8q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89U\x18"
    + b"\x00" * 8
    + b"\x00\x00\x00\x00\x00\x00\xf0?" * 2
    + b"q\x0ftq\x10bs."
)


def test_a_python_2_pickle(tmp_path):
    (tmp_path / "templates.pkl").write_bytes(PYTHON_2)
    assert read_templates(tmp_path / "templates.pkl", 1)["S0"].tolist() == [[0.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"S0": _Evil()}, "pickle of numpy arrays in a dict and nothing else"),
        ([np.zeros((40, 3))], "no dict of templates"),
        ({"S0": np.zeros((39, 3))}, r"\(39, 3\) instead of \(40, 3\)"),
        ({"S0": np.full((40, 3), np.nan)}, "no numbers"),
        ({"S0": np.array([None])}, "float arrays"),
    ],
)
def test_templates_that_are_refused(tmp_path, content, words, capsys):
    (tmp_path / "templates.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=words):
        read_templates(tmp_path / "templates.pkl", 40)
    assert "run" not in capsys.readouterr().out
