"""The page: its layout, and which button calls which handler."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from gradio import utils
from starlette.middleware import Middleware

from codetalker.pipeline import ADDITION_KINDS
from codetalker.shelf import ROOT
from codetalker.tuning import EXPRESSIVENESS, SMOOTHING

from .api import add_endpoints
from .cards import EXAMPLES
from .door import Door
from .handlers import SEEDS, SIZES, Look, Studio
from .health import health_route
from .limits import address_of
from .parts import STAGE, card_pictures, picture_of_lips, progress_bar, talking_head, watched
from .sessions import MEGABYTE
from .sheet import make_sheet
from .stage import Stage
from .steps import Result, Seen, Step
from .telling import figures, in_words
from .voting import Voting
from .words import language_of, say, tables

STYLESHEET = Path(__file__).parent / "page.css"
SCRIPT = f'<script type="module" src="{STAGE}/static/viewer.js"></script>'
DOWNLOADS = ("mp4", "glb", "csv", "npz")
THREADS = 20  # for what takes a moment, beside one for each job in the line
TRANSLATED = gr.I18n(**tables())


def build(studio: Studio) -> gr.Blocks:
    """The page on a studio; start it with `launch`."""
    gr.set_static_paths([EXAMPLES])  # served from there, and never cleaned away
    with gr.Blocks(title="CodeTalker", analytics_enabled=False) as page:
        gr.Markdown(TRANSLATED("introduction"), elem_id="introduction")
        with gr.Tab(TRANSLATED("tab_talk"), id="talk"):
            talk = _Talk(studio)
        with gr.Tab(TRANSLATED("tab_vote"), id="vote"):
            voting = Voting(studio, TRANSLATED, [talk.speech, talk.style, talk.head, talk.weights])
        page.load(voting.results, None, voting.told, api_visibility="private", show_progress="hidden")

        def leave(request: gr.Request) -> None:
            studio.sessions.close(request.session_hash)

        page.unload(leave)
        add_endpoints(studio)
    # What is old is removed by studio.sessions: gradio would take what one who waits in line has sent.
    # The line is studio's own, fair to addresses. gradio's only hands over, and has no length that one could use up.
    return page.queue(max_size=None, api_open=False)


class _Talk:
    """The path from speech to the talking heads."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._ask_for_speech()
        with gr.Row():
            self._ask_for_style()
            self._ask_for_head()
        self._ask_for_more()
        with gr.Row(elem_id="go"):
            self.start = gr.Button(TRANSLATED("start"), variant="primary", size="lg", scale=4, elem_id="start")
            self.cancel = gr.Button(TRANSLATED("cancel"), interactive=False, scale=1, min_width=90, elem_id="cancel")
        self.status = gr.HTML(elem_id="status")
        self._show_results()
        self._wire()

    def _ask_for_speech(self) -> None:
        gr.Markdown(TRANSLATED("step_speech"), elem_classes="step")
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                self.speech = gr.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label=TRANSLATED("speech"),
                    buttons=[],
                    elem_id="speech",
                )
            with gr.Column(scale=2, min_width=280, elem_id="examples"):
                gr.Markdown(TRANSLATED("examples"))
                self.examples = [
                    (example, gr.Button(f"▶ {example.speech.stem.replace('_', ' ')} · {example.style}", size="md"))
                    for example in self.studio.examples()
                ]

    def _ask_for_style(self) -> None:
        styles = self.studio.shelf.styles(None)
        with gr.Column(scale=5, min_width=320):
            gr.Markdown(TRANSLATED("step_style"), elem_classes="step")
            self.style = gr.Radio(
                styles, value=styles[0][1], label=TRANSLATED("style"), show_label=False, elem_id="style"
            )
            with gr.Accordion(TRANSLATED("mixer"), open=False, elem_id="mixer"), gr.Row():
                self.second = gr.Dropdown(
                    self._seconds(styles), value="", label=TRANSLATED("mix_with"), min_width=180, elem_id="second"
                )
                self.share = gr.Slider(
                    0, 100, 50, step=5, label=TRANSLATED("mix_share"), min_width=180, elem_id="share"
                )

    def _ask_for_head(self) -> None:
        heads = self.studio.shelf.heads(None)
        with gr.Column(scale=2, min_width=240):
            gr.Markdown(TRANSLATED("step_head"), elem_classes="step")
            self.head = gr.Radio(
                heads, value=next(iter(heads), None), label=TRANSLATED("head"), show_label=False, elem_id="head"
            )
            self.pictures = gr.HTML(card_pictures(self.studio, self.studio.shelf.entry(None).name), elem_id="cards")

    def _ask_for_more(self) -> None:
        choices, largest = self.studio.shelf.choices(), self.studio.settings.picture_size
        sizes = sorted({size for size in SIZES if size <= largest} | {largest})
        with gr.Accordion(TRANSLATED("advanced"), open=False, elem_id="advanced"):
            with gr.Row():
                self.weights = gr.Dropdown(
                    choices, value=choices[0][1], label=TRANSLATED("weights"), min_width=220, elem_id="weights"
                )
                self.size = gr.Dropdown(sizes, value=largest, label=TRANSLATED("size"), min_width=160)
                self.seed = gr.Number(
                    0,
                    minimum=0,
                    maximum=SEEDS - 1,
                    precision=0,
                    label=TRANSLATED("seed"),
                    min_width=160,
                    elem_id="seed",
                )
            with gr.Row():
                self.expressiveness = gr.Slider(
                    *EXPRESSIVENESS, 1.0, step=0.05, label=TRANSLATED("expressiveness"), min_width=220
                )
                self.smoothing = gr.Slider(*SMOOTHING, 0.0, step=0.01, label=TRANSLATED("smoothing"), min_width=220)
            self.additions = gr.CheckboxGroup(
                [(TRANSLATED(name), name) for name in ADDITION_KINDS],
                value=[],
                label=TRANSLATED("additions"),
                elem_id="additions",
            )
            with gr.Row():
                self.baseline = gr.Checkbox(True, label=TRANSLATED("baseline"), min_width=220, elem_id="baseline")
                self.coloured = gr.Checkbox(False, label=TRANSLATED("own_background"), min_width=220)
                self.background = gr.ColorPicker("#20262b", label=TRANSLATED("background"), min_width=120)

    def _show_results(self) -> None:
        with gr.Column(visible=False, elem_id="results") as self.results:
            with gr.Row(elem_id="screens"):
                with gr.Column(scale=3, min_width=320):
                    self.video = gr.Video(
                        label="CodeTalker, FaceFormer",
                        show_label=False,
                        interactive=False,
                        buttons=[],
                        autoplay=True,
                        elem_id="video",
                    )
                    self.figures = gr.Markdown(elem_id="figures")
                with gr.Column(scale=2, min_width=300):
                    self.viewer = gr.HTML(elem_id="viewer", apply_default_css=False)
            self.lips = gr.HTML(elem_id="lips", apply_default_css=False)
            self.words = gr.Markdown(elem_id="words")
            with gr.Row(elem_id="downloads"):
                self.downloads = [
                    gr.DownloadButton(
                        TRANSLATED(f"download_{kind}"), interactive=False, min_width=110, elem_id=f"download-{kind}"
                    )
                    for kind in DOWNLOADS
                ]
            with gr.Row():
                self.again = gr.Button(TRANSLATED("again"), min_width=140, elem_id="again")
                self.ask_sheet = gr.Button(TRANSLATED("sheet"), min_width=140, elem_id="ask-sheet")
            self.sheet_status = gr.HTML(elem_id="sheet-status")
            self.sheet = gr.Video(
                label=TRANSLATED("sheet"),
                interactive=False,
                buttons=["download"],
                visible=False,
                autoplay=True,
                elem_id="sheet",
            )

    def _wire(self) -> None:
        self.weights.change(
            self._choose,
            self.weights,
            [self.style, self.second, self.head, self.additions, self.expressiveness, self.smoothing, self.pictures],
            api_visibility="private",
            show_progress="hidden",
        )
        private = {"queue": False, "api_visibility": "private"}
        buttons = [self.start, self.cancel]
        begun = self.start.click(lambda: working(True), None, buttons, **private)
        jobs = [self._make(begun)]
        taken = self.again.click(lambda seed: (int(seed or 0) + 1) % SEEDS, self.seed, self.seed, **private)
        jobs.append(self._make(taken))
        for example, button in self.examples:
            given = [str(example.speech), example.style, example.head, "", 0]
            chosen = button.click(
                lambda given=given: given, None, [self.speech, self.style, self.head, self.second, self.seed], **private
            )
            jobs.append(self._make(chosen))
        sheet = self.ask_sheet.click(
            self._make_sheet,
            [self.speech, self.head, self.weights, self.seed],
            [self.sheet_status, self.ask_sheet, self.sheet],
            api_visibility="private",
            show_progress="hidden",
            concurrency_limit=None,
        )
        jobs.append(sheet)
        self.cancel.click(self._stop, None, [self.status, *buttons], cancels=jobs, **private)

    def _make(self, after: gr.events.Dependency) -> gr.events.Dependency:
        choices = [self.speech, self.style, self.second, self.share, self.head, self.weights, self.additions, self.seed]
        shows = [self.baseline, self.size, self.coloured, self.background, self.expressiveness, self.smoothing]
        told = [self.status, self.start, self.cancel]
        made = [self.results, self.video, self.viewer, self.lips, self.figures, self.words]
        return after.then(
            self._generate,
            [*choices, *shows],
            [*told, *made, *self.downloads],
            api_visibility="private",
            show_progress="hidden",  # the status tells the place in the line
            concurrency_limit=None,
        )

    def _seconds(self, styles: list[tuple[str, str]]) -> list[tuple]:
        return [(TRANSLATED("mix_none"), ""), *styles]

    def _choose(self, weights: str) -> list:
        """Another bundle: its styles, its heads, and what can be changed where it moves shapes."""
        shelf = self.studio.shelf
        styles, heads, shapes = shelf.styles(weights), shelf.heads(weights), shelf.entry(weights).space == "arkit"
        return [
            gr.Radio(styles, value=styles[0][1]),
            gr.Dropdown(self._seconds(styles), value=""),
            gr.Radio(heads, value=next(iter(heads), None)),
            gr.CheckboxGroup(value=[], visible=shapes),
            gr.Slider(value=1.0, visible=shapes),
            gr.Slider(value=0.0, visible=shapes),
            card_pictures(self.studio, weights),
        ]

    def _generate(
        self,
        speech: str | None,
        style: str,
        second: str,
        share: float,
        head: str,
        weights: str,
        additions: list[str],
        seed: int,
        baseline: bool,
        size: int,
        coloured: bool,
        background: str,
        expressiveness: float,
        smoothing: float,
        request: gr.Request,
    ) -> Iterator[list]:
        """Speech to the talking heads: in 3D as soon as they move, then the video, what can be told, and the files."""
        studio, language = self.studio, language_of(request.headers.get("accept-language"))
        if speech:
            studio.sessions.note_upload(request.session_hash, Path(speech))
        look = Look(
            baseline, int(size), as_hex(background) if coloured else None, float(expressiveness), float(smoothing)
        )
        mixed = mixture(style, second, share)
        steps = studio.generate(
            request.session_hash,
            speech,
            mixed,
            head,
            weights,
            additions,
            int(seed or 0),
            address_of(request, studio.settings.behind_proxy),
            look,
        )
        screen = _Screen(studio, head, language)
        yield from watched(steps, screen.show, screen.over, language)

    def _make_sheet(
        self, speech: str | None, head: str, weights: str, seed: int, request: gr.Request
    ) -> Iterator[list]:
        language, began = language_of(request.headers.get("accept-language")), time.monotonic()
        address = address_of(request, self.studio.settings.behind_proxy)
        steps = make_sheet(self.studio, request.session_hash, address, speech, head, weights, int(seed or 0))

        def show(step: Step | Path) -> list:
            if isinstance(step, Path):
                return ["", gr.Button(interactive=True), gr.Video(value=step, visible=True)]
            return [progress_bar(step, time.monotonic() - began, language), gr.Button(interactive=False), gr.skip()]

        yield from watched(steps, show, lambda: ["", gr.Button(interactive=True), gr.skip()], language)

    def _stop(self, request: gr.Request) -> list:
        self.studio.stop(request.session_hash)
        return [say(language_of(request.headers.get("accept-language")), "stopped"), *working(False)]


