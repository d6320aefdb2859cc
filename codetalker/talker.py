"""Stage 2, CodeTalker: speech-driven motion as a query into the codes of stage 1."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .autoencoder import Autoencoder, AutoencoderSpec
from .layers import Readout
from .predictor import Driven, Prediction, Predictor, PredictorSpec, masked_mean, mix_own
from .temporal import PrefixState, Shortcut, StackState

LOSSES = ("feature", "cross_entropy")
LOGIT_SCALE = 5.0  # at the start of training
FEW = 2.0  # frames


@dataclass(frozen=True)
class TalkerSpec:
    """code_loss: "feature", squared error to stage 1's vectors, as published; or "cross_entropy" over its codes."""

    predictor: PredictorSpec
    autoencoder: AutoencoderSpec
    code_loss: str = "feature"

    def __post_init__(self) -> None:
        if self.code_loss not in LOSSES:
            raise ValueError(f"code_loss must be one of {LOSSES}, not {self.code_loss!r}")
        if self.predictor.motion_dim != self.autoencoder.motion_dim:
            raise ValueError(
                f"motion_dim differs: predictor {self.predictor.motion_dim}, autoencoder {self.autoencoder.motion_dim}"
            )
        if self.drawn and not all(self.temperatures):
            raise ValueError("regions whose codes are drawn and regions whose codes are the nearest need a talker each")
        if self.drawn and self.code_loss != "cross_entropy":
            raise ValueError("codes are drawn by probabilities: code_loss must be cross_entropy")

    @property
    def temperatures(self) -> list[float]:
        """Of each slot."""
        return [region.temperature for region in self.autoencoder.regions for _ in range(region.parts)]

    @property
    def drawn(self) -> bool:
        return any(self.temperatures)


class CodeQuery:
    """Which code a predicted feature means: its nearest entry.

    expected: what is nearest to the mean of the entries under the logits, instead. Where speech leaves several codes
    open, their mean is the least far from each (squared error), and the likeliest may be far from all others.
    """

    def __init__(self, codebooks: Tensor, scale: Tensor, expected: bool = False) -> None:
        """codebooks: (Q, K, C); scale: (Q,), of the logits"""
        self.codebooks, self.scale, self.expected = codebooks, scale, expected
        self._entries = codebooks.transpose(1, 2).contiguous()  # (Q, C, K)
        self._norms = codebooks.square().sum(2)  # (Q, K)
        self._first = torch.arange(len(codebooks), device=codebooks.device) * codebooks.shape[1]
        self._flat = codebooks.flatten(0, 1)  # (Q * K, C)

    def distances(self, features: Tensor) -> Tensor:
        """Squared distances to the entries less |feature|^2: (B, T, Q, C) -> (B, T, Q, K)."""
        batch, frames = features.shape[:2]
        rows = features.flatten(0, 1).transpose(0, 1)  # (Q, B * T, C)
        with torch.autocast(rows.device.type, enabled=False):  # near entries differ in bits that bfloat16 hasn't
            distances = torch.baddbmm(self._norms[:, None], rows.float(), self._entries, alpha=-2)
        return distances.transpose(0, 1).unflatten(0, (batch, frames))

    def logits(self, features: Tensor, before: Tensor | None = None) -> Tensor:
        """Of the codes: (B, T, Q, C) -> (B, T, Q, K); the largest is the nearest entry's.

        before: (B, T, Q), the codes of the frames before, K for none; None: none at all. Here they don't matter.
        """
        return -self.distances(features) * self.scale[:, None]

    def mean(self, logits: Tensor) -> Tensor:
        """The expected entries. (B, T, Q, K) -> (B, T, Q, C)."""
        return torch.einsum("btqk,qkc->btqc", logits.softmax(-1), self.codebooks)

    def __call__(
        self, features: Tensor, generator: torch.Generator | None = None, before: Tensor | None = None
    ) -> Tensor:
        """features: (B, T, Q, C) -> codes (B, T, Q). generator: of what is drawn, None for the global one."""
        if self.expected:
            features = self.mean(self.logits(features))
        return self.distances(features).argmin(-1)

    def lookup(self, codes: Tensor) -> Tensor:
        """codes: (B, T, Q) -> vectors (B, T, Q, C)."""
        return F.embedding(codes + self._first, self._flat)


