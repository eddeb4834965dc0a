# Asterisk 22 LTS as Debian's testing suite packages it. Its configuration is no part of the image:
# the service `configure` writes it from asterisk-conf/ into the volume that is mounted here.
ARG BASE=debian:testing-20260803-slim

FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      asterisk asterisk-core-sounds-en-wav asterisk-moh-opsound-wav \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
      /usr/share/doc /usr/share/man /etc/asterisk/*.conf \
 && groupadd --gid 10001 santral \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /srv/asterisk santral \
 && mkdir -p /srv/asterisk /var/lib/santral/prompts /var/lib/santral/announcements \
      /var/lib/santral/recordings \
 && chown -R santral:santral /srv/asterisk /var/lib/santral
COPY containers/asterisk.sh /usr/local/bin/asterisk.sh
WORKDIR /srv/asterisk
USER 10001:10001
ENTRYPOINT ["sh", "/usr/local/bin/asterisk.sh"]
# Foreground, its notices and warnings to the container's log.
CMD ["-f", "-T"]
