# Convoy in an image: `docker build -t convoy .`, then `docker run -p 8000:8000 convoy`.
# Behind a mirror: `--build-arg PIP_INDEX_URL=...` (and PIP_CERT=... for its certificate).

# ---- deps: the locked dependencies alone, so that a change of code does not install TensorFlow again
FROM python:3.13-slim-trixie AS deps
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/convoy
COPY requirements/build.txt /tmp/build.txt
RUN /opt/convoy/bin/pip install -q --no-deps --require-hashes --only-binary :all: -r /tmp/build.txt

# ---- package: the wheel, made with the locked build backend and without a network
FROM deps AS package
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY service service
RUN /opt/convoy/bin/pip wheel -q --no-deps --no-index --no-build-isolation --wheel-dir /wheel .

# ---- the image that runs
FROM python:3.13-slim-trixie AS final
RUN groupadd --gid 10001 convoy \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin convoy \
 && install -d -o 10001 -g 10001 /models /cache
COPY --from=deps /opt/convoy /opt/convoy
COPY --from=package /wheel /wheel
RUN /opt/convoy/bin/pip install -q --no-deps --no-index --no-cache-dir /wheel/*.whl
# A fresh container serves the bundled models; a volume made for /models starts as a copy of them.
COPY --chown=10001:10001 models /models

ENV PATH=/opt/convoy/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    CONVOY_HOST=0.0.0.0 \
    CONVOY_PORT=8000 \
    CONVOY_MODELS_DIR=/models \
    CONVOY_CACHE_DIR=/cache
USER 10001:10001
WORKDIR /models
VOLUME ["/cache"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# The proxy variables of the environment are left out: this asks the container itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os; from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:' + os.environ['CONVOY_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["convoy"]
CMD ["serve"]
