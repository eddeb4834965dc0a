"""Recordings encrypted at rest, where the settings give a key: what is on the disk says nothing.

A sealed file is a header and chunks, each sealed by AES-256-GCM (NIST SP 800-38D) so that a page
can jump into the middle: the nonce is 7 random bytes of the file, the chunk's number in 4, and 1
for the last chunk, as in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): chunks
can be neither left out, cut off nor put elsewhere. Header and place (`<call>/<name>`) are
authenticated with each chunk: one call's recording is not another's.

    header   "SANTRAL1", 8 bytes that name the key, 7 bytes of the nonce, 1 byte 0
    chunk    up to 65,536 bytes and the 16 bytes of its tag
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ivr.errors import BadSetting, ServiceFailed

MAGIC: Final = b"SANTRAL1"
HEADER: Final = struct.Struct(">8s8s7sx")
CHUNK: Final = 65_536  # bytes of what is sealed
TAG: Final = 16
KEY: Final = 32
SEALED: Final = ".sealed"


@dataclass(frozen=True, slots=True)
class Keys:
    """The first key seals; all of them open, so that a key can be followed by a new one."""

    first: bytes
    known: Mapping[bytes, bytes]  # by name

    @classmethod
    def read(cls, text: str) -> Self | None:
        """From the setting: base64 of 32 bytes each, newest first. None for no key at all."""
        found = []
        for number, word in enumerate(text.split(), start=1):
            try:
                key = base64.b64decode(word, validate=True)
            except binascii.Error:
                key = b""
            if len(key) != KEY:
                raise BadSetting(f"SANTRAL_RECORDING_KEYS: key {number} is not base64 of 32 bytes")
            found.append(key)
        return cls(found[0], {name_of(key): key for key in found}) if found else None

    def seal(self, source: Path, target: Path, place: str) -> None:
        """Write `target`, whole or not at all; it is on the disk when this returns."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        cipher = AESGCM(self.first)
        header = HEADER.pack(MAGIC, name_of(self.first), salt := secrets.token_bytes(7))
        draft = target.with_name(target.name + ".new")
        with source.open("rb") as plain, draft.open("wb") as out:
            out.write(header)
            piece, number = plain.read(CHUNK), 0
            while True:
                after = plain.read(CHUNK)
                nonce = _nonce(salt, number, last=not after)
                out.write(cipher.encrypt(nonce, piece, header + place.encode()))
                if not after:
                    break
                piece, number = after, number + 1
            out.flush()
            os.fsync(out.fileno())
        os.chmod(draft, source.stat().st_mode & 0o777)
        os.replace(draft, target)

    def open(self, path: Path, place: str) -> SealedFile:
        """Read it; `ServiceFailed` for one whose key is not known, or that is no such file."""
        with path.open("rb") as file:
            start = file.read(HEADER.size)
        if len(start) < HEADER.size or not start.startswith(MAGIC):
            raise ServiceFailed("this is no sealed recording")
        _, name, salt = HEADER.unpack(start)
        if name not in self.known:
            raise ServiceFailed("the key that this recording was sealed with is not known")
        return SealedFile(path, self.known[name], start + place.encode(), salt)

    def is_newest(self, path: Path) -> bool:
        """Whether it is sealed with the first key."""
        with path.open("rb") as file:
            return file.read(16) == MAGIC + name_of(self.first)


@dataclass(frozen=True, slots=True)
class SealedFile:
    """What is in a sealed file, by ranges of bytes."""

    path: Path
    key: bytes
    about: bytes
    salt: bytes

    @property
    def size(self) -> int:
        """Bytes of what is sealed."""
        sealed = self.path.stat().st_size - HEADER.size
        chunks = -(-sealed // (CHUNK + TAG))
        return max(0, sealed - chunks * TAG)

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Only the chunks that are needed are opened. `ServiceFailed` when it was altered."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        size = self.size
        stop = size if stop is None else min(stop, size)
        last, found = max(0, (size - 1) // CHUNK), []
        cipher = AESGCM(self.key)
        with self.path.open("rb") as file:
            for number in range(start // CHUNK, max(start, stop - 1) // CHUNK + 1):
                file.seek(HEADER.size + number * (CHUNK + TAG))
                piece = file.read(CHUNK + TAG)
                nonce = _nonce(self.salt, number, last=number == last)
                try:
                    found.append(cipher.decrypt(nonce, piece, self.about))
                except InvalidTag:
                    raise ServiceFailed("this recording was altered") from None
        skipped = start // CHUNK * CHUNK
        return b"".join(found)[start - skipped : stop - skipped]


def name_of(key: bytes) -> bytes:
    """By what a file says which key it takes; tells nothing of the key."""
    return hashlib.sha256(b"santral recording key" + key).digest()[:8]


def new_key() -> str:
    """A key as the setting wants it."""
    return base64.b64encode(secrets.token_bytes(KEY)).decode()


def sealed(path: Path) -> Path:
    """Where the sealed form of a file is."""
    return path.with_name(path.name + SEALED)


def _nonce(salt: bytes, number: int, *, last: bool) -> bytes:
    return salt + number.to_bytes(4, "big") + bytes([last])
