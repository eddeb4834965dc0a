"""Digest authentication (RFC 7616, RFC 2617) as SIP uses it (RFC 3261 section 22). Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cti.softphone.sip import unquote

_PAIR = re.compile(r'([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]+)')

_HASHES: dict[str, Callable[[bytes], str]] = {  # best first
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    opaque: str = ""
    qop: str = ""
    stale: bool = False
    proxy: bool = False

    @classmethod
    def parse(cls, value: str, *, proxy: bool = False) -> Challenge | None:
        """None for a scheme, an algorithm or a protection (`auth-int` alone) we do not speak."""
        scheme, _, rest = value.strip().partition(" ")
        said = {name.lower(): unquote(word) for name, word in _PAIR.findall(rest)}
        algorithm = said.get("algorithm", "MD5").upper()
        offered = [word.strip().lower() for word in said.get("qop", "").split(",") if word.strip()]
        if scheme.lower() != "digest" or algorithm not in _HASHES or "nonce" not in said:
            return None
        if offered and "auth" not in offered:
            return None
        return cls(
            realm=said.get("realm", ""),
            nonce=said["nonce"],
            algorithm=algorithm,
            opaque=said.get("opaque", ""),
            qop="auth" if offered else "",
            stale=said.get("stale", "").lower() == "true",
            proxy=proxy,
        )


def best(challenges: Sequence[Challenge | None]) -> Challenge | None:
    """The challenge with the strongest hash we know; a server lists them in any order."""
    order = list(_HASHES)
    known = [challenge for challenge in challenges if challenge]
    return min(known, key=lambda challenge: order.index(challenge.algorithm), default=None)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are. The password is in no representation of it."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"

    def answer(
        self, challenge: Challenge, method: str, uri: str, *, count: int, cnonce: str
    ) -> tuple[str, str]:
        """The (header name, value) that answers a challenge.

        `count` is how often this nonce was used, from 1 (nc); `cnonce` is our own random text.
        """
        digest = _HASHES[challenge.algorithm]

        def hashed(*parts: str) -> str:
            return digest(":".join(parts).encode())

        secret = hashed(self.user, challenge.realm, self.password)
        what = hashed(method, uri)
        middle = [challenge.nonce]
        if challenge.qop:
            middle += [f"{count:08x}", cnonce, challenge.qop]
        words = {
            "username": _quoted(self.user),
            "realm": _quoted(challenge.realm),
            "nonce": _quoted(challenge.nonce),
            "uri": _quoted(uri),
            "response": _quoted(hashed(secret, *middle, what)),
            "algorithm": challenge.algorithm,
        }
        if challenge.opaque:
            words["opaque"] = _quoted(challenge.opaque)
        if challenge.qop:
            words |= {"qop": challenge.qop, "nc": f"{count:08x}", "cnonce": _quoted(cnonce)}
        name = "Proxy-Authorization" if challenge.proxy else "Authorization"
        return name, "Digest " + ", ".join(f"{name}={word}" for name, word in words.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
