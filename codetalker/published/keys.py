"""The names of the published checkpoints' tensors, and ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ..autoencoder import AutoencoderSpec
from ..errors import UserError
from ..wav2vec import Wav2Vec2Encoder


@dataclass(frozen=True)
class Into:
    """Where a foreign tensor goes: one name; or several that share its rows in order; or none, for the reason given."""

    names: tuple[str, ...] = ()
    transpose: bool = False
    dropped: str = ""


Table = dict[str, Into]
BY_FORMULA = Into(dropped="a positional table, computed by its formula here")


def _both(foreign: str, own: str, bias: bool = True) -> Table:
    """A layer's weight and bias under two names."""
    return {f"{foreign}.{part}": Into((f"{own}.{part}",)) for part in ("weight", "bias")[: 1 + bias]}


def stage1_table(spec: AutoencoderSpec) -> Table:
    """Keys of the published stage 1 (VQAutoEncoder) -> Autoencoder's."""
    own = f"regions.{spec.regions[0].name}"
    table = _both("encoder.vertice_mapping.0", f"{own}.motion_in")
    table |= _both("encoder.squasher.0.0", f"{own}.encoder.conv")
    table |= _both("decoder.expander.0.0", f"{own}.decoder.conv")
    for side in ("encoder", "decoder"):
        table |= _both(f"{side}.{side}_linear_embedding.net", f"{own}.{side}.embed")
        table[f"{side}.{side}_pos_embedding.pe"] = BY_FORMULA
        for layer in range(spec.layers):  # attention and perceptron count as two there
            attention, mlp = (f"{side}.{side}_transformer.net.{2 * layer + part}.fn" for part in (0, 1))
            block = f"{own}.{side}.blocks.{layer}"
            table |= _both(f"{attention}.norm", f"{block}.attention_norm")
            table |= _both(f"{attention}.fn.to_qkv", f"{block}.attention.qkv", bias=False)
            table |= _both(f"{attention}.fn.to_out", f"{block}.attention.out")
            table |= _both(f"{mlp}.norm", f"{block}.mlp_norm")
            table |= _both(f"{mlp}.fn.l1", f"{block}.expand") | _both(f"{mlp}.fn.l2", f"{block}.contract")
    if spec.code_projection:
        table |= _both("encoder.encoder_linear_embedding_post.net", f"{own}.code_out")
        table |= _both("decoder.decoder_linear_embedding_pre.net", f"{own}.code_in")
    table |= _both("decoder.vertice_map_reverse", f"{own}.motion_out", bias=spec.output_bias)
    table["quantize.embedding.weight"] = Into((f"{own}.quantizer.codebook",))
    return table


def predictor_table(layers: int) -> Table:
    """Keys that the published CodeTalker and FaceFormer have in common -> Predictor's."""
    table = _both("audio_feature_map", "predictor.speech_map") | _both("vertice_map", "predictor.motion_map")
    table["PPE.pe"] = BY_FORMULA
    for layer in range(layers):
        there, here = f"transformer_decoder.layers.{layer}", f"predictor.layers.{layer}"
        for part in ("weight", "bias"):
            table[f"{there}.self_attn.in_proj_{part}"] = Into((f"{here}.attention.qkv.{part}",))
            table[f"{there}.multihead_attn.in_proj_{part}"] = Into(
                (f"{here}.speech.query.{part}", f"{here}.speech.key_value.{part}")
            )
        table |= _both(f"{there}.self_attn.out_proj", f"{here}.attention.out")
        table |= _both(f"{there}.multihead_attn.out_proj", f"{here}.speech.out")
        table |= _both(f"{there}.linear1", f"{here}.expand") | _both(f"{there}.linear2", f"{here}.contract")
        for norm in range(3):
            table |= _both(f"{there}.norm{norm + 1}", f"{here}.norms.{norm}")
    return table


def stage2_table(layers: int) -> Table:
    """Keys of the published CodeTalker, less its speech encoder -> Talker's."""
    own = {"feat_map.weight": Into(("feature_map.weight",)), "learnable_style_emb.weight": Into(("predictor.styles",))}
    return predictor_table(layers) | own


