"""A real Asterisk with a small configuration of its own, for what AMI says and does.

Not the configuration Santral ships (`asterisk-conf/`): a laboratory in which every queue, phone and
extension is there to bring about one thing on the wire. Every port is free and on loopback.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cti.asterisk import Installation, free_port_range, free_ports

USER = "santral"

MODULES = (
    "res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_crypto "
    "res_pjproject res_rtp_asterisk res_pjsip res_pjsip_session res_pjsip_sdp_rtp "
    "res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip res_pjsip_registrar "
    "res_pjsip_authenticator_digest res_pjsip_caller_id res_pjsip_nat res_pjsip_rfc3326 "
    "res_pjsip_acl res_pjsip_header_funcs res_pjsip_dtmf_info res_pjsip_pubsub res_pjsip_refer "
    "res_pjsip_notify res_pjsip_diversion chan_pjsip bridge_builtin_features "
    "bridge_builtin_interval_features bridge_holding bridge_native_rtp bridge_simple "
    "bridge_softmix chan_bridge_media codec_ulaw codec_alaw codec_resample format_pcm "
    "format_wav format_sln res_musiconhold pbx_config app_chanspy app_confbridge app_dial "
    "app_echo app_mixmonitor app_originate app_playback app_playtones app_queue app_read "
    "app_senddtmf app_stack app_userevent app_verbose app_exec app_channelredirect "
    "func_callerid func_channel func_db func_devstate func_global func_hangupcause func_logic "
    "func_math func_strings func_timeout res_manager_devicestate func_uri func_uuid app_while app_if app_softhangup "
)

FILES = {
    "acl": "",
    "aeap": "",
    "amd": "[general]\n",
    "cdr": "[general]\nenable=no\n",
    "cel": "",
    "confbridge": "",
    "features": """[general]
transferdigittimeout=3
atxfernoanswertimeout=15
[featuremap]
atxfer=*2
blindxfer=##
""",
    "http": "[general]\nenabled=no\n",
    "indications": "[general]\ncountry=us\n[us]\nringcadence=2000,4000\ndial=350+440\n"
    "busy=480+620/500,0/500\nring=440+480/2000,0/4000\ncongestion=480+620/250,0/250\n",
    "logger": "[logfiles]\nfull => notice,warning,error,verbose(3)\n",
    "manager": """[general]
enabled=yes
port={manager}
bindaddr=127.0.0.1
displayconnects=no
timestampevents=yes
channelvars=SANTRAL_CALL,LAB_NOTE
[{user}]
secret={secret}
deny=0.0.0.0/0.0.0.0
permit=127.0.0.1/255.255.255.255
read=system,call,agent,user,dtmf,dialplan,reporting
write=system,call,agent,user,config,command,reporting,originate
""",
    "modules": "[modules]\nautoload=no\n{modules}",
    "musiconhold": "[general]\n[default]\nmode=files\ndirectory={home}/moh\n",
    "pjproject": "",
    "pjsip_notify": "[talk]\nEvent=>talk\n",
    "pjsip": """[global]
type=global
endpoint_identifier_order=username,ip
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{sip}
[phone](!)
type=endpoint
context=phones
disallow=all
allow=ulaw
direct_media=no
[aor](!)
type=aor
max_contacts=1
remove_existing=yes
[ayse](phone)
aors=ayse
callerid="Ayşe" <101>
[ayse](aor)
[bora](phone)
aors=bora
callerid="Bora" <102>
[bora](aor)
[musteri](phone)
aors=musteri
context=line
callerid="Müşteri Işık" <05321112233>
[musteri](aor)
[trunk](phone)
aors=trunk
context=line
[trunk](aor)
contact=sip:trunk@127.0.0.1:{trunk}
qualify_frequency=0
""",
    "queuerules": '#tryinclude "santral-queuerules.conf"\n',
    "queues": """[general]
persistentmembers=no
autofill=yes
log_membername_as_agent=yes
#include "santral-queues.conf"
""",
    "santral-queues": """[destek]
strategy=rrmemory
timeout={ring}
retry=1
wrapuptime=1
ringinuse=no
announce-frequency=0
joinempty=yes
setinterfacevar=yes
setqueuevar=yes
setqueueentryvar=yes
context=leave
[satis](destek)
""",
    "rtp": "[general]\nrtpstart={rtp}\nrtpend={rtp_end}\n",
    "udptl": "",
    "extensions": """[globals]
