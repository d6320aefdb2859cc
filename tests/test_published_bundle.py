"""What an import writes: a bundle, a second model beside the first, faces; and nothing at all when it fails."""

import errno
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import trimesh
import yaml
from torch import nn

import codetalker
from codetalker import cli, doctor, storage
from codetalker.errors import UserError
from codetalker.published import import_bundle, summary
from codetalker.shelf import DEFAULT_WEIGHTS
from tests.test_parity import GOLDEN, TOLERANCE, import_golden

VERTICES = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


@pytest.fixture
def meshes(tmp_path):
    """templates.pkl and sample.ply of 40 vertices."""
    templates = {"S0": VERTICES, "S1": np.zeros((40, 3))}
    (tmp_path / "templates.pkl").write_bytes(pickle.dumps(templates, protocol=2))
    trimesh.Trimesh(VERTICES, [[0, 1, 2], [1, 2, 3]], process=False).export(tmp_path / "sample.ply")
    return {"templates": tmp_path / "templates.pkl", "topology": tmp_path / "sample.ply"}


def _exact(folder, kind):
    golden = np.load(GOLDEN / f"{kind}_vocaset" / "golden.npz")
    model = {"codetalker": "talker", "faceformer": "baseline"}[kind]
    made = codetalker.load(folder).predict(golden["audio"], golden["template"], "S1", model=model)
    return np.abs(made - golden["style1"]).max() < TOLERANCE


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("order", [("codetalker", "faceformer"), ("faceformer", "codetalker")])
def test_talker_and_baseline_share_a_folder_in_either_order(tmp_path, order, meshes):
    out = tmp_path / "both"
    assert import_golden(f"{order[0]}_vocaset", out, **meshes).beside == ""
    second = import_golden(f"{order[1]}_vocaset", out)
    assert second.beside and second.templates == ["S0", "S1"] and second.faces == 2
    assert _exact(out, "codetalker") and _exact(out, "faceformer")
    bundle = codetalker.load(out)
    assert bundle.has_baseline and not bundle.shares_features and set(bundle.origin) == {"talker", "baseline"}
    assert list(bundle.templates) == ["S0", "S1"] and len(bundle.faces) == 2


def test_the_same_kind_again_replaces_it(tmp_path):
    out = tmp_path / "twice"
    import_golden("codetalker_vocaset", out)
    before = _contents(out)
    (out / "talker.safetensors").write_bytes(b"damaged")
    again = import_golden("codetalker_vocaset", out)
    assert again.beside == "" and _contents(out) == before


def test_a_bundle_of_another_data_set_is_refused_and_stays(tmp_path):
    out = tmp_path / "vocaset"
    import_golden("codetalker_vocaset", out)
    before = _contents(out)
    with pytest.raises(
        UserError, match=r"vocaset is of another data set \(fps 30 and 25\): import into another folder"
    ):
        import_golden("faceformer_biwi", out)
    description = (out / "bundle.json").read_text().replace('"motion_dim": 120', '"motion_dim": 90')
    (out / "bundle.json").write_text(description)
    with pytest.raises(UserError, match=r"another data set \(vertices 30 and 40\)"):
        import_golden("faceformer_vocaset", out)
    (out / "bundle.json").write_bytes(before["bundle.json"])
    with pytest.raises(UserError, match=r"another data set \(space arkit and vertices\)"):
        import_golden("faceformer_vocaset", DEFAULT_WEIGHTS)
    assert _contents(out) == before


def test_a_folder_whose_other_model_is_damaged_is_refused(tmp_path):
    out = tmp_path / "damaged"
    import_golden("codetalker_vocaset", out)
    (out / "talker_speech.safetensors").unlink()
    with pytest.raises(UserError, match=r"damaged is incomplete, talker_speech.safetensors is missing"):
        import_golden("faceformer_vocaset", out)
    assert "baseline.safetensors" not in _contents(out)


def test_a_topology_without_templates_is_the_template(tmp_path, meshes):
    out = tmp_path / "out"
    import_golden("faceformer_vocaset", out, topology=meshes["topology"])
    bundle = codetalker.load(out)
    assert list(bundle.templates) == ["sample"] and np.allclose(bundle.templates["sample"], VERTICES, atol=1e-6)
    import_golden("codetalker_vocaset", out, templates=meshes["templates"])
    assert list(codetalker.load(out).templates) == ["S0", "S1"]
    import_golden("codetalker_vocaset", out, topology=meshes["topology"])
    assert list(codetalker.load(out).templates) == ["S0", "S1"]


def test_the_imported_bundle_animates(tmp_path, meshes):
    out = tmp_path / "out"
    import_golden("codetalker_vocaset", out, **meshes)
    bundle = codetalker.load(out)
    audio = np.load(GOLDEN / "codetalker_vocaset" / "golden.npz")["audio"][:8000]
    made = bundle.animate(audio, "S1")
    assert made.vertices[:].shape[1:] == (40, 3) and np.allclose(made.template, VERTICES, atol=1e-6)
    with pytest.raises(UserError, match="there is no style 4: they are numbered 0 to 3"):
        bundle.predict(audio, VERTICES, 4)
    with pytest.raises(UserError, match=r"the template has the shape \(39, 3\)"):
        bundle.predict(audio, VERTICES[1:], 0)


