"""One training loop for every model: AdamW, cosine decay, averaged weights, checkpoints that resume, a log."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm


@dataclass(frozen=True)
class LoopConfig:
    """What a run of `fit` needs beside the model; a run resumes only under the same numbers."""

    steps: int
    learning_rate: float = 1e-3
    warmup: int = 200  # steps
    weight_decay: float = 0.01
    clip: float = 1.0  # norm of the gradient
    average: float = 0.998  # decay of the averaged weights, which are what is kept
    log_every: int = 50  # steps
    save_every: int = 500  # steps
    half: bool = True  # bfloat16 products, on a GPU or a CPU that has them: a third less time a step


def _write(state: dict[str, Any], path: Path) -> None:
    """A kill at any moment leaves the last checkpoint whole."""
    temporary = path.with_suffix(".partial")
    torch.save(state, temporary)
    os.replace(temporary, path)


def _rate(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - config.warmup) / max(1, config.steps - config.warmup)))


def fit(
    model: nn.Module,
    losses: Callable[[Any, int], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Any]],
    out: Path,
    config: LoopConfig,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
) -> nn.Module:
    """Trains `model` in place from where `out` left off and returns its averaged copy.

    batches(step): endless batches for a run that begins at `step`; seeded by it, a resumed run draws new ones.
    losses(batch, step): named terms, already weighted; their sum is minimised.
    evaluate(averaged): figures for the log, at every save.
    """
    out.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, config))
    averaged = copy.deepcopy(model).requires_grad_(False)
    parts = {"model": model, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}
    checkpoint, step = out / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        step = state.pop("step")
        for name, part in parts.items():
            part.load_state_dict(state[name])

    device = next(model.parameters()).device
    half = config.half and (device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported())
    bar = tqdm(total=config.steps, initial=step, desc=out.name, dynamic_ncols=True)
    stream, sums, logged = iter(batches(step)), {}, step
    with open(out / "log.jsonl", "a", encoding="utf-8") as log:
        while step < config.steps:
            model.train()
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                terms = losses(next(stream), step)
            loss = sum(terms.values())
            if not torch.isfinite(loss):
                raise FloatingPointError(f"step {step}: {', '.join(f'{n} {t.item()}' for n, t in terms.items())}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            schedule.step()
            _follow(averaged, model, min(config.average, (1 + step) / (10 + step)))
            step += 1
            bar.update()
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + float(term.detach())
            if step % config.log_every == 0 or step == config.steps:
                row = {"step": step, **{name: _digits(total / (step - logged)) for name, total in sums.items()}}
                if step % config.save_every == 0 or step == config.steps:
                    _write({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, checkpoint)
                    if evaluate is not None:
                        averaged.eval()
                        with torch.inference_mode():
                            row |= evaluate(averaged)
                log.write(json.dumps(row) + "\n")
                log.flush()
                bar.set_postfix({name: row[name] for name in sums})
                sums, logged = {}, step
    bar.close()
    return averaged.eval()


def _digits(value: float) -> float:
    """Five that count: losses in square metres begin after many zeros."""
    return float(f"{value:.5g}")


@torch.no_grad()
def _follow(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    """Parameters are averaged over the steps; what is measured from the data is taken as it is."""
    for old, new in zip(averaged.parameters(), model.parameters()):
        old.lerp_(new, 1.0 - decay)
    measured = dict(model.named_buffers())
    for name, old in averaged.named_buffers():
        old.copy_(measured[name])
