# docker build -t codetalker . && docker run --rm --shm-size 128m -p 7860:7860 codetalker
# Settings: docker run -e CODETALKER_LIMIT_SECONDS=60 ...; `docker run --rm codetalker python app.py --help` lists them.
# Shared memory holds six pictures on their way to ffmpeg: 13 MB at 512 pixels, 58 at 1080, and docker gives 64.
FROM python:3.12-slim-bookworm

# What packages.txt names is installed here and by Spaces alike.
COPY packages.txt /tmp/packages.txt
RUN apt-get update \
    && xargs -a /tmp/packages.txt apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /tmp/packages.txt

# With https://download.pytorch.org/whl/cu130 instead, torch comes with CUDA: run with --gpus all then.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -r requirements.txt

# A number, so that a host can see that it isn't root's; it owns nothing but its home.
RUN useradd --uid 1000 --create-home visitor
COPY app.py LICENSE README.md ./
COPY app app
COPY assets assets
COPY codetalker codetalker
COPY weights weights
RUN python -m compileall -q app codetalker

USER 1000
ENV HOME=/home/visitor \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CODETALKER_VOTES=/home/visitor/votes.sqlite
EXPOSE 7860
# 503 while it warms up, and where a job hangs.
HEALTHCHECK --interval=30s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["python", "app.py"]