class DrawnQuery(CodeQuery):
    """Draws a code, which goes on from the code before: how often each comes after it is known, and the feature speaks
    for some and against others. Codes last, a few come at all after another, and no feature alone could tell 256 so
    sharply."""

    def __init__(self, codebooks: Tensor, scale: Tensor, temperatures: list[float], transitions: Tensor) -> None:
        """temperatures: one for each slot; transitions: (B, Q, K + 1, K), of each clip and slot the logits of its codes
        after each of them and, last, at the beginning."""
        super().__init__(codebooks, scale)
        self._heat = torch.tensor(temperatures, device=codebooks.device)[:, None]  # (Q, 1)
        self._after = transitions.flatten(0, 2)  # (B * Q * (K + 1), K)
        tables = torch.arange(transitions.shape[:2].numel(), device=codebooks.device) * transitions.shape[2]
        self._tables = tables.view(-1, 1, len(codebooks))  # where each begins, (B, 1, Q)

    def logits(self, features: Tensor, before: Tensor | None = None) -> Tensor:
        if before is None:
            before = torch.full(features.shape[:3], self.codebooks.shape[1], device=features.device)
        told = (self._norms - self.distances(features)) * self.scale[:, None]  # 2 feature * entry
        return told + F.embedding(before + self._tables, self._after)

    def __call__(
        self, features: Tensor, generator: torch.Generator | None = None, before: Tensor | None = None
    ) -> Tensor:
        """By Gumbel's trick."""
        wanted = self.logits(features, before) / self._heat
        device = features.device if generator is None else generator.device
        chance = torch.rand(wanted.shape, generator=generator, device=device).to(wanted.device)
        noise = -(-chance.clamp(1e-9, 1 - 1e-7).log()).log()
        return (wanted + noise).argmax(-1)


@dataclass
class CodeState:
    """What `Talker.emit` keeps between frames.

    stage1: its past, None where it is decoded plainly; vectors: all so far, (B, 1, Q, C) each, where they are needed;
    before: the last codes, (B, 1, Q)
    """

    query: CodeQuery
    generator: torch.Generator
    stage1: list[StackState | PrefixState] | None
    vectors: list[Tensor] = field(default_factory=list)
    before: Tensor | None = None


