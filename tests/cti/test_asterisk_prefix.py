"""Unpacking from a mirror: real apt on a small signed archive of our own, and every refusal."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cti.asterisk.apt import Dependencies
from cti.asterisk.install import ASTERISK, ESPEAK
from cti.asterisk.prefix import Machine, Recipe, unpacked
from cti.asterisk.sources import Source
from ivr.errors import CannotInstall

needs_apt = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg-deb", "gpg"))), reason="there is no apt or gpg here"
)
PROBE = Recipe(
    name="probe",
    title="Probe",
    suite="testing",
    packages=("probe",),
    libraries_of={"probe": "libprobe"},
    version=r"22\.",
    remedy="Install probe by hand.",
)


def quiet(text: str) -> None:
    pass


def fake_machine(root: Path, sources: str, os_release: str = "ID=debian\n") -> Machine:
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text(os_release + "VERSION_CODENAME=bookworm\n")
    (root / "etc/apt/sources.list").write_text(sources)
    return Machine.detect(root)


@dataclass
class Mirror:
    """A Debian archive in a directory, signed with a key that was made for it."""

    root: Path

    @property
    def machine(self) -> Machine:
        source = Source(f"file:{self.root}", ("bookworm",), ("main",), str(self.root / "key.gpg"))
        return Machine("x86_64", "debian", (source,))

    def add(self, name: str, version: str, depends: str = "") -> Path:
        tree = self.root / "build" / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr/bin").mkdir(parents=True)
        (tree / "usr/bin" / name).write_text(f"{name} {version}\n")
        control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
        control += "Maintainer: Nobody <nobody@example>\n"
        control += f"Depends: {depends}\n" if depends else ""
        (tree / "DEBIAN/control").write_text(control + f"Description: {name}\n")
        (self.root / "pool").mkdir(exist_ok=True)
        package = self.root / "pool" / f"{name}_{version.split(':')[-1]}_amd64.deb"
        subprocess.run(["dpkg-deb", "-Zgzip", "-b", tree, package], check=True, capture_output=True)
        shutil.rmtree(tree)
        return package

    def publish(self) -> None:
        """Write the lists and sign them."""
        lists = self.root / "dists/testing/main/binary-amd64"
        lists.mkdir(parents=True, exist_ok=True)
        entries = []
        for package in sorted((self.root / "pool").glob("*.deb")):
            control = subprocess.run(
                ["dpkg-deb", "-f", package], check=True, capture_output=True, text=True
            ).stdout
            data = package.read_bytes()
            entries.append(
                f"{control.strip()}\nFilename: pool/{package.name}\nSize: {len(data)}\n"
                f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
            )
        text = "\n".join(entries)
        (lists / "Packages").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        release = (
            "Suite: testing\nCodename: forky\nComponents: main\nArchitectures: amd64\n"
            "Date: Sun, 01 Nov 2026 00:00:00 UTC\n"
            f"SHA256:\n {digest} {len(text.encode())} main/binary-amd64/Packages\n"
        )
        self.sign(release)

    def sign(self, release: str) -> None:
        target = self.root / "dists/testing/InRelease"
        target.unlink(missing_ok=True)
        home = ["gpg", "--homedir", str(self.root / "gpg"), "--batch", "--quiet"]
        subprocess.run(
            [*home, "--clearsign", "-o", target], input=release, text=True, check=True, timeout=30
        )


@pytest.fixture(scope="module")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gpg home with one key, made once; /tmp keeps its agent's socket short."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    base = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    make = [*base, "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run(
        [*make, "--quick-gen-key", "probe@example", "ed25519", "sign"], check=True, timeout=60
    )
    with (home / "key.gpg").open("wb") as file:
        subprocess.run([*base, "--export"], stdout=file, check=True, timeout=30)
    return home


@pytest.fixture
def mirror(tmp_path: Path, signing_key: Path) -> Mirror:
    root = tmp_path / "mirror"
    root.mkdir()
    (root / "gpg").symlink_to(signing_key)
    shutil.copy(signing_key / "key.gpg", root)
    made = Mirror(root)
    made.add("libprobe-data", "3")
    made.add("libprobe1", "2", "libprobe-data, libc-bin")
    made.add("libother1", "2")
    made.add("probe", "1:22.4-1", "libprobe1 (>= 1), libother1, adduser")
    made.publish()
    return made


@needs_apt
async def test_what_is_wanted_and_what_it_needs_is_unpacked_and_nothing_else(
    mirror: Mirror, tmp_path: Path
) -> None:
    told: list[str] = []
    state = tmp_path / "state"
    prefix = await unpacked(PROBE, state, told.append, machine=mirror.machine)
    assert prefix == state / "probe"
    assert sorted(file.name for file in (prefix / "usr/bin").iterdir()) == [
        "libprobe-data",
        "libprobe1",
        "probe",
    ]
    assert any("downloading 3 packages" in text for text in told)
    assert sorted(path.name for path in state.iterdir()) == ["probe", "probe.lock"]


@needs_apt
async def test_what_was_unpacked_is_kept_until_an_upgrade_is_asked_for(
    mirror: Mirror, tmp_path: Path
) -> None:
    prefix = await unpacked(PROBE, tmp_path, quiet, machine=mirror.machine)
    next((mirror.root / "pool").glob("probe_*")).unlink()
    mirror.add("probe", "1:22.5-1", "libprobe1")
    mirror.publish()
    nothing = replace(mirror.machine, sources=())
    assert await unpacked(PROBE, tmp_path, quiet, machine=nothing) == prefix
    assert (prefix / "usr/bin/probe").read_text() == "probe 1:22.4-1\n"
    await unpacked(PROBE, tmp_path, quiet, upgrade=True, machine=mirror.machine)
    assert (prefix / "usr/bin/probe").read_text() == "probe 1:22.5-1\n"


@needs_apt
async def test_an_upgrade_that_fails_leaves_the_old_one(mirror: Mirror, tmp_path: Path) -> None:
    prefix = await unpacked(PROBE, tmp_path, quiet, machine=mirror.machine)
    shutil.rmtree(mirror.root / "pool")
    with pytest.raises(CannotInstall, match="could not download"):
        await unpacked(PROBE, tmp_path, quiet, upgrade=True, machine=mirror.machine)
    assert (prefix / "usr/bin/probe").exists()


@needs_apt
async def test_a_package_that_was_changed_on_its_way_is_refused(
    mirror: Mirror, tmp_path: Path
) -> None:
    package = mirror.root / "pool/libprobe1_2_amd64.deb"
    data = bytearray(package.read_bytes())
    data[-20] ^= 1
    package.write_bytes(data)
    with pytest.raises(CannotInstall, match="could not download"):
        await unpacked(PROBE, tmp_path / "state", quiet, machine=mirror.machine)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["probe.lock"]


@needs_apt
async def test_a_list_whose_signature_does_not_hold_is_refused(
    mirror: Mirror, tmp_path: Path
) -> None:
    signed = mirror.root / "dists/testing/InRelease"
    signed.write_text(signed.read_text().replace("Codename: forky", "Codename: forged"))
    with pytest.raises(CannotInstall, match=r"cannot be fetched.*Install probe by hand"):
        await unpacked(PROBE, tmp_path / "state", quiet, machine=mirror.machine)


@needs_apt
async def test_an_archive_without_a_signature_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    signed = mirror.root / "dists/testing/InRelease"
    body = signed.read_text().split("\n\n", 1)[1].split("-----BEGIN", 1)[0]
    signed.with_name("Release").write_text(body)
    signed.unlink()
    with pytest.raises(CannotInstall, match="cannot be fetched"):
        await unpacked(PROBE, tmp_path / "state", quiet, machine=mirror.machine)


@needs_apt
async def test_another_major_version_is_refused_by_name(mirror: Mirror, tmp_path: Path) -> None:
    other = replace(PROBE, version=r"23\.")
    with pytest.raises(CannotInstall, match=r"has probe 22\.4-1\. Install probe by hand"):
        await unpacked(other, tmp_path / "state", quiet, machine=mirror.machine)


@needs_apt
async def test_a_wrong_first_guess_of_the_mirror_is_passed_over(
    mirror: Mirror, tmp_path: Path
) -> None:
    wrong = replace(mirror.machine.sources[0], uri=f"file:{tmp_path}/nowhere")
    machine = replace(mirror.machine, sources=(wrong, *mirror.machine.sources))
    prefix = await unpacked(PROBE, tmp_path / "state", quiet, machine=machine)
    assert (prefix / "usr/bin/probe").exists()


@needs_apt
async def test_of_two_runs_at_once_the_second_waits_and_takes_what_the_first_made(
    mirror: Mirror, tmp_path: Path
) -> None:
    told: list[str] = []
    runs = [unpacked(PROBE, tmp_path, told.append, machine=mirror.machine) for _ in range(2)]
    first, second = await asyncio.gather(*runs)
    assert first == second
    assert sum("downloading" in text for text in told) == 1
    assert sum("waiting for another run" in text for text in told) == 1


@needs_apt
async def test_a_run_that_is_cut_off_leaves_nothing_and_the_next_one_works(
    mirror: Mirror, tmp_path: Path
) -> None:
    (tmp_path / ".probe-killed" / "prefix").mkdir(parents=True)
    cut = asyncio.create_task(unpacked(PROBE, tmp_path, quiet, machine=mirror.machine))
    await asyncio.sleep(0.05)
    cut.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut
    assert sorted(path.name for path in tmp_path.glob("*probe*")) == ["probe.lock"]
    assert (await unpacked(PROBE, tmp_path, quiet, machine=mirror.machine) / "usr").is_dir()


@pytest.mark.parametrize("recipe", [ASTERISK, ESPEAK])
async def test_no_apt_says_what_to_install(recipe: Recipe, tmp_path: Path) -> None:
    machine = Machine("x86_64", "fedora", (), has_apt=False)
    with pytest.raises(CannotInstall, match=rf"no apt here\. Install .*\({recipe.packages[0]}\)"):
        await unpacked(recipe, tmp_path, quiet, machine=machine)


@pytest.mark.parametrize("recipe", [ASTERISK, ESPEAK])
async def test_another_processor_says_what_to_install(recipe: Recipe, tmp_path: Path) -> None:
    machine = Machine("riscv64", "debian", ())
    with pytest.raises(CannotInstall, match=r"amd64 and arm64, not for riscv64\. Install "):
        await unpacked(recipe, tmp_path, quiet, machine=machine)


async def test_another_distribution_says_what_to_install(tmp_path: Path) -> None:
    machine = fake_machine(
        tmp_path / "root", "deb http://ubuntu.example/ubuntu bookworm main\n", "ID=ubuntu\n"
    )
    machine = replace(machine, processor="x86_64", has_apt=True)
    with pytest.raises(CannotInstall, match=r"on Debian, not on ubuntu\. Install Asterisk 20"):
        await unpacked(ASTERISK, tmp_path / "state", quiet, machine=machine)


@needs_apt
async def test_no_network_says_so_and_what_to_install(tmp_path: Path) -> None:
    # A port of this machine where nothing listens answers as a network without the mirror does.
    machine = fake_machine(tmp_path / "root", "deb http://127.0.0.1:9/debian bookworm main\n")
    machine = replace(machine, processor="x86_64")
    with pytest.raises(CannotInstall, match=r"cannot be fetched \(.*Could not connect.*Install "):
        await unpacked(ASTERISK, tmp_path / "state", quiet, machine=machine)


def test_dependencies_are_read_from_apt_cache_and_only_libraries_are_followed() -> None:
    found = Dependencies.parse(
        "asterisk\n  Depends: adduser\n |Depends: libone1\n  Depends: <virtual>\n"
        "  Depends: libone1-alt\nlibone1\n  Depends: libtwo2\n  Depends: libc-bin\n"
        "libtwo2\n  Depends: libone1\n  Depends: zlib1g\n"
    )
    assert found.needs["asterisk"] == ("adduser", "libone1", "<virtual>", "libone1-alt")
    assert found.closure(["libone1"]) == ["libone1", "libtwo2", "zlib1g"]
    assert found.closure(["libone1"], without={"libtwo2"}) == ["libone1"]
