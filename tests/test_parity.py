"""The golden outputs of the published implementations, of the imported bundle and of the same exported once more."""

from pathlib import Path

import numpy as np
import pytest
import torch

import codetalker
from codetalker import decoding
from codetalker.bundle import save_bundle
from codetalker.published import import_bundle

GOLDEN = Path(__file__).parent / "golden"
SETS = ("codetalker_vocaset", "codetalker_biwi", "faceformer_vocaset", "faceformer_biwi")
TOLERANCE = 1e-5  # the issue of floating point alone; the published code's own fp32 and fp64 differ by 2e-6


def import_golden(name, out, **meshes):
    folder, kind = GOLDEN / name, name.split("_")[0]
    files = {"stage1": "stage1.pth.tar", "stage2": "stage2.pth.tar"} if kind == "codetalker" else {"model": "model.pth"}
    files = {role: folder / file for role, file in files.items()}
    return import_bundle(kind, out, folder / "config.yaml", folder / "wav2vec2_config.json", **files, **meshes)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """name -> the bundle that was imported, and the same after another export and reload."""
    made = {}
    for name in SETS:
        out, again = tmp_path_factory.mktemp(name), tmp_path_factory.mktemp(f"{name}_again")
        import_golden(name, out)
        save_bundle(codetalker.load(out), again)
        made[name] = codetalker.load(out), codetalker.load(again)
    return made


@pytest.mark.parametrize("name", SETS)
def test_predictions(bundles, name):
    golden = np.load(GOLDEN / name / "golden.npz")
    for bundle in bundles[name]:
        for style in range(3):
            made = bundle.predict(golden["audio"], golden["template"], style)
            assert np.abs(made - golden[f"style{style}"]).max() < TOLERANCE


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", SETS)
def test_predictions_on_a_gpu(name, tmp_path):
    golden = np.load(GOLDEN / name / "golden.npz")
    import_golden(name, tmp_path)
    bundle = codetalker.load(tmp_path, device="cuda")
    for style in range(3):
        made = bundle.predict(golden["audio"], golden["template"], style)
        assert np.abs(made - golden[f"style{style}"]).max() < 1e-4


@pytest.mark.parametrize("name", SETS[:2])
def test_mixed_styles(bundles, name):
    golden = np.load(GOLDEN / name / "golden.npz")
    made = bundles[name][1].predict(golden["audio"], golden["template"], {0: 0.3, 1: 0.7})
    assert np.abs(made - golden["mix_0.3_style0_0.7_style1"]).max() < TOLERANCE


@pytest.mark.parametrize("name", SETS)
def test_styles_in_one_batch(bundles, name):
    golden, bundle = np.load(GOLDEN / name / "golden.npz"), bundles[name][1]
    role = "talker" if bundle.talker else "baseline"
    with torch.inference_mode():
        features = bundle.encoders[role].features(torch.from_numpy(golden["audio"])[None])
    motion = decoding.generate(getattr(bundle, role), features, torch.eye(len(bundle.styles))[:3]).numpy()
    for style in range(3):
        made = golden["template"] + motion[style].reshape(-1, *golden["template"].shape)
        assert np.abs(made - golden[f"style{style}"]).max() < TOLERANCE


@pytest.mark.parametrize("name", SETS[:2])
def test_stage_1_codes_are_the_same_and_its_motion_too(bundles, name):
    golden = np.load(GOLDEN / name / "golden.npz")
    template = torch.from_numpy(golden["template"]).flatten()
    with torch.inference_mode():
        made = bundles[name][1].talker.autoencoder(torch.from_numpy(golden["recon_in"])[None] - template)
    assert np.array_equal(made.codes.flatten().numpy(), golden["recon_codes"])
    assert np.abs((made.motion[0] + template).numpy() - golden["recon_out"]).max() < TOLERANCE


@pytest.mark.parametrize("name", SETS[:2])
def test_plain_decoding_gives_the_same(bundles, name):
    golden, bundle = np.load(GOLDEN / name / "golden.npz"), bundles[name][1]
    with torch.inference_mode():
        features = bundle.encoders["talker"].features(torch.from_numpy(golden["audio"])[None])
    plain = decoding.generate_plainly(bundle.talker, features, torch.eye(len(bundle.styles))[:1])[0].numpy()
    made = golden["template"] + plain.reshape(-1, *golden["template"].shape)
    assert np.abs(made - golden["style0"]).max() < TOLERANCE


def test_every_tensor_is_told_of(bundles):
    for name in SETS:
        (origin,) = bundles[name][1].origin.values()
        assert all(reason for dropped in origin["dropped"].values() for reason in dropped.values())
        assert "PPE.pe" in {tensor for dropped in origin["dropped"].values() for tensor in dropped}