def faceformer_table(layers: int) -> Table:
    """Keys of the published FaceFormer, less its speech encoder -> ours."""
    style = {"obj_vector.weight": Into(("predictor.styles",), transpose=True)}
    return predictor_table(layers) | _both("vertice_map_r", "motion_out") | style


WEIGHT_NORM = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


def count_layers(names: Iterable[str], before: str) -> int:
    """How many numbers follow `before` in the names: "layers.0.a", "layers.1.a" and "layers." -> 2."""
    return len({name[len(before) :].split(".")[0] for name in names if name.startswith(before)})


def older_name(name: str) -> str:
    """A tensor's name as torch before 2.1 gave it, which the published checkpoints have."""
    for new, old in WEIGHT_NORM.items():
        name = name.replace(new, old)
    return name


def wav2vec2_table(encoder: Wav2Vec2Encoder) -> Table:
    """Keys of transformers' Wav2Vec2Model, as older torch gave them -> the speech encoder's."""
    return {older_name(own.removeprefix("model.")): Into((own,)) for own in encoder.state_dict()}


IN_STAGE_1 = "stage 1, which its own checkpoint gives"
PRETRAINING = "of wav2vec2's pretraining only"
OPTIONAL = {  # first letters of what a checkpoint may hold besides
    "autoencoder.": IN_STAGE_1,
    "masked_spec_embed": "hides speech in training only",
    "lm_head.": "spells words, which nothing here reads",
    "quantizer.": PRETRAINING,
    "project_q.": PRETRAINING,
    "project_hid.": PRETRAINING,
    "projector.": "classifies speech, which nothing here reads",
    "classifier.": "classifies speech, which nothing here reads",
}


def convert(
    tensors: dict[str, Tensor], table: Table, module: nn.Module, file: Path, prefix: str = ""
) -> dict[str, str]:
    """Fills the module by its table, strictly. Returns the dropped tensors' names with the reasons.

    prefix: what the names begin with in the file. Raises UserError, naming `file`, for tensors missing or unknown,
    shapes that don't fit, and values that are no numbers. Weights in fp32 are not copied.
    """
    dropped = {name: into.dropped for name, into in table.items() if into.dropped and name in tensors}
    for first, reason in OPTIONAL.items():
        dropped |= {name: reason for name in tensors if name.startswith(first) and name not in table}
    wanted = {name for name, into in table.items() if not into.dropped}
    wrong = [f"{prefix}{name} is missing" for name in sorted(wanted - set(tensors))]
    wrong += [f"{prefix}{name} is unknown" for name in sorted(set(tensors) - wanted - set(dropped))]
    if wrong:
        rest = f", and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise UserError(f"{file} is not the checkpoint that the config describes: {', '.join(wrong[:4])}{rest}")
    state = module.state_dict()
    for name in wanted:
        into, tensor = table[name], tensors[name]
        pieces = [state[own] for own in into.names]
        shape = (sum(len(piece) for piece in pieces), *pieces[0].shape[1:])
        given = tensor.T if into.transpose else tensor
        if tuple(given.shape) != shape:
            wanted_shape = shape[::-1] if into.transpose else shape
            told = f"has the shape {tuple(tensor.shape)}, the config asks for {wanted_shape}"
            raise UserError(f"{file}: {prefix}{name} {told}")
        if not tensor.is_floating_point():
            raise UserError(f"{file}: {prefix}{name} holds {str(tensor.dtype).removeprefix('torch.')}, not floats")
        given = given.detach().float()
        if not all(extreme.isfinite() for extreme in given.aminmax()):  # both are NaN where any value is
            raise UserError(f"{file}: the tensor {prefix}{name} has values that are no numbers")
        state |= dict(zip(into.names, given.split([len(piece) for piece in pieces])))
    module.load_state_dict(state, assign=True)
    return {f"{prefix}{name}": reason for name, reason in dropped.items()}
