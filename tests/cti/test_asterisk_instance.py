"""What is written for an instance: fresh secrets, private files, and nothing that breaks out."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cti.asterisk import (
    Account,
    Installation,
    InstanceSettings,
    Outside,
    Queue,
    Trunk,
    free_port_range,
    free_ports,
    write_instance,
)
from cti.asterisk.instance import fits_socket, render, templates
from ivr.errors import BadSetting, CannotInstall

MODULES = re.findall(r"^load=(\w+)\.so", (templates() / "modules.conf").read_text(), re.MULTILINE)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """The files by which an installation is judged; nothing here is started."""
    modules = tmp_path / "modules"
    modules.mkdir()
    for name in (*MODULES, "codec_opus_open_source"):
        (modules / f"{name}.so").touch()
    return Installation(("/usr/sbin/asterisk",), (22, 10), modules, tmp_path / "data")


def fresh(tmp_path: Path, **rest: Any) -> InstanceSettings:
    return InstanceSettings.fresh(tmp_path / "instance", **rest)


def section(text: str, name: str) -> str:
    """The lines of one section of a configuration file."""
    return text.split(f"[{name}]", 1)[1].split("\n[", 1)[0]


def test_every_instance_has_secrets_of_its_own_and_they_are_in_its_files(
    tmp_path: Path, installation: Installation
) -> None:
    both = [fresh(tmp_path, accounts=(Account.fresh("demo"),)) for _ in range(2)]
    secrets = [
        secret
        for settings in both
        for secret in (settings.ami_secret, settings.agi_key, settings.accounts[0].password)
    ]
    assert len(set(secrets)) == len(secrets)
    assert all(re.fullmatch(r"[0-9a-f]{40}", secret) for secret in secrets)
    files = render(installation, both[0])
    assert f"secret = {both[0].ami_secret}\n" in files["manager.conf"]
    assert f"SANTRAL_KEY = {both[0].agi_key}\n" in files["extensions.conf"]
    assert f"password = {both[0].accounts[0].password}\n" in files["pjsip_accounts.conf"]


def test_no_template_holds_a_secret_of_its_own() -> None:
    for path in templates().glob("*.conf"):
        for value in re.findall(r"^(?:secret|password)\s*=\s*(.*)$", path.read_text(), re.M):
            assert re.fullmatch(r"\{\{ [\w.]+ \}\}", value), path


def test_secrets_are_not_shown_when_settings_are_printed(tmp_path: Path) -> None:
    settings = fresh(
        tmp_path,
        accounts=(Account.fresh("demo"),),
        trunks=(Trunk("line", "sip:a.example", username="u", password="hunter2hunter2"),),
    )
    shown = repr(settings)
    for secret in (settings.ami_secret, settings.agi_key, settings.accounts[0].password, "hunter2"):
        assert secret not in shown


@pytest.mark.parametrize("short", ["", "changeme"])
def test_a_short_secret_is_refused(tmp_path: Path, short: str) -> None:
    with pytest.raises(BadSetting):
        fresh(tmp_path, ami_secret=short)
    with pytest.raises(BadSetting):
        fresh(tmp_path, agi_key=short)
    with pytest.raises(BadSetting):
        Account("demo", short)


def test_files_and_directories_are_their_owners_alone(
    tmp_path: Path, installation: Installation
) -> None:
    settings = fresh(tmp_path)
    configuration = write_instance(installation, settings)
    assert configuration == settings.etc / "asterisk.conf"
    paths = list(settings.directory.rglob("*"))
    assert {path.name for path in settings.etc.iterdir()} == {
        path.name for path in templates().glob("*.conf")
    }
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_file()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_dir()} == {"0o700"}


def test_everything_listens_on_loopback_only(tmp_path: Path, installation: Installation) -> None:
    files = render(installation, fresh(tmp_path))
    bound = re.findall(
        r"^(?:bind|bindaddr)\s*=\s*(\S+?)(?::\d+)?$", "\n".join(files.values()), re.M
    )
    assert len(bound) == 4
    assert set(bound) == {"127.0.0.1"}


def test_nothing_goes_outside_unless_the_settings_list_it(
    tmp_path: Path, installation: Installation
) -> None:
    closed = render(installation, fresh(tmp_path))["extensions.conf"]
    assert "exten" not in section(closed, "santral-outside")
    rule = Outside("_0850XXXXXXX", "line", strip=1, prefix="+90")
    settings = fresh(tmp_path, trunks=(Trunk("line", "sip:a.example"),), outside=(rule,))
    files = render(installation, settings)
    opened = section(files["extensions.conf"], "santral-outside")
    assert "exten => _0850XXXXXXX,1," in opened
    assert "Dial(PJSIP/+90${EXTEN:1}@line," in opened
    assert "contact = sip:a.example\n" in files["pjsip_trunks.conf"]


def test_the_trunk_example_is_off(tmp_path: Path, installation: Installation) -> None:
    text = render(installation, fresh(tmp_path))["pjsip_trunks.conf"]
    assert "type = endpoint" in text
    assert all(line.startswith(";") for line in text.splitlines() if line.strip())


def test_accounts_are_phones_of_the_desk_pages_or_callers(
    tmp_path: Path, installation: Installation
) -> None:
    accounts = (
        Account.fresh("ayse", kind="web", title="Ayşe Yılmaz"),
        Account.fresh("demo", context="santral-inbound", contacts=5),
    )
    text = render(installation, fresh(tmp_path, accounts=accounts))["pjsip_accounts.conf"]
    assert "[ayse](web-phone)\ncontext = santral-desk\n" in text
    assert 'callerid = "Ayşe Yılmaz" <ayse>\ndevice_state_busy_at = 1\n' in text
    assert "[demo](phone)\ncontext = santral-inbound\n" in text
    assert "max_contacts = 5\n" in text


def test_the_fallback_queue_is_always_there(tmp_path: Path, installation: Installation) -> None:
    text = render(installation, fresh(tmp_path, fallback_members=("PJSIP/ayse",)))["queues.conf"]
    assert "member =>" not in section(text, "support")
    assert "member => PJSIP/ayse\n" in section(text, "santral-fallback")
    own = fresh(tmp_path, queues=(Queue("santral-fallback", ring=7),))
    text = render(installation, own)["queues.conf"]
    assert "timeout = 7\n" in section(text, "santral-fallback")
    assert text.count("](santral-queue)") == 1


def test_each_language_has_a_recogniser_entry_when_there_is_a_recogniser(
    tmp_path: Path, installation: Installation
) -> None:
    assert "type = client" not in render(installation, fresh(tmp_path))["aeap.conf"]
    text = render(installation, fresh(tmp_path, speech_url="ws://127.0.0.1:9099/aeap"))["aeap.conf"]
    assert "url = ws://127.0.0.1:9099/aeap\n" in section(text, "santral-tr")
    assert "@language = en\n" in section(text, "santral-en")


def test_extra_text_goes_to_the_end_of_a_file_that_exists(
    tmp_path: Path, installation: Installation
) -> None:
    settings = fresh(tmp_path, extra={"extensions.conf": "[bench]\nexten => s,1,Answer()"})
    text = render(installation, settings)["extensions.conf"]
    assert text.endswith("\n[bench]\nexten => s,1,Answer()\n")
    with pytest.raises(BadSetting, match=r"extension\.conf"):
        render(installation, replace(settings, extra={"extension.conf": "x"}))


@pytest.mark.parametrize("value", ["agi://x\nexten => 1,1,System(id)", "agi://x;y", "\x00"])
def test_a_value_that_would_end_its_line_is_refused(
    tmp_path: Path, installation: Installation, value: str
) -> None:
    with pytest.raises(BadSetting, match="cannot be written"):
        render(installation, fresh(tmp_path, agi_url=value))


@pytest.mark.parametrize("name", ["a b", "x]\n[y", "ü", "", "-x", "a" * 64])
def test_names_are_letters_digits_dash_and_underscore(name: str) -> None:
    for make in (Account.fresh, Queue, lambda text: Trunk(text, "sip:a.example")):
        with pytest.raises(BadSetting):
            make(name)


@pytest.mark.parametrize("pattern", ["_X,1,System(id)", "_X ", "abc", ""])
def test_a_pattern_of_outside_numbers_is_no_dialplan(pattern: str) -> None:
    with pytest.raises(BadSetting):
        Outside(pattern, "line")


def test_a_directory_the_dialplan_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="directory of this name"):
        InstanceSettings.fresh(tmp_path / "a&b")


def test_an_installation_without_a_needed_module_is_refused_by_name(
    tmp_path: Path, installation: Installation
) -> None:
    (installation.modules / "app_queue.so").unlink()
    with pytest.raises(CannotInstall, match=r"lacks modules: app_queue\. Install"):
        write_instance(installation, fresh(tmp_path))
    assert not (tmp_path / "instance/etc/manager.conf").exists()


def test_opus_is_offered_only_where_asterisk_can_transcode_it(
    tmp_path: Path, installation: Installation
) -> None:
    assert "allow = ulaw,alaw,opus\n" in render(installation, fresh(tmp_path))["pjsip.conf"]
    (installation.modules / "codec_opus_open_source.so").unlink()
    files = render(installation, fresh(tmp_path))
    assert "opus\n" not in files["pjsip.conf"]
    assert "codec_opus" not in files["modules.conf"]


def test_waiting_callers_hear_ringing_where_there_is_no_music(
    tmp_path: Path, installation: Installation
) -> None:
    assert "SANTRAL_HOLD = r\n" in render(installation, fresh(tmp_path))["extensions.conf"]
    music = installation.data / "moh"
    music.mkdir(parents=True)
    (music / "song.wav").touch()
    files = render(installation, fresh(tmp_path))
    assert "SANTRAL_HOLD = \n" in files["extensions.conf"]
    assert f"directory = {music}\n" in files["musiconhold.conf"]


def test_ports_are_distinct_and_free_for_tcp_and_udp() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as bound:
                bound.bind(("127.0.0.1", port))


def test_a_port_that_is_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        free = free_ports(1)[0]
        wanted = iter([port, free])
        monkeypatch.setattr("cti.asterisk.ports._random.randrange", lambda *_: next(wanted))
        assert free_ports(1) == [free]


def test_an_rtp_range_begins_at_an_even_port() -> None:
    first, last = free_port_range(100)
    assert first % 2 == 0
    assert last - first == 99


def test_a_socket_name_that_is_too_long_is_seen() -> None:
    assert fits_socket(Path("/tmp/x"))
    assert not fits_socket(Path("/tmp") / ("x" * 100))


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ((20, 10), "eventfilter = !^Event: PeerStatus"),
        ((20, 11), "eventfilter(action(exclude),name(PeerStatus)) ="),
        ((21, 5), "eventfilter = !^Event: PeerStatus"),
        ((22, 0), "eventfilter = !^Event: PeerStatus"),
        ((22, 10), "eventfilter(action(exclude),name(PeerStatus)) ="),
        ((23, 0), "eventfilter(action(exclude),name(PeerStatus)) ="),
    ],
)
def test_events_nobody_reads_are_kept_back_in_words_this_asterisk_knows(
    tmp_path: Path, installation: Installation, version: tuple[int, int], line: str
) -> None:
    given = replace(installation, version=version)
    files = render(given, fresh(tmp_path))
    assert line in files["manager.conf"].splitlines()
