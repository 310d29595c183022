# Runs the stages of the pipeline. The torch wheel brings its own CUDA libraries and the node its driver,
# so a GPU needs no other base than this.
FROM python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba AS builder

# With a fixed date, compiled files carry hashes of their sources instead of times.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_REQUIRE_VIRTUALENV=1 \
    SOURCE_DATE_EPOCH=315532800

RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

# A private index is a build secret: docker build --secret id=PIP_INDEX_URL,env=PIP_INDEX_URL
COPY requirements.txt /tmp/requirements.txt
RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL \
    pip install --requirement /tmp/requirements.txt


FROM python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba

LABEL org.opencontainers.image.title="loop-train"
LABEL org.opencontainers.image.description="Answers questions about the Python standard library, badly; trained in a minute."
LABEL org.opencontainers.image.source="https://github.com/acme/loop"

RUN groupadd --gid 10001 app \
 && useradd --uid 10001 --gid app --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app

COPY --from=builder /opt/venv /opt/venv
COPY . /app
WORKDIR /app

# Caches below /tmp, so that the root may be read-only.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    HF_HOME=/tmp/huggingface
ENV DVC_NO_ANALYTICS=1
ENV MLFLOW_DISABLE_TELEMETRY=true
ENV HF_HUB_DISABLE_TELEMETRY=1

USER 10001:10001

ENTRYPOINT ["mlops-runtime"]
CMD ["train"]
