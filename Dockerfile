# The dashboard with the distribution's bpftrace. How to run it, and with which rights: docs/container.md
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev python3-dev python3-pip python3-setuptools python3-venv python3-wheel \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements/run.txt requirements/run.txt
# Every dependency by its hash. An index of your own: --secret id=pip,src=/etc/pip.conf
RUN --mount=type=secret,id=pip,target=/etc/pip.conf,required=false \
    python3 -m venv /opt/probescope \
 && /opt/probescope/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements/run.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY app app
COPY static static
COPY templates templates
# Built by Debian's setuptools, so that nothing without a hash is fetched.
RUN python3 -m pip wheel --no-index --no-build-isolation --no-deps --wheel-dir /wheels . \
 && /opt/probescope/bin/pip install --no-cache-dir --no-index --no-deps /wheels/*.whl \
 && /opt/probescope/bin/python -I -c "from app.elf.native import missing; assert not missing(), missing()" \
 && /opt/probescope/bin/python -m compileall -q /opt/probescope/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="Probescope" \
      org.opencontainers.image.description="Explore the symbols and probes of ELF files, and trace user processes with them, from a browser." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && apt-get install -y --no-install-recommends bpftrace python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/probescope /opt/probescope
ENV PATH=/opt/probescope/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PROBESCOPE_DATA=/data \
    PROBESCOPE_DEBUGINFOD_CACHE=/data/debuginfod \
    PROBESCOPE_FREE_SCRIPTS=0
VOLUME /data
EXPOSE 8340
# bpftrace asks for uid 0: least privilege is a matter of capabilities here, not of another user.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python3", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('PROBESCOPE_PORT', '8340')}/healthz\", timeout=4).close()"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["probescope", "serve", "--host", "0.0.0.0"]