def test_templates_and_meshes_of_another_count(tmp_path, meshes):
    for name, words in (("templates", r"S0 has the shape \(40, 3\) instead of \(50, 3\)"), ("topology", "40 vertices")):
        with pytest.raises(UserError, match=words):
            import_golden("codetalker_biwi", tmp_path / "new" / "out", **{name: meshes[name]})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), storage.SafetensorError("full")])
def test_a_full_disk_leaves_all_as_it_was(tmp_path, monkeypatch, error):
    import_golden("codetalker_vocaset", tmp_path / "there")
    before, true, calls = _contents(tmp_path / "there"), storage.save_file, []

    def fails(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise error
        true(*arguments)

    monkeypatch.setattr(storage, "save_file", fails)
    with pytest.raises((OSError, UserError), match=r"No space left|can't write"):
        import_golden("faceformer_vocaset", tmp_path / "there")
    assert _contents(tmp_path / "there") == before
    calls.clear()
    with pytest.raises((OSError, UserError), match=r"No space left|can't write"):
        import_golden("faceformer_vocaset", tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "out").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(UserError, match="is a file or lies in one: a bundle is a folder"):
            import_golden("faceformer_vocaset", out)
    assert (tmp_path / "out").read_text() == "mine"


def test_finished_files_can_be_read_by_others(tmp_path):
    import_golden("faceformer_vocaset", tmp_path / "out")
    assert len({path.stat().st_mode for path in (tmp_path / "out").iterdir()}) == 1


def test_the_command_tells_what_it_made_and_what_to_run_next(tmp_path, meshes, capsys, monkeypatch):
    folder = shutil.copytree(GOLDEN / "codetalker_vocaset", tmp_path / "given")
    monkeypatch.chdir(folder)
    given = ["--config", "config.yaml", "--wav2vec2", "wav2vec2_config.json", "--out", "new"]
    given += ["--stage1", "stage1.pth.tar", "--stage2", "stage2.pth.tar"]
    told = ["--templates", str(meshes["templates"]), "--topology", str(meshes["topology"])]
    assert cli.main(["import", "--kind", "codetalker", *given, *told]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["new: CodeTalker, 30 fps", "styles: 4, S0, S1, S2, S3", "templates: 2, S0, S1; faces: 2"]
    assert lines[3].startswith("dropped: 1 (hides speech in training only); 3 (a positional table")
    assert lines[4:] == ["next: ./run animate speech.wav -o out.mp4 --weights new --style S0 --head S0"]
    assert cli.main(["import", "--kind", "codetalker", *given, "--templates", "no.pkl"]) == 2
    assert capsys.readouterr().err == "codetalker: missing: no.pkl (templates)\n"


def test_the_next_command_is_one_that_can_run(tmp_path, meshes):
    alone = import_golden("faceformer_vocaset", tmp_path / "a")
    assert summary(alone)[-1] == "next: the same import with --templates templates.pkl and --topology FILE.ply"
    bare = import_golden("faceformer_vocaset", tmp_path / "a", templates=meshes["templates"])
    assert summary(bare)[-1].startswith("next: ./run motion ") and summary(bare)[-1].endswith("--model baseline")
    drawn = import_golden("faceformer_vocaset", tmp_path / "a", topology=meshes["topology"])
    assert summary(drawn)[-1].startswith("next: ./run animate ") and drawn.templates == ["S0", "S1"]
    assert "faces: none" in summary(bare)[2] and "templates: none" in summary(alone)[2]


def test_a_subject_may_be_listed_in_yaml(tmp_path):
    folder = shutil.copytree(GOLDEN / "faceformer_vocaset", tmp_path / "given")
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"train_subjects": ["a", "b", "c", "d"]}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    files = {
        "config": folder / "config.yaml",
        "wav2vec2": folder / "wav2vec2_config.json",
        "model": folder / "model.pth",
    }
    assert import_bundle("faceformer", tmp_path / "out", **files).bundle.styles == ["a", "b", "c", "d"]


def test_the_doctor_tells_of_imported_bundles(tmp_path, meshes):
    out = tmp_path / "out"
    import_golden("faceformer_vocaset", out)
    with pytest.raises(UserError, match="the bundle out holds no templates"):
        doctor.weights_in(out)
    import_golden("faceformer_vocaset", out, **meshes)
    assert doctor.weights_in(out) == "out, 4 styles, imported, heads of 40 vertices: 2, FaceFormer alone"
    import_golden("codetalker_vocaset", out)
    assert doctor.weights_in(out) == "out, 4 styles, imported, heads of 40 vertices: 2"


def test_modules_without_weights_are_built_in_one_thread_alone():
    with storage.unfilled():
        inside = nn.Linear(2, 3)
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(nn.Linear, 2, 3).result()
    assert inside.weight.is_meta and not elsewhere.weight.is_meta and not nn.Linear(2, 3).weight.is_meta
