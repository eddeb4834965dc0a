"""Which Debian mirror this machine's apt is set to, read from its sources; pure.

Both forms are read: one-line `.list` files and deb822 `.sources` files (sources.list(5)). Only
archives of the distribution itself count: those with the release's own code name and `main`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ALIASES = frozenset({"oldoldstable", "oldstable", "stable", "testing", "unstable", "sid"})
_OWN_KEYRING = re.compile(r"(debian|ubuntu)-archive")
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>\S.*)")


@dataclass(frozen=True, slots=True)
class Source:
    """One archive: where it is, the suites and components used, and the key that must sign it.

    `signed_by` is a keyring's path, fingerprints, or a whole key block; empty when apt's own set of
    trusted keys decides.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""

    def stanza(self, suite: str, *, keyring: str = "") -> str:
        """The deb822 text that asks apt for one suite; `keyring` where the source names no key."""
        signed_by = self.signed_by or keyring
        lines = [
            "Types: deb",
            f"URIs: {self.uri}",
            f"Suites: {suite}",
            f"Components: {' '.join(self.components)}",
        ]
        if signed_by:
            lines.append(f"Signed-By: {signed_by}")
        return "\n".join(lines) + "\n"


def parse(name: str, text: str) -> list[Source]:
    """The binary sources in one file; what apt would ignore or what is disabled gives nothing."""
    if name.endswith(".sources"):
        return [source for block in _paragraphs(text) for source in _from_deb822(block)]
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [source for line in lines if (source := _from_line(line)) is not None]


def candidates(sources: Iterable[Source], codename: str) -> list[Source]:
    """The distribution's own archives among them, the likeliest first, with its own suites only.

    Third parties use the release's code name too, so whatever is signed with the distribution's own
    keyring goes first; a wrong guess costs one failed download.
    """
    found: dict[str, Source] = {}
    for source in sources:
        suites = tuple(name for name in source.suites if name in ALIASES or name == codename)
        if suites and "main" in source.components:
            found.setdefault(source.uri, replace(source, suites=suites))
    return sorted(found.values(), key=lambda source: not _OWN_KEYRING.search(source.signed_by))


def os_release(text: str, name: str) -> str:
    """One value of an os-release(5) text; empty when it is not there."""
    match = re.search(rf"""^{name}=["']?([\w.-]+)""", text, re.MULTILINE)
    return match[1] if match else ""


def _from_line(line: str) -> Source | None:
    match = _ONE_LINE.fullmatch(line)
    if match is None:
        return None
    options = dict(word.partition("=")[::2] for word in (match["options"] or "").split())
    uri, *rest = match["rest"].split()
    return Source(uri, tuple(rest[:1]), tuple(rest[1:]), options.get("signed-by", ""))


def _from_deb822(fields: Mapping[str, str]) -> list[Source]:
    if fields.get("enabled", "yes").strip().lower() in {"no", "false", "0", "off"}:
        return []
    if "deb" not in fields.get("types", "").split():
        return []
    suites = tuple(fields.get("suites", "").split())
    components = tuple(fields.get("components", "").split())
    signed_by = fields.get("signed-by", "").rstrip()
    return [
        Source(uri, suites, components, signed_by) for uri in fields.get("uris", "").split() if uri
    ]


def _paragraphs(text: str) -> Iterable[dict[str, str]]:
    """The fields of each paragraph, names in lower case; continuation lines keep their indent."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t" and last:
            fields[last] += "\n" + line.rstrip()
        elif ":" in line:
            name, _, value = line.partition(":")
            last = name.strip().lower()
            fields[last] = value.strip()
