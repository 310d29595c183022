# Serves the model with vLLM behind the app. The app has a virtual environment of its own beside vLLM's packages,
# so that neither's pins touch the other's. It holds code only: pods load the version that their release file names.
FROM vllm/vllm-openai:v0.31.0@sha256:c1c9f6fd5c109ba7f0546a59f5b2f15fb87f64c77782e90a27b648b42a8e67c3 AS builder

# With a fixed date, compiled files carry hashes of their sources instead of times.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    SOURCE_DATE_EPOCH=315532800

RUN uv venv --python python3 /opt/venv

# A private index is a build secret: docker build --secret id=PIP_INDEX_URL,env=PIP_INDEX_URL
COPY requirements-serve.txt /tmp/requirements.txt
RUN --mount=type=secret,id=PIP_INDEX_URL,env=UV_DEFAULT_INDEX \
    uv pip install --python /opt/venv/bin/python --requirement /tmp/requirements.txt


FROM vllm/vllm-openai:v0.31.0@sha256:c1c9f6fd5c109ba7f0546a59f5b2f15fb87f64c77782e90a27b648b42a8e67c3

LABEL org.opencontainers.image.title="support-assistant-serve"
LABEL org.opencontainers.image.description="Answers first-line support questions."
LABEL org.opencontainers.image.source="https://github.com/acme/support-assistant"

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
    HF_HOME=/tmp/huggingface \
    VLLM_NO_USAGE_STATS=1
ENV DVC_NO_ANALYTICS=1
ENV MLFLOW_DISABLE_TELEMETRY=true
ENV HF_HUB_DISABLE_TELEMETRY=1

USER 10001:10001
EXPOSE 8000

# No HEALTHCHECK: Kubernetes ignores it, and its probes tell alive from ready.
ENTRYPOINT ["mlops-runtime", "serve"]
