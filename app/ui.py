"""The page: its layout, and which button calls which handler."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from gradio import utils
from starlette.middleware import Middleware

from codetalker.errors import UserError
from codetalker.shelf import ROOT

from .api import OUR_FAULT, add_endpoints
from .door import Door
from .handlers import ADDITIONS, Result, Step, Stopped, Studio
from .health import health_route
from .limits import address_of
from .log import tell
from .sessions import MEGABYTE

STYLESHEET = Path(__file__).parent / "page.css"
EXAMPLES = ROOT / "assets" / "speech"
INTRODUCTION = """# CodeTalker
Give it a voice, get two talking heads: on the left **CodeTalker**, which picks its moves from a learned codebook, on
the right **FaceFormer**, which averages over all the moves that would fit. Same speech, same head: watch the lips."""
DOWNLOADS = {"mp4": "Video (mp4)", "glb": "3D (glb)", "csv": "ARKit (csv)", "npz": "Motion (npz)"}

THREADS = 20  # for what takes a moment, beside one for each job in the line


def build(studio: Studio) -> gr.Blocks:
    """The page on a studio; start it with `launch`."""
    keep = int(studio.settings.keep_seconds)
    cleaning = (min(keep, 600), keep)  # seconds: how often uploads are looked at, and at what age they are removed
    gr.set_static_paths([EXAMPLES])  # served from there, and never cleaned away
    with gr.Blocks(title="CodeTalker", analytics_enabled=False, delete_cache=cleaning) as page:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                speech = gr.Audio(
                    sources=["upload", "microphone"], type="filepath", label="Speech", buttons=[], elem_id="speech"
                )
                examples = sorted(path for path in EXAMPLES.glob("*") if path.suffix in {".wav", ".flac", ".ogg"})
                if examples:
                    labels = [path.stem.replace("_", " ") for path in examples]
                    gr.Examples([[str(path)] for path in examples], [speech], example_labels=labels, label="Or try")
                shelf = studio.shelf
                choices, styles, heads = shelf.choices(), shelf.styles(None), shelf.heads(None)
                weights = gr.Dropdown(
                    choices, value=choices[0][1], label="Weights", visible=len(choices) > 1, elem_id="weights"
                )
                with gr.Row():
                    style = gr.Dropdown(styles, value=styles[0][1], label="Style", scale=3, min_width=220)
                    head = gr.Dropdown(heads, value=next(iter(heads), None), label="Head", scale=2, min_width=110)
                additions = gr.CheckboxGroup(
                    [(words, name) for name, words in ADDITIONS.items()],
                    value=[],
                    label="Add to both heads (drawn by chance, not predicted by the models)",
                    elem_id="additions",
                )
                with gr.Row():
                    start = gr.Button("Make it talk", variant="primary", scale=3, min_width=160, elem_id="start")
                    cancel = gr.Button("Cancel", interactive=False, scale=1, min_width=90, elem_id="cancel")
                status = gr.HTML(elem_id="status")
            with gr.Column(scale=3, min_width=320):
                video = gr.Video(
                    label="CodeTalker and FaceFormer",
                    show_label=False,
                    interactive=False,
                    buttons=[],
                    autoplay=True,
                    elem_id="video",
                )
                words = gr.Markdown(elem_id="words")
                with gr.Row():
                    downloads = [
                        gr.DownloadButton(label, interactive=False, min_width=110, elem_id=f"download-{kind}")
                        for kind, label in DOWNLOADS.items()
                    ]

        def choose(weights: str) -> list:
            """Another bundle: its styles, its heads, and additions where it moves shapes."""
            styles, heads = shelf.styles(weights), shelf.heads(weights)
            return [
                gr.Dropdown(styles, value=styles[0][1]),
                gr.Dropdown(heads, value=next(iter(heads), None)),
                gr.CheckboxGroup(value=[], visible=shelf.entry(weights).space == "arkit"),
            ]

        def generate(
            speech: str | None, style: str, head: str, weights: str, additions: list[str], request: gr.Request
        ) -> Iterator[list]:
            """Speech to the side-by-side video: the video, the report in words, and the files."""
            if speech:
                studio.note_upload(request.session_hash, speech)
            address = address_of(request, studio.settings.behind_proxy)
            nothing_new = [gr.skip()] * (2 + len(downloads))
            message = ""
            try:
                wanted = (speech, style, head, weights, additions)
                for step in studio.generate(request.session_hash, *wanted, address=address):
                    if isinstance(step, Step):
                        yield [progress_bar(step), *working(True), *nothing_new]
                    else:
                        yield ["", *working(False), *shown(step)]
                return
            except Stopped:
                pass
            except UserError as error:
                message = str(error)
            except Exception as error:
                tell("broken", error=error)  # ours to read; the visitor gets no innards
                message = OUR_FAULT
            yield ["", *working(False), *nothing_new]  # first the buttons: nothing can follow the error
            if message:
                raise gr.Error(message, title="That didn't work", print_exception=False)

        def stop(request: gr.Request) -> list:
            studio.stop(request.session_hash)
            return ["Stopped.", *working(False)]

        def leave(request: gr.Request) -> None:
            studio.sessions.close(request.session_hash)

        weights.change(choose, weights, [style, head, additions], api_visibility="private", show_progress="hidden")
        buttons = [start, cancel]
        waiting = start.click(lambda: working(True), None, buttons, queue=False, api_visibility="private")
        job = waiting.then(
            generate,
            [speech, style, head, weights, additions],
            [status, *buttons, video, words, *downloads],
            api_visibility="private",
            show_progress="hidden",  # the status tells the place in the line
            concurrency_limit=None,
        )
        cancel.click(stop, None, [status, *buttons], cancels=[job], queue=False, api_visibility="private")
        page.unload(leave)
        add_endpoints(studio)
    # The line is studio's own: it is fair to addresses. gradio's only hands over.
    return page.queue(max_size=studio.settings.queue_length, api_open=False)


def launch(
    page: gr.Blocks, studio: Studio, host: str, port: int | None, share: bool = False, block: bool = True
) -> str:
    """Serves the page; returns its address. Nothing is fetched from elsewhere: fonts are the system's."""
    theme = gr.themes.Default(
        primary_hue="teal",
        font=["system-ui", "Segoe UI", "Helvetica", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
    settings, files = studio.settings, (Path(utils.get_upload_folder()), ROOT / "assets", ROOT / "app" / "static")
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        share=share,
        prevent_thread_lock=not block,
        quiet=not block,
        show_error=False,  # but for what is raised to be read
        max_threads=settings.queue_length + THREADS,
        max_file_size=settings.upload_megabytes * MEGABYTE,
        app_kwargs={
            "routes": [health_route(studio)],
            "middleware": [Middleware(Door, settings=settings, sessions=studio.sessions, files=files)],
        },
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        theme=theme,
        css_paths=[STYLESHEET],
    )
    return address


def working(busy: bool) -> list:
    """The start and the cancel button, while a job runs and while none does."""
    return [gr.Button(interactive=not busy), gr.Button(interactive=busy)]


def shown(result: Result) -> list:
    """The video, the words, and the download buttons in their order."""
    files = [result.downloads.get(kind) for kind in DOWNLOADS]
    buttons = [gr.DownloadButton(value=file, interactive=True, visible=file is not None) for file in files]
    return [result.video, result.words, *buttons]


def progress_bar(step: Step) -> str:
    percent = round(100 * step.fraction)
    return (
        f'<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-label="{html.escape(step.words)}"><span style="width: {percent}%"></span></div>'
        f"<p>{html.escape(step.words)} … {percent} %</p>"
    )
