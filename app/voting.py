"""The blind test on the page: a pair, two questions, and what everybody has answered so far."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from codetalker.errors import UserError

from .handlers import Studio
from .limits import address_of
from .pairs import SIDES, Pair, Pairs, Subject
from .parts import progress_bar, watched
from .steps import Step
from .votes import QUESTIONS, Preference, Votes
from .words import language_of, say


class Voting:
    """A tab. speech, style, head, weights: the components of what the visitor chose elsewhere"""

    def __init__(self, studio: Studio, translated: gr.I18n, chosen: list[gr.components.Component]) -> None:
        self.studio = studio
        self.pairs = Pairs(studio, Votes(studio.settings.votes))
        gr.Markdown(translated("vote_introduction"))
        with gr.Row():
            self.whose = gr.Radio(
                [(translated("vote_ours"), "ours"), (translated("vote_mine"), "mine")],
                value="ours",
                label=translated("vote_whose"),
                elem_id="whose",
            )
            self.ask = gr.Button(translated("vote_show"), variant="primary", elem_id="ask")
        self.status = gr.HTML(elem_id="vote-status")
        self.token = gr.State("")
        self.judged = gr.State(frozenset())
        with gr.Column(visible=False) as self.ballot:
            self.video = gr.Video(
                label="A, B", show_label=False, interactive=False, buttons=[], autoplay=True, loop=True, elem_id="pair"
            )
            sides = [(translated(f"vote_{side}"), side) for side in SIDES]
            with gr.Row():
                self.answers = [
                    gr.Radio(sides, label=translated(f"vote_{question}"), elem_id=f"vote-{question}")
                    for question in QUESTIONS
                ]
            self.cast = gr.Button(translated("vote_cast"), variant="primary", elem_id="cast")
        self.told = gr.HTML(elem_id="vote-results")
        self._wire(chosen)

    def _wire(self, chosen: list[gr.components.Component]) -> None:
        self.ask.click(
            self._show,
            [self.whose, self.judged, *chosen],
            [self.status, self.ask, self.ballot, self.video, *self.answers, self.cast, self.token, self.judged],
            api_visibility="private",
            show_progress="hidden",
            concurrency_limit=None,
        )
        self.cast.click(
            self._cast, [self.token, *self.answers], [self.status, self.cast, self.told], api_visibility="private"
        )

    def results(self, request: gr.Request) -> str:
        """For when the page is opened."""
        return table(self.pairs.votes.results(), language_of(request.headers.get("accept-language")))

    def _show(
        self,
        whose: str,
        judged: frozenset[Subject],
        speech: str | None,
        style: str,
        head: str,
        weights: str,
        request: gr.Request,
    ) -> Iterator[list]:
        language, began = language_of(request.headers.get("accept-language")), time.monotonic()
        same = [gr.skip()] * (4 + len(QUESTIONS))

        def steps() -> Iterator[Step | Pair]:
            if whose == "mine" and not speech:
                raise UserError(say(language, "vote_speech"))
            subject = self.pairs.any_of_ours(judged)
            if whose == "mine":
                subject = Subject(Path(speech), style, head, weights)
                self.studio.sessions.note_upload(request.session_hash, Path(speech))
            address = address_of(request, self.studio.settings.behind_proxy)
            yield from self.pairs.show(request.session_hash, address, subject)

        def show(step: Step | Pair) -> list:
            if isinstance(step, Step):
                return [
                    progress_bar(step, time.monotonic() - began, language),
                    gr.Button(interactive=False),
                    *same,
                    gr.skip(),
                ]
            answers = [gr.Radio(value=None) for _ in QUESTIONS]
            ballot = [gr.Column(visible=True), step.video, *answers, gr.Button(interactive=True)]
            return ["", gr.Button(interactive=True), *ballot, step.token, judged | {step.subject}]

        def over() -> list:
            return ["", gr.Button(interactive=True), *same, gr.skip()]

        yield from watched(steps(), show, over, language)

    def _cast(self, token: str, realism: str | None, sync: str | None, request: gr.Request) -> list:
        answers = {"realism": realism, "sync": sync}
        language = language_of(request.headers.get("accept-language"))
        try:
            if not all(side in SIDES for side in answers.values()):
                raise UserError(say(language, "vote_both"))
            pair, counted = self.pairs.cast(token, answers)
        except UserError as error:
            raise gr.Error(str(error), title=say(language, "trouble"), print_exception=False) from None
        words = say(language, "vote_twice")
        if counted:
            words = say(language, "vote_thanks", side=say(language, f"vote_{pair.side_of('talker')}"))
        told = f'<p role="status">{html.escape(words)}</p>'
        return [told, gr.Button(interactive=False), table(self.pairs.votes.results(), language)]


def table(results: dict[str, Preference], language: str) -> str:
    """HTML"""
    if not results:
        return f"<p>{html.escape(say(language, 'vote_none'))}</p>"
    heads = "".join(
        f'<th scope="col">{html.escape(say(language, f"vote_{name}"))}</th>'
        for name in ("question", "votes", "prefers", "interval")
    )
    rows = "".join(
        f'<tr><th scope="row">{html.escape(say(language, f"vote_{question}"))}</th><td>{one.votes}</td>'
        f"<td>{one.share:.1%} ({one.talker})</td><td>{one.low:.1%} – {one.high:.1%}</td></tr>"
        for question, one in results.items()
    )
    caption = html.escape(say(language, "vote_results"))
    return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
