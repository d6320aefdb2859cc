"""What the page does, for programs: named endpoints with plain values in and out, under the page's own limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from codetalker.errors import UserError

from .handlers import Studio
from .limits import address_of
from .log import tell
from .steps import Result, Step, Stopped

OUR_FAULT = "Something broke on this machine, and not because of you. Please try once more."


def add_endpoints(studio: Studio) -> None:
    """Adds /animate, /motion and /styles to the page that is being built; nothing of them is to be seen on it."""

    def animate(
        speech: str | None, style: str, head: str, weights: str, additions: str, seed: float, request: gr.Request
    ) -> Iterator[tuple]:
        """Speech to the side-by-side video of two talking heads: CodeTalker's, and FaceFormer's, its baseline.

        Args:
            speech: a sound file of up to two minutes: wav, flac, ogg, opus, mp3, m4a, aiff, webm
            style: a speaking style of /styles, or a mixture as in "calm:0.7,lively:0.3"; empty for the first
            head: of /styles; empty for the first
            weights: of /styles; empty for the first
            additions: any of blink,gaze,sway,breath, for both heads; empty for none
            seed: another whole number, another take

        Returns:
            the video (mp4), the exports (npz, glb, csv) and a report; on the way there, the report alone, of how far
            it is: {"doing": words, "done": 0 to 1}
        """
        wanted = tuple(name.strip() for name in additions.split(",") if name.strip())
        steps = studio.generate(
            key_of(request),
            speech,
            style or None,
            head or None,
            weights or None,
            wanted,
            int(seed or 0),
            address(request),
        )
        for step in told(note_upload(steps, speech, request)):
            if isinstance(step, Result):
                exports = [str(path) for path in step.downloads.values() if path != step.video]
                yield str(step.video), sorted(exports), step.report
            else:
                yield None, None, in_json(step)

    def motion(
        speech: str | None, style: str, weights: str, model: str, seed: float, request: gr.Request
    ) -> Iterator[tuple]:
        """Speech to a motion file (npz) without a video: ARKit weights and head rotation, or vertices, per frame.

        Args:
            speech: as of /animate
            style: as of /animate
            weights: as of /animate
            model: talker (CodeTalker) or baseline (FaceFormer)
            seed: another whole number, another take

        Returns:
            the motion, and how far it is: {"doing": words, "done": 0 to 1}
        """
        steps = studio.generate_motion(
            key_of(request), speech, style or None, weights or None, model, int(seed or 0), address(request)
        )
        for step in told(note_upload(steps, speech, request)):
            yield (None, in_json(step)) if isinstance(step, Step) else (str(step), {"doing": "done", "done": 1.0})

    def styles() -> dict[str, Any]:
        """What there is to choose from: {weights: {"styles": {name: a few words}, "heads": [names]}}."""
        shelf = studio.shelf
        entries = [shelf.entry(name) for _, name in shelf.choices()]
        return {entry.name: {"styles": entry.styles, "heads": shelf.heads(entry.name)} for entry in entries}

    def note_upload(steps: Iterator, speech: str | None, request: gr.Request) -> Iterator:
        if speech:
            studio.sessions.note_upload(key_of(request), Path(speech))
        yield from steps

    def address(request: gr.Request) -> str:
        return address_of(request, studio.settings.behind_proxy)

    with gr.Column(visible=False):
        speech = gr.Audio(type="filepath", label="speech")
        style, head, weights, additions = (
            gr.Textbox("", label=name) for name in ("style", "head", "weights", "additions")
        )
        model, seed = gr.Textbox("talker", label="model"), gr.Number(0, precision=0, label="seed")
        video, exports = gr.File(label="video"), gr.File(label="exports", file_count="multiple")
        moves, report, choices = gr.File(label="motion"), gr.JSON(label="report"), gr.JSON(label="choices")
        for call, given, made in (
            (animate, [speech, style, head, weights, additions, seed], [video, exports, report]),
            (motion, [speech, style, weights, model, seed], [moves, report]),
            (styles, [], [choices]),
        ):
            gr.Button().click(call, given, made, api_name=call.__name__, concurrency_limit=None)


def key_of(request: gr.Request) -> str:
    """The visitor's; programs that tell none share nothing, as each of their calls has another."""
    return request.session_hash or f"call-{id(request)}"


def told(steps: Iterator) -> Iterator:
    """The same steps; what goes wrong becomes a message for the visitor, without innards."""
    try:
        yield from steps
    except Stopped:
        raise gr.Error("Stopped", print_exception=False) from None
    except UserError as error:
        raise gr.Error(str(error), title="That didn't work", print_exception=False) from None
    except Exception as error:
        tell("broken", error=error)
        raise gr.Error(OUR_FAULT, title="That didn't work", print_exception=False) from None


def in_json(step: Step) -> dict[str, Any]:
    return {"doing": step.words, "done": round(step.fraction, 3)}
