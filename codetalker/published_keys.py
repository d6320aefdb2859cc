"""The names of the published checkpoints' tensors, and ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from .autoencoder import AutoencoderSpec
from .errors import UserError
from .wav2vec import Wav2Vec2Encoder


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


def wav2vec2_table(encoder: Wav2Vec2Encoder) -> Table:
    """Keys of the speech encoder inside a published checkpoint; its weight norm has the names of older torch."""
    table = {}
    for own in encoder.state_dict():
        foreign = own.removeprefix("model.")
        for new, old in (("0", "weight_g"), ("1", "weight_v")):
            foreign = foreign.replace(f"parametrizations.weight.original{new}", old)
        table[f"audio_encoder.{foreign}"] = Into((own,))
    return table


OPTIONAL = {  # that a checkpoint may hold besides
    "audio_encoder.masked_spec_embed": "hides speech in pretraining only",
}
OPTIONAL_PREFIXES = {"autoencoder.": "stage 1, which its own checkpoint gives"}


def convert(tensors: dict[str, Tensor], tables: list[tuple[Table, nn.Module]], file: Path) -> dict[str, str]:
    """Fills the modules by their tables, strictly. Returns the dropped tensors' names with the reasons.

    Raises UserError, naming `file`, for tensors missing or unknown, and shapes that don't fit.
    """
    known = {name for table, _ in tables for name in table}
    dropped = {name: reason for name, reason in OPTIONAL.items() if name in tensors}
    for prefix, reason in OPTIONAL_PREFIXES.items():
        dropped |= {name: reason for name in tensors if name.startswith(prefix)}
    wrong = [f"{name} is missing" for name in sorted(known - set(tensors))]
    wrong += [f"{name} is unknown" for name in sorted(set(tensors) - known - set(dropped))]
    if wrong:
        rest = f", and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise UserError(f"{file} is not the checkpoint that the config describes: {', '.join(wrong[:4])}{rest}")
    for table, module in tables:
        state = module.state_dict()
        for name, into in table.items():
            if into.dropped:
                dropped[name] = into.dropped
                continue
            tensor = tensors[name].T if into.transpose else tensors[name]
            rows = sum(len(state[own]) for own in into.names)
            wanted = (rows, *state[into.names[0]].shape[1:])
            if tuple(tensor.shape) != wanted:
                raise UserError(f"{file}: {name} has the shape {tuple(tensor.shape)}, the config asks for {wanted}")
            pieces = tensor.split([len(state[own]) for own in into.names])
            state |= dict(zip(into.names, pieces))
        module.load_state_dict(state)
    return dropped
