# Caddy as Debian packages it: https in front of the pages, certificates fetched by itself.
ARG BASE=debian:trixie-20260803-slim

FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends caddy ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
      /usr/share/doc /usr/share/man \
 && setcap -r /usr/bin/caddy 2>/dev/null || true; \
    groupadd --gid 10001 proxy-user && useradd --uid 10001 --gid 10001 --no-create-home \
      --home-dir /data proxy-user && mkdir -p /data /config && chown 10001:10001 /data /config
COPY containers/Caddyfile /etc/caddy/Caddyfile
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config HOME=/data
USER 10001:10001
ENTRYPOINT ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