class _Screen:
    """What a job's steps change on the page: the outputs of `_Talk._make`, in their order."""

    def __init__(self, studio: Studio, head: str, language: str) -> None:
        self.studio, self.head, self.language = studio, head, language
        self.seen: Seen | None = None
        self.began = time.monotonic()

    def show(self, step: object) -> list:
        same = [gr.skip()] * (6 + len(DOWNLOADS))  # from the results on
        if isinstance(step, Result):
            return ["", *working(False), *self._shown(step)]
        bar = [progress_bar(step, time.monotonic() - self.began, self.language), *working(True)]
        if not isinstance(step, Seen):
            if step.ahead:
                self.began = time.monotonic()
            return [*bar, *same]
        self.seen = step
        told = "" if step.evidence is None else figures(step.evidence, None, self.language)
        head = talking_head(self.studio, step, self.head, self.language)
        return [*bar, gr.Column(visible=True), None, head, picture_of_lips(step, self.language), told, *same[5:]]

    def _shown(self, result: Result) -> list:
        evidence = self.seen.evidence if self.seen else None
        told = "" if evidence is None else figures(evidence, result, self.language)
        same = [gr.skip(), gr.skip()] if self.seen else ["", ""]
        files = [result.downloads.get(kind) for kind in DOWNLOADS]
        buttons = [gr.DownloadButton(value=file, interactive=True, visible=file is not None) for file in files]
        return [gr.Column(visible=True), result.video, *same, told, in_words(result, self.language), *buttons]

    def over(self) -> list:
        """Nothing came of it."""
        return ["", *working(False), *[gr.skip()] * (6 + len(DOWNLOADS))]


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
            "routes": [health_route(studio), *Stage(studio).routes()],
            "middleware": [Middleware(Door, settings=settings, sessions=studio.sessions, files=files)],
        },
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        theme=theme,
        css_paths=[STYLESHEET],
        head=SCRIPT,
        i18n=TRANSLATED,
    )
    return address


def working(busy: bool) -> list:
    """The start and the cancel button, while a job runs and while none does."""
    return [gr.Button(interactive=not busy), gr.Button(interactive=busy)]


def as_hex(colour: str) -> str:
    """ "#rrggbb" of what the browser's picker gives: that, or "rgba(12.3, 4, 5, 1)"."""
    if not colour.startswith("rgb"):
        return colour
    red, green, blue = (round(float(number)) for number in re.findall(r"[\d.]+", colour)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def mixture(style: str, second: str | None, share: float) -> str:
    """As codetalker.styles reads it. share: of the second, in percent"""
    if not second or second == style or not share:
        return style
    return f"{style}:{1 - share / 100:g},{second}:{share / 100:g}"