TRANSFER_CONTEXT=xfer
[line]
exten => _X.,1,GotoIf($["${{SANTRAL_CALL}}"!=""]?go)
 same => n,Set(__SANTRAL_CALL=lab-${{EXTEN}}-${{CALLERID(num)}})
 same => n(go),Goto(entry,${{EXTEN}},1)
[entry]
exten => 850,1,Answer()
 same => n,Queue(destek,tTcb(predial^s^1),,,60)
 same => n,UserEvent(SantralQueueLeft,Outcome: ${{QUEUESTATUS}})
 same => n,Hangup()
exten => 851,1,Answer()
 same => n,Echo()
exten => 852,1,Ringing()
 same => n,Wait(30)
exten => 853,1,Answer()
 same => n,Set(LAB_NOTE=çok "satır"\\\\n=x)
 same => n,UserEvent(Santral,Note: Müşteri,Empty: )
 same => n,Wait(30)
exten => 854,1,Answer()
 same => n,Wait(30)
[leave]
exten => 1,1,UserEvent(SantralCallback)
 same => n,Hangup()
[phones]
exten => _X.,1,Goto(xfer,${{EXTEN}},1)
[xfer]
exten => 101,1,Dial(PJSIP/ayse,20)
exten => 102,1,Dial(PJSIP/bora,20)
exten => 5001,1,Answer()
 same => n,Echo()
exten => 5003,1,Ringing()
 same => n,Wait(30)
exten => 9,1,Answer()
 same => n,Wait(30)
[spy]
exten => spy,1,Answer()
 same => n,ChanSpy(${{SPYCHAN}},${{SPYOPT}})
[predial]
exten => s,1,Set(PJSIP_HEADER(add,X-Santral-Call)=${{SANTRAL_CALL}})
 same => n,Return()
""",
}


@dataclass
class Lab:
    """One instance: its directory, its ports, its secret. `ring` is how long an agent rings."""

    home: Path
    installation: Installation
    ring: int = 15
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    process: asyncio.subprocess.Process | None = None

    @property
    def manager(self) -> int:
        return self.ports[0]

    @property
    def sip(self) -> int:
        return self.ports[1]

    @property
    def queues_file(self) -> Path:
        return self.home / "etc" / "santral-queues.conf"

    @property
    def log(self) -> str:
        return (self.home / "log" / "full").read_text(errors="replace")

    def write(self) -> None:
        etc = self.home / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        first, last = free_port_range(100)
        values = {
            "manager": self.manager,
            "sip": self.sip,
            "trunk": self.ports[2],
            "rtp": first,
            "rtp_end": last,
            "user": USER,
            "secret": self.secret,
            "ring": self.ring,
            "home": self.home,
            "modules": "".join(f"load={name}.so\n" for name in MODULES.split()),
        }
        for name, text in FILES.items():
            (etc / f"{name}.conf").write_text(text.format(**values) if "{" in text else text)
        places = {
            "astetcdir": etc,
            "astmoddir": self.installation.modules,
            "astdatadir": self.installation.data,
        }
        for name, place in (
            ("astvarlibdir", "lib"),
            ("astdbdir", "db"),
            ("astkeydir", "keys"),
            ("astspooldir", "spool"),
            ("astrundir", "run"),
            ("astlogdir", "log"),
            ("astcachedir", "cache"),
            ("astagidir", "agi"),
        ):
            places[name] = self.home / place
            places[name].mkdir(exist_ok=True)
        (self.home / "keys/keys").mkdir(exist_ok=True)
        (self.home / "moh").mkdir(exist_ok=True)
        with wave.open(str(self.home / "moh/quiet.wav"), "wb") as quiet:
            quiet.setparams((1, 2, 8000, 0, "NONE", ""))
            quiet.writeframes(bytes(16000))
        lines = "".join(f"{name} => {place}\n" for name, place in places.items())
        (etc / "asterisk.conf").write_text(f"[directories](!)\n[directories]\n{lines}")

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self.installation.program,
            "-C",
            str(self.home / "etc/asterisk.conf"),
            "-f",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(15):
            while not await self._answers():
                await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.manager)
        except OSError:
            return False
        writer.close()
        return True

    async def stop(self, *, kill: bool = False) -> None:
        if self.process and self.process.returncode is None:
            self.process.kill() if kill else self.process.terminate()
            await asyncio.wait_for(self.process.wait(), 15)


@asynccontextmanager
async def lab(home: Path, installation: Installation, *, ring: int = 15) -> AsyncIterator[Lab]:
    """A running Asterisk below `home` that is stopped and removed at the end."""
    made = Lab(home, installation, ring=ring)
    made.write()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        shutil.rmtree(home, ignore_errors=True)