class Talker(Driven):
    """CodeTalker (Xing et al. 2023, sec. 3.2): predicts each frame's feature, queries its codes, decodes them."""

    def __init__(self, spec: TalkerSpec, autoencoder: Autoencoder | None = None) -> None:
        """autoencoder: the trained stage 1, which stays as it is; None: a fresh one, for weights yet to be loaded."""
        super().__init__()
        self.spec = spec
        self.predictor = Predictor(spec.predictor)
        slots, entries = spec.autoencoder.slots, spec.autoencoder.entries
        self.feature_map = nn.Linear(spec.predictor.width, slots * spec.autoencoder.code_dim, bias=False)
        nn.init.zeros_(self.feature_map.weight)
        each = (spec.predictor.styles, slots, entries + 1, entries)
        self.register_buffer("transitions", torch.zeros(each) if spec.drawn else None)  # logarithms
        scale = torch.full((slots,), LOGIT_SCALE).log()
        if spec.code_loss == "cross_entropy":
            self.log_scale = nn.Parameter(scale)
        else:
            self.register_buffer("log_scale", scale, persistent=False)
        self.autoencoder = (autoencoder or Autoencoder(spec.autoencoder)).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Talker:
        super().train(mode)
        self.autoencoder.eval()  # stage 1 is frozen, its codebooks too
        return self

    def query(self, style: Tensor) -> CodeQuery:
        """The code query of clips in these styles, (B, styles), under the present weights. Logits are in units of each
        codebook's own variance. What is drawn in a mixture goes on now as one style does, now as the other."""
        codebooks = self.autoencoder.codebooks()
        spread = codebooks.var(1).sum(1).clamp_min(1e-8)  # (Q,)
        scale = self.log_scale.exp() / spread
        if not self.spec.drawn:
            return CodeQuery(codebooks, scale, self.spec.code_loss == "cross_entropy")
        after = torch.einsum("bs,sqik->bqik", style, self.transitions.exp()).log()
        return DrawnQuery(codebooks, scale, self.spec.temperatures, after)

    @torch.no_grad()
    def count_transitions(self, clips: Iterable[tuple[int, Tensor]]) -> None:
        """Sets them to what these clips have, a style's number and its codes, (T, Q), before a training. What was
        rarely seen after a code in a style is as likely as it is there in all styles, by FEW frames' weight, and
        that in turn as it is at all, so far as the style has it at all."""
        entries = self.spec.autoencoder.entries
        counts = torch.zeros_like(self.transitions[:, :, :entries])  # (S, Q, K, K)
        begun = torch.zeros_like(counts[:, :, :1])  # (S, Q, 1, K)
        for style, all_codes in clips:
            for slot, codes in enumerate(all_codes.T):
                pairs = torch.bincount(codes[:-1] * entries + codes[1:], minlength=entries**2)
                counts[style, slot] += pairs.view(entries, entries)
                begun[style, slot, 0, codes[0]] += 1

        def odds(seen: Tensor, guess: Tensor) -> Tensor:
            return (seen + FEW * guess) / (seen.sum(-1, keepdim=True) + FEW)

        often = odds(counts.sum((0, 2)), counts.new_full((entries,), 1 / entries))[:, None]  # (Q, 1, K)
        styled = odds(counts.sum(2, keepdim=True), often)  # (S, Q, 1, K)
        guess = odds(counts.sum(0), often) * styled / often
        after = odds(counts, guess / guess.sum(-1, keepdim=True))
        self.transitions.copy_(torch.cat([after, odds(begun, styled)], 2).log())

    def _features(self, hidden: Tensor) -> Tensor:
        return self.feature_map(hidden).unflatten(-1, (self.spec.autoencoder.slots, -1))  # (B, T, Q, C)

    @torch.no_grad()
    def recognise(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Known motion, (B, T, M), as stage 1 has it: codes (B, T, Q), and the motion that it gives back."""
        codes = self.autoencoder.encode(motion)
        return codes, self.autoencoder.decode(self.autoencoder.lookup(codes))

    def losses(
        self,
        features: Tensor,
        motion: Tensor,
        style: Tensor,
        own: float = 0.0,
        mask: Tensor | None = None,
        decode: bool = True,
    ) -> Prediction:
        """One training pass, teacher-forced but for a share `own` of frames that are the model's. The true past is seen
        as stage 1 gives it back, which is how generation will see its own.

        features: (B, S, D); motion: (B, T, M); style: (B, styles); mask: (B, T) bool, false where padded. Losses:
        "code" and, with decode, "motion" (squared error). Gradients pass the query straight through: to the feature
        (published), or to the mean entry under the logits (cross-entropy).
        """
        frames = min(motion.shape[1], features.shape[1] // self.predictor.speech_per_frame)
        motion, mask = motion[:, :frames], None if mask is None else mask[:, :frames]
        features = features[:, : frames * self.predictor.speech_per_frame]
        query = self.query(style)
        memories = self.predictor.prepare(features, mask)
        codes, inputs = self.recognise(motion)
        with torch.no_grad():
            if own > 0:
                hidden = self.predictor(inputs, style, memories)
                inputs = mix_own(inputs, self.autoencoder.decode(query.lookup(query(self._features(hidden)))), own)
        predicted = self._features(self.predictor(inputs, style, memories))
        logits = query.logits(predicted)
        if self.spec.code_loss == "cross_entropy":
            code_loss = _nats(logits, codes)
        else:
            code_loss = (predicted - query.lookup(codes)).square()
        losses, made = {"code": masked_mean(code_loss, mask)}, None
        if decode:
            made = self.autoencoder.decode(self._straight_through(predicted, logits, query))
            losses["motion"] = masked_mean((made - motion).square(), mask)
        return Prediction(losses, made, logits, codes)

    def chances(
        self,
        features: Tensor,
        codes: Tensor,
        past: Tensor,
        style: Tensor,
        mask: Tensor | None = None,
        before: Tensor | None = None,
    ) -> Prediction:
        """`losses` of a talker whose codes are drawn: "code" alone, after a past that is true. What one draw began, the
        truth of another can't go on with.

        codes: (B, T, Q) and past: (B, T, M), of `recognise`, so many frames as there are of speech. before: (B, T, Q),
        the code before each, of clips that are cut out of longer ones; before a first one there is `entries`, none: a
        face begins at rest, and may be anywhere later.
        """
        if before is None:
            before = F.pad(codes[:, :-1], (0, 0, 1, 0), value=self.spec.autoencoder.entries)
        predicted = self._features(self.predictor(past, style, self.predictor.prepare(features, mask)))
        logits = self.query(style).logits(predicted, before)
        return Prediction({"code": masked_mean(_nats(logits, codes), mask)}, None, logits, codes)

    def _straight_through(self, predicted: Tensor, logits: Tensor, query: CodeQuery) -> Tensor:
        """The nearest entries' values, with the gradient of what they were chosen by."""
        source = query.mean(logits) if query.expected else predicted
        vectors = query.lookup(query.distances(source).argmin(-1))
        return source + (vectors - source).detach()

    def readout(self) -> Readout | None:
        return self.autoencoder.readout()

    def start(
        self, style: Tensor, generator: torch.Generator, plain: bool = False, shortcut: Shortcut | None = None
    ) -> CodeState:
        """The state of `emit` before the first frame.

        style: (B, styles); plain: stage 1 decodes everything anew at each frame; shortcut: as in Autoencoder.start.
        """
        return CodeState(self.query(style), generator, None if plain else self.autoencoder.start(shortcut))

    def emit(self, hidden: Tensor, state: CodeState) -> Tensor:
        """The next frame's latent, (B, 1, R), from the predictor's hidden state (B, 1, width); where it is decoded
        plainly, those of all frames so far."""
        state.before = state.query(self._features(hidden), state.generator, state.before)
        vectors = state.query.lookup(state.before)
        if state.stage1 is None or not self.spec.autoencoder.causal:
            state.vectors.append(vectors)
        if state.stage1 is None:
            return self._decode(torch.cat(state.vectors, 1))
        return self.autoencoder.step(vectors, state.stage1)

    def revise(self, latents: Tensor, state: CodeState) -> Tensor:
        """The final ones, (B, T, R): stage 1 of the published form decodes all frames anew once all are known."""
        return latents if self.spec.autoencoder.causal else self._decode(torch.cat(state.vectors, 1))

    def _decode(self, vectors: Tensor) -> Tensor:
        stage1 = self.autoencoder
        return stage1.decode(vectors) if self.spec.autoencoder.causal else stage1.latents(vectors)


def _nats(logits: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy: (B, T, Q, K), (B, T, Q) -> (B, T, Q)"""
    return F.cross_entropy(logits.flatten(0, 2), codes.flatten(), reduction="none").view(codes.shape)


@dataclass(frozen=True)
class TalkerGroupSpec:
    members: tuple[TalkerSpec, ...]

    def __post_init__(self) -> None:
        channels = sorted(channel for one in self.members for channel in one.autoencoder.channels)
        if channels != list(range(self.members[0].autoencoder.motion_dim)):
            raise ValueError("the talkers of a group must move each channel once")


class TalkerGroup(nn.Module):
    """Talkers of one face's parts, which hear the same speech. None sees the others' past, and each leaves their
    channels at zero: their motions add up. So what speech decides can't hang on what was drawn, and each learns at its
    own pace."""

    def __init__(self, spec: TalkerGroupSpec, members: Iterable[Talker] = ()) -> None:
        """members: as trained; none: fresh ones"""
        super().__init__()
        self.spec = spec
        self.members = nn.ModuleList(members or map(Talker, spec.members))
        self.motion_dim, self.styles = self.members[0].motion_dim, self.members[0].styles
        self.speech_per_frame = self.members[0].speech_per_frame
        self.reach = max(one.reach for one in self.members)
