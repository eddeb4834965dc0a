"""telephony.yaml and the settings become an Asterisk's files; secrets come from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from cti.asterisk.exchange import debian_installation, instance_settings
from cti.asterisk.instance import write_instance
from cti.settings import Settings
from ivr.errors import BadInput, BadSetting, FlowRefused

SECRETS = {
    "SANTRAL_AMI_USER": "santral",
    "SANTRAL_AMI_SECRET": "a" * 20,
    "SANTRAL_AGI_KEY": "b" * 20,
}
FILE = """
phones:
  ayse: {password_file: pass, title: Ayşe, secure: SECURE}
  demo: {password_env: DEMO_PASSWORD, caller: true, number: "05321112233"}
trunks:
  provider: {contact: "sip:sip.provider.example", match: [192.0.2.10], secure: SECURE}
outside:
  - {pattern: _0850XXXXXXX, trunk: provider}
"""


def written(tmp_path: Path, *, secure: bool = False, **more: str) -> dict[str, str]:
    """The files of an instance, by name."""
    (tmp_path / "telephony.yaml").write_text(FILE.replace("SECURE", str(secure).lower()))
    (tmp_path / "pass").write_text("p" * 20 + "\n")
    environment = SECRETS | {"SANTRAL_TELEPHONY": str(tmp_path / "telephony.yaml")} | more
    settings = Settings.from_environment(environment)
    given = {"DEMO_PASSWORD": "d" * 20}
    instance = instance_settings(settings, tmp_path / "asterisk", environment=given)
    write_instance(debian_installation("x86_64"), instance)
    return {path.name: path.read_text() for path in (tmp_path / "asterisk/etc").iterdir()}


def test_phones_trunks_and_numbers_outside_are_written(tmp_path: Path) -> None:
    files = written(tmp_path, SANTRAL_RTP_PORTS="12000-12099", SANTRAL_SIP_PORT="5080")
    assert f"password = {'p' * 20}" in files["pjsip_accounts.conf"]
    assert f"password = {'d' * 20}" in files["pjsip_accounts.conf"]
    assert "match = 192.0.2.10" in files["pjsip_trunks.conf"]
    assert "exten => _0850XXXXXXX,1" in files["extensions.conf"]
    assert "rtpend = 12099" in files["rtp.conf"]
    assert "bind = 127.0.0.1:5080" in files["pjsip.conf"]
    assert "[tls]" not in files["pjsip.conf"]
    assert "external_media_address" not in files["pjsip.conf"]


def test_the_address_outside_a_nat_is_told_to_callers(tmp_path: Path) -> None:
    files = written(
        tmp_path, SANTRAL_EXTERNAL_ADDRESS="198.51.100.7", SANTRAL_LOCAL_NETWORKS="10.0.0.0/8"
    )
    assert "external_media_address = 198.51.100.7" in files["pjsip.conf"]
    assert "local_net = 10.0.0.0/8" in files["pjsip.conf"]


def test_secure_phones_and_trunks_take_tls_and_encrypted_sound(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="takes SIP over TLS"):
        written(tmp_path, secure=True)
    with pytest.raises(BadSetting, match="certificate"):
        written(tmp_path, secure=True, SANTRAL_SIP_TLS_PORT="5061")
    files = written(
        tmp_path, secure=True, SANTRAL_SIP_TLS_PORT="5061",
        SANTRAL_SIP_CERTIFICATE="/etc/cert.pem", SANTRAL_SIP_PRIVATE_KEY="/etc/key.pem",
    )  # fmt: skip
    assert "protocol = tls\nbind = 127.0.0.1:5061" in files["pjsip.conf"]
    assert files["pjsip_accounts.conf"].count("media_encryption = sdes") == 1
    assert files["pjsip_trunks.conf"].count("media_encryption = sdes") == 1


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_a_secret_has_no_default(tmp_path: Path, missing: str) -> None:
    settings = Settings.from_environment({k: v for k, v in SECRETS.items() if k != missing})
    with pytest.raises(BadSetting, match="no default"):
        instance_settings(settings, tmp_path)


def test_what_is_wrong_in_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "telephony.yaml"
    settings = Settings.from_environment(SECRETS | {"SANTRAL_TELEPHONY": str(path)})
    path.write_text("phones:\n  ayse: {pasword: x}\n")
    with pytest.raises(FlowRefused, match=r"yaml:2:.*phones\.ayse\.pasword"):
        instance_settings(settings, tmp_path)
    path.write_text("phones:\n  ayse: {password_file: nowhere}\n")
    with pytest.raises(BadInput, match="phone ayse: nowhere"):
        instance_settings(settings, tmp_path)
    path.write_text("phones:\n  ayse: {password_env: NOT_SET}\n")
    with pytest.raises(BadInput, match="NOT_SET"):
        instance_settings(settings, tmp_path, environment={})


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    given = {"SANTRAL_AMI_SECRET_FILE": str(tmp_path / "secret")}
    assert Settings.from_environment(given).ami_secret.get_secret_value() == "from a file"
    with pytest.raises(BadSetting, match="give one of them"):
        Settings.from_environment(given | {"SANTRAL_AMI_SECRET": "x"})
    with pytest.raises(BadSetting, match="SANTRAL_AMI_SECRET_FILE: /nowhere cannot be read"):
        Settings.from_environment({"SANTRAL_AMI_SECRET_FILE": "/nowhere"})
