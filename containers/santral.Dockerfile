# syntax-free on purpose: BuildKit's own front end builds it, nothing is fetched to read this file.
# The engine, its web pages and its dialler. Small: no compiler, no pip, no package lists.
ARG BASE=debian:trixie-20260803-slim

FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv ca-certificates
COPY requirements.lock requirements-dev.lock /src/
# `pip` and `ca` are given only where the machine that builds sits behind a mirror of its own
# (containers/mirror.yml); they are mounted for this step and are in no layer. uv installs, as in
# ./santral: pip stumbles over the markers of a lock on kernels whose release is no version.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv /tmp/uv && python3 -m venv --without-pip /opt/santral \
 && grep -A 40 '^uv==' /src/requirements-dev.lock | sed '/[^\\]$/q' >/tmp/uv.lock \
 && /tmp/uv/bin/pip install --quiet --require-hashes -r /tmp/uv.lock \
 && /tmp/uv/bin/uv pip install --quiet --no-cache \
      --native-tls --python /opt/santral/bin/python --require-hashes \
      -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE /src/
COPY ivr /src/ivr
COPY cti /src/cti
COPY scenarios /src/scenarios
COPY sounds /src/sounds
COPY asterisk-conf /src/asterisk-conf
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /tmp/uv/bin/pip wheel --quiet --no-deps --wheel-dir /tmp/wheel /src \
 && /tmp/uv/bin/uv pip install --quiet --no-cache --offline --no-deps \
      --python /opt/santral/bin/python /tmp/wheel/*.whl \
 && test -d /opt/santral/lib/python3*/site-packages/cti/web/bundle \
 && find /opt/santral -depth \( -name tests -o -name test \) -type d -path '*/site-packages/*' \
      ! -path '*/cti/*' ! -path '*/ivr/*' -exec rm -rf {} + \
 && find /opt/santral -name '*.pyi' -delete \
 && /opt/santral/bin/python -m compileall -q -j 0 /opt/santral/lib

FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      python3 espeak-ng tzdata ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
 && groupadd --gid 10001 santral \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/santral santral \
 && mkdir -p /var/lib/santral/prompts /var/lib/santral/announcements \
      /var/lib/santral/recordings /srv/asterisk \
 && chown -R santral:santral /var/lib/santral /srv/asterisk
COPY --from=build /opt/santral /opt/santral
ENV PATH=/opt/santral/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/santral SANTRAL_STATE=/var/lib/santral
WORKDIR /var/lib/santral
USER 10001:10001
ENTRYPOINT ["santral"]
CMD ["engine"]
