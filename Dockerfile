# Convoy in an image: `docker build -t convoy .`, then `docker run --init -p 127.0.0.1:8000:8000 convoy`.
# docs/container.md has the volumes and the traps.
# Behind a mirror: `--build-arg PIP_INDEX_URL=...` (and PIP_CERT=... for its certificate).

# ---- deps: the locked dependencies alone, so that a change of code does not install TensorFlow again
FROM python:3.13-slim-trixie AS deps
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/convoy
COPY requirements/build.txt /tmp/build.txt
# TensorFlow's C++ headers (290 MB) only serve to compile operations of one's own.
RUN /opt/convoy/bin/pip install -q --no-deps --require-hashes --only-binary :all: -r /tmp/build.txt \
 && rm -rf /opt/convoy/lib/python3*/site-packages/tensorflow/include

# ---- package: the wheel, made with the locked build backend and without a network
FROM deps AS package
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY service service
RUN /opt/convoy/bin/pip wheel -q --no-deps --no-index --no-build-isolation --wheel-dir /wheel .

# ---- the image that runs
FROM python:3.13-slim-trixie AS final
# /cache is 1777: a volume made for it can be written under `--user` too.
RUN groupadd --gid 10001 convoy \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin convoy \
 && install -d -o 10001 -g 10001 /models \
 && install -d -o 10001 -g 10001 -m 1777 /cache
COPY --from=deps /opt/convoy /opt/convoy
COPY --from=package /wheel /wheel
RUN /opt/convoy/bin/pip install -q --no-deps --no-index --no-cache-dir /wheel/*.whl
# A fresh container serves the bundled models; a volume made for /models starts as a copy of them.
COPY --chown=10001:10001 models /models

ENV PATH=/opt/convoy/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    CONVOY_HOST=0.0.0.0 \
    CONVOY_MODELS_DIR=/models \
    CONVOY_CACHE_DIR=/cache
USER 10001:10001
WORKDIR /models
VOLUME ["/cache"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# Liveness alone: a model that cannot be built must not have the container restarted.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; ask = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('CONVOY_PORT') or os.environ.get('AIP_HTTP_PORT') or 8000), timeout=4); ask.request('GET', '/healthz'); sys.exit(ask.getresponse().status != 200)"]
ENTRYPOINT ["convoy"]
CMD ["serve"]
