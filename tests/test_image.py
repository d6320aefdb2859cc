"""How it is hosted: what the Space is told, what the Dockerfile says, and that the image holds what the app needs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from codetalker.shelf import ROOT


def read_dockerfile() -> list[tuple[str, str]]:
    """(instruction, its words), continued lines joined"""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def pinned(package: str) -> str:
    (line,) = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith(f"{package}==")]
    return line.split("==")[1]


def test_the_space_is_described():
    _, told, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    told = yaml.safe_load(told)
    assert told["sdk"] == "gradio" and told["sdk_version"] == pinned("gradio")
    assert tuple(map(int, told["sdk_version"].split("."))) >= (6, 20)  # those before have known holes
    assert (ROOT / told["app_file"]).is_file() and told["license"] == "mit"
    assert told["python_version"] == "3.12"  # what ZeroGPU has, and requirements.txt can be installed on
    packages = (ROOT / "packages.txt").read_text().split()
    assert "ffmpeg" in packages and all(re.fullmatch(r"[a-z0-9.+-]+", name) for name in packages)


def test_the_dockerfile_says_what_it_should():
    lines = read_dockerfile()
    assert {kind for kind, _ in lines} <= set(
        "FROM COPY RUN ARG WORKDIR USER ENV EXPOSE HEALTHCHECK STOPSIGNAL CMD".split()
    )
    (base,) = [words for kind, words in lines if kind == "FROM"]
    assert base.startswith("python:3.12-slim-")
    runs = " ".join(words for kind, words in lines if kind == "RUN")
    assert "xargs -a /tmp/packages.txt apt-get install" in runs and "-r requirements.txt" in runs
    kinds = [kind for kind, _ in lines]
    (user,) = [words for kind, words in lines if kind == "USER"]
    assert user == "1000" and "--uid 1000" in runs and "RUN" not in kinds[kinds.index("USER") :]
    (health,) = [words for kind, words in lines if kind == "HEALTHCHECK"]
    probe = json.loads(health[health.index("[") :])
    compile(probe[2], "probe", "exec")
    (settings,) = [words for kind, words in lines if kind == "ENV"]
    port = dict(part.split("=") for part in settings.split())["GRADIO_SERVER_PORT"]
    assert f"127.0.0.1:{port}/healthz" in probe[2] and ("EXPOSE", port) in lines
    assert lines[-1][0] == "CMD" and json.loads(lines[-1][1]) == ["python", "app.py"]


def test_the_image_holds_what_the_app_needs(tmp_path):
    """Its files alone, as the Dockerfile copies them: the app is put together, the weights load, the help is told."""
    ignored = set((ROOT / ".dockerignore").read_text().split())
    for kind, words in read_dockerfile():
        if kind == "COPY" and not words.startswith("packages.txt"):
            *sources, target = words.split()
            for source in sources:
                assert (ROOT / source).exists() and source not in ignored
                if (ROOT / source).is_dir():
                    assert target == source
                    left_out = shutil.ignore_patterns("__pycache__") if source != "weights" else only_the_open_ones
                    shutil.copytree(ROOT / source, tmp_path / target, ignore=left_out)
                else:
                    assert target == "./"
                    shutil.copy(ROOT / source, tmp_path)
    assert {"weights/*", "!weights/open"} <= ignored
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(tmp_path / "files")}
    code = """
from pathlib import Path
import app, codetalker
from app import ui
from app.bundles import Shelf
from app.handlers import Studio
from app.sessions import Sessions
from app.settings import Settings
from codetalker.shelf import find_entries
settings = Settings()
shelf = Shelf(find_entries(settings.weights, settings.more_weights))
bundle = shelf.load(None)
page = ui.build(Studio(settings, shelf, Sessions(60, Path("."))))
print(len(page.fns) > 5, bundle.name, shelf.heads(None)[0], Path(codetalker.__file__).parent.parent == Path.cwd())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split()[::3] == ["True", "True"], done.stderr


def only_the_open_ones(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder) == ROOT / "weights" and name not in ("open", "README.md")]
