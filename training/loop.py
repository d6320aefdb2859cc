"""One training loop for every model: AdamW, cosine decay, averaged weights, on one device or many.

What a step draws, batch and chance, follows from its number alone: a run that was stopped goes on as one that was not.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from codetalker.errors import UserError

from .log import open_log
from .runs import whole

if TYPE_CHECKING:
    from accelerate import Accelerator

CHECKPOINT = "checkpoint.pt"


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
    workers: int = 0  # processes that draw batches ahead; 0: drawn in between
    seed: int = 0


def open_process(device: str | torch.device) -> Accelerator:
    """This process, alone or one of those of `accelerate launch`; of these, "cuda" is to each a GPU of its own."""
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
    except ModuleNotFoundError as error:
        raise UserError("training needs accelerate: pip install -r training/requirements.txt") from error
    # Buffers are constants here, and with a feature a frame the talker's queries have no gradient (AlignedAttention).
    gradients = DistributedDataParallelKwargs(broadcast_buffers=False, find_unused_parameters=True)
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=12))  # while one process prepares or evaluates
    cpu = torch.device(device).type == "cpu"
    return Accelerator(cpu=cpu, device_placement=False, kwargs_handlers=[gradients, patience])


def fit(
    model: nn.Module,
    losses: Callable[[Any, int], dict[str, Tensor]],
    draw: Callable[[int], Any],
    out: Path,
    config: LoopConfig,
    evaluate: Callable[[nn.Module], dict[str, Any]] | None = None,
) -> nn.Module:
    """Trains `model` in place from where `out` left off and returns its averaged copy.

    draw(index): the index-th batch, made from this number alone; at a step each process takes the next one.
    losses(batch, step): named terms, already weighted; their sum is minimised. Torch's and numpy's chance is seeded.
    evaluate(averaged): figures for the log, at every save, in one process.
    """
    from accelerate.utils import set_seed

    device = next(model.parameters()).device
    process = open_process(device)
    out.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, config))
    averaged = copy.deepcopy(model).requires_grad_(False)
    parts = {"model": model, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}
    step = logged = _restore(out / CHECKPOINT, parts)

    count = process.num_processes  # batches a step
    order = range(step * count, config.steps * count)
    stream = DataLoader(_Drawn(draw), sampler=order, collate_fn=itemgetter(0), num_workers=config.workers)
    learner, stepper, stream = process.prepare(_Learner(model, losses), optimizer, stream)
    half = config.half and (device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported())
    bar = tqdm(total=config.steps, initial=step, desc=out.name, dynamic_ncols=True, disable=not process.is_main_process)
    sums: Counter[str] = Counter()  # over the steps since the last row
    model.train()
    with bar, open_log(out, step) if process.is_main_process else nullcontext() as write:
        for batch in stream:
            set_seed(_chance(config.seed, step * count + process.process_index))
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                terms = learner(batch, step)
            stepper.zero_grad(set_to_none=True)
            process.backward(sum(terms.values()))
            terms["gradient_norm"] = _finite_norm(step, terms, model)
            process.clip_grad_norm_(model.parameters(), config.clip)
            stepper.step()
            schedule.step()
            _follow(averaged, model, min(config.average, (1 + step) / (10 + step)))
            step += 1
            bar.update()
            sums.update({name: term.detach().float() for name, term in terms.items()})
            saving = step % config.save_every == 0 or step == config.steps
            if saving or step % config.log_every == 0:
                means = process.reduce(torch.stack(list(sums.values())) / (step - logged), "mean")
                row = {"step": step, **{name: _digits(mean) for name, mean in zip(sums, means.tolist())}}
                bar.set_postfix({name: row[name] for name in sums})
                if write:
                    if saving and evaluate:
                        averaged.eval()
                        with torch.no_grad():
                            row |= evaluate(averaged)
                    write(row | {"learning_rate": _digits(schedule.get_last_lr()[0])})
                    if saving:
                        _save(out / CHECKPOINT, parts, step)
                sums, logged = Counter(), step
    return averaged.eval()


class _Drawn(Dataset):
    """`draw` as a data set whose items are whole batches."""

    def __init__(self, draw: Callable[[int], Any]) -> None:
        self.draw = draw

    def __getitem__(self, index: int) -> Any:
        return self.draw(index)


class _Learner(nn.Module):
    """A model whose forward pass is its losses, since it is the forward pass that processes meet around."""

    def __init__(self, model: nn.Module, losses: Callable[[Any, int], dict[str, Tensor]]) -> None:
        super().__init__()
        self.model, self.losses = model, losses

    def forward(self, batch: Any, step: int) -> dict[str, Tensor]:
        return self.losses(batch, step)


def _rate(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - config.warmup) / max(1, config.steps - config.warmup)))


def _chance(seed: int, index: int) -> int:
    """Seeds that have nothing in common from one number to the next."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def _finite_norm(step: int, terms: dict[str, Tensor], model: nn.Module) -> Tensor:
    """Norm of the gradient, (). Raises FloatingPointError where it or a loss isn't finite."""
    gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    norm = torch.nn.utils.get_total_norm(gradients.values())
    if not torch.isfinite(norm + sum(terms.values()).detach()):
        told = ", ".join(f"{name} {term.item():.5g}" for name, term in terms.items())
        spoilt = [name for name, gradient in gradients.items() if not torch.isfinite(gradient).all()]
        first = ", ".join(spoilt[:3]) + (f" and {len(spoilt) - 3} more" if len(spoilt) > 3 else "")
        raise FloatingPointError(f"step {step} has losses {told}, and gradients that are not finite: {first or 'none'}")
    return norm


@torch.no_grad()
def _follow(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    """Parameters are averaged over the steps; what is measured from the data is taken as it is."""
    for old, new in zip(averaged.parameters(), model.parameters()):
        old.lerp_(new, 1.0 - decay)
    measured = dict(model.named_buffers())
    for name, old in averaged.named_buffers():
        old.copy_(measured[name])


def _save(path: Path, parts: dict[str, Any], step: int) -> None:
    model = parts["model"]
    stored = model.state_dict()
    beside = {name: buffer for name, buffer in model.named_buffers() if name not in stored}  # a codebook's averages
    states = {name: part.state_dict() for name, part in parts.items()}
    with whole(path) as temporary, open(temporary, "wb") as file:  # a file that torch opens loses its end silently
        torch.save({"step": step, **states, "beside": beside}, file)


def _restore(path: Path, parts: dict[str, Any]) -> int:
    """Fills the parts with what `_save` wrote, where it did, and returns the step to go on with."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(f"{path} is of another model: give this training other --runs") from error
    model = parts["model"]
    device = next(model.parameters()).device
    for name, buffer in state.get("beside", {}).items():
        owner, _, own = name.rpartition(".")
        if getattr(model.get_submodule(owner), own) is None:  # made by training; the others are constants
            setattr(model.get_submodule(owner), own, buffer.to(device))
    return state["step"]


def _digits(value: float) -> float:
    """Five that count: losses in square metres begin after many zeros."""
    return float(f"{value:.5g}")
