"""Starts the app: `python app.py [--host 127.0.0.1] [--port 7860] [--share no]`; `--help` tells the settings too."""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

from app import memory
from codetalker.errors import UserError


def main() -> int:
    options = read_options()
    files = prepare()
    signal.signal(signal.SIGTERM, leave)
    try:
        serve(options, files)
    except (UserError, OSError) as error:  # OSError: the port is taken
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    return 0


def read_options() -> argparse.Namespace:
    from app.settings import told_settings

    parser = argparse.ArgumentParser(
        description="The page on which speech becomes a talking head.",
        epilog=told_settings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=os.environ.get("GRADIO_SERVER_PORT", "7860"))
    parser.add_argument("--share", choices=["yes", "no"], default="no", help="a public address by gradio.live")
    return parser.parse_args()


def prepare() -> Path:
    """Before gradio is imported: no telemetry, and one folder of this process for all files of the visitors."""
    memory.keep_little()
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    files = Path(tempfile.mkdtemp(prefix="codetalker-")).resolve()
    os.environ["GRADIO_TEMP_DIR"] = str(files)
    atexit.register(shutil.rmtree, files, ignore_errors=True)
    return files


def leave(signum: int, frame: object) -> None:
    """As an exception, so that the visitors' files are removed; a second signal doesn't interrupt that."""
    signal.signal(signum, signal.SIG_IGN)
    sys.exit(0)


def serve(options: argparse.Namespace, files: Path) -> None:
    from app import lending, log, ui
    from app.bundles import Shelf
    from app.handlers import Studio
    from app.sessions import Sessions
    from app.settings import Settings
    from codetalker.render import give_way
    from codetalker.shelf import find_entries

    give_way()
    log.set_up()
    settings = Settings.from_environment()
    # Inside gradio's folder, so that it serves the files where they are instead of copying them.
    sessions = Sessions(settings.keep_seconds, files, files, settings.store_megabytes)
    entries = find_entries(settings.weights, settings.more_weights)
    shelf = Shelf(entries, lending.open_bundle) if lending.is_lent() else Shelf(entries)
    shelf.load(None)
    studio = Studio(settings, shelf, sessions)
    with closing(studio):
        page = ui.build(studio)
        threading.Thread(target=studio.warm_up, name="warm-up", daemon=True).start()
        sessions.keep_sweeping()
        address = ui.launch(page, studio, options.host, options.port, share=options.share == "yes", block=False)
        log.set_up()  # the server has set up its own
        log.tell("ready", device=shelf.device)
        print(f"The page is on {address}", flush=True)
        page.block_thread()


if __name__ == "__main__":
    sys.exit(main())
