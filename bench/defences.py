"""The threat model: each threat, what stops it, and the test that fails when that is taken away.

`santral bench defences` takes each defence away, in a copy of the sources, and runs its test: one
that still passes is no test of it. docs/threat-model.md is made of this table (`--write`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cti.settings import CHECKOUT

PAGE: Final = CHECKOUT / "docs/threat-model.md"
LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv", ".santral", "__pycache__", ".*_cache")


@dataclass(frozen=True, slots=True)
class Defence:
    """`old` in `file` becomes `new` where the defence is taken away; `test` has to fail then."""

    who: str
    threat: str
    defence: str
    file: str
    old: str
    new: str
    test: str


A: Final = "tests/ivr/agi/test_server.py::"
E: Final = "tests/ivr/test_expressions.py::"
W: Final = "tests/cti/web/"
D: Final = "tests/e2e/test_dialplan.py::"
H: Final = "tests/cti/services/test_http.py::"
DEFENCES: Final = (
    Defence(
        "network", "A scanner looks for extensions, or calls without an account",
        "Nobody is let in without an account; unknown names are asked for a password like others",
        "asterisk-conf/pjsip_accounts.conf", "auth = {{ account.name }}-auth\n", "",
        D + "test_a_scanner_learns_nothing",
    ),
    Defence(
        "callers", "Toll fraud: a caller or a stolen phone dials a paid number outside",
        "No context reaches outside but by patterns that the installation lists, one by one",
        "asterisk-conf/extensions.conf", "[santral-outside]\n",
        "[santral-outside]\nexten => _X.,1,Dial(PJSIP/${EXTEN}@provider)\n",
        "tests/cti/test_asterisk_instance.py::test_nothing_goes_outside_unless_the_settings_list_it",
    ),
    Defence(
        "callers", "What is dialled, or a caller's name, is read as dialplan",
        "What goes into the dialplan is filtered to plain characters first",
        "asterisk-conf/extensions.conf", "SANTRAL_DIALLED=${EXTEN})",
        "SANTRAL_DIALLED=${EVAL(${EXTEN})})",
        D + "test_what_is_dialled_is_never_evaluated",
    ),
    Defence(
        "network", "A stranger plays Asterisk to the engine (AGI)",
        "Every entry carries a key that Asterisk and the engine share, compared in constant time",
        "ivr/agi/server.py", "if self._key and not hmac", "if False and not hmac",
        A + "test_the_shared_key",
    ),
    Defence(
        "network", "A client connects and says nothing, to hold what callers need",
        "A header that does not come in time closes the line",
        "ivr/agi/server.py", "self._header_deadline, self._header_overdue, connection",
        "3600, self._header_overdue, connection",
        A + "test_a_client_that_falls_silent_is_closed",
    ),
    Defence(
        "agents", "A value from a page becomes a second Manager action",
        "Line breaks never reach the wire",
        "cti/ami/framing.py", "if _BREAKS.search(value):", "if False:",
        "tests/cti/ami/test_framing.py::test_a_line_break_in_a_value_is_refused",
    ),
    Defence(
        "flow editors", "An expression calls functions, loops, or imports",
        "Only the nodes of our own small language are read; everything else is refused at load",
        "ivr/expressions.py", "if not isinstance(node, ALLOWED):", "if False:",
        E + "test_what_is_not_the_language_is_refused_at_load",
    ),
    Defence(
        "flow editors", "An expression climbs from a value to Python's insides",
        "Jinja's immutable sandbox is underneath",
        "ivr/expressions.py", "class Environment(ImmutableSandboxedEnvironment):",
        "class Environment(jinja2.Environment):",
        E + "test_the_sandbox_gives_no_internals_away",
    ),
    Defence(
        "flow editors", "A small expression makes a huge text",
        "Texts and lists are neither multiplied nor formatted, and sums of them are bounded",
        "ivr/expressions.py", "if sizes and (operator", "if False and (operator",
        E + "test_what_fails_on_values_is_an_expression_fault",
    ),
    Defence(
        "flow editors", "A deep or odd expression breaks the parser itself",
        "Whatever Python or Jinja make of it is a refusal; inputs found by fuzzing stay tests",
        "ivr/expressions.py", "    except RecursionError:\n        raise BadInput",
        "    except ZeroDivisionError:\n        raise BadInput",
        E + "test_what_python_itself_cannot_read_is_refused_at_load",
    ),
    Defence(
        "flow editors", "A flow asks hosts that it should not",
        "http steps and webhooks reach listed hosts only",
        "cti/services/outside.py", "if listed and not allowed.host(read):", "if False:",
        H + "test_hosts_that_are_not_listed_are_not_asked",
    ),
    Defence(
        "flow editors", "A listed name leads to an address inside (SSRF)",
        "Private addresses are refused at every connection unless they are listed, too",
        "cti/services/outside.py", "if not allowed.address(host, host):", "if False:",
        H + "test_a_private_address_is_refused_unless_it_is_listed",
    ),
    Defence(
        "network", "Another site's page acts with an agent's session",
        "SameSite cookies, Sec-Fetch-Site, and a CSRF token with whatever changes something",
        "cti/web/session.py", "if needed and not hmac", "if False and not hmac",
        W + "test_session.py",
    ),
    Defence(
        "network", "A cookie is forged or altered",
        "Sessions are signed, and known to the database",
        "cti/accounts/service.py",
        "if not dot or not hmac.compare_digest(signature, self._sign(secret)):",
        "if not dot:",
        W + "test_session.py::test_a_forged_or_altered_cookie_is_no_session",
    ),
    Defence(
        "network", "Passwords are guessed",
        "Waits that grow, by login and address; one who guesses cannot lock an agent out",
        "cti/accounts/lockout.py", "waits = [tries.until - now if tries else 0.0]", "waits = [0.0]",
        W + "test_session.py::test_a_hundred_wrong_passwords_are_refused_logged_and_change_nothing",
    ),
    Defence(
        "agents", "An agent does what only a supervisor may",
        "Every route names its scope, or the app does not start; a scope is asked for every time",
        "cti/web/auth.py", "if not who.may(scope):", "if False:",
        W + "test_desk.py::test_what_an_agent_may_not_do",
    ),
    Defence(
        "callers", "A caller's name carries markup into an agent's page",
        "Names are data; a strict Content-Security-Policy without inline script is on every answer",
        "cti/web/app.py", "app.on_response_prepare.append(protect)", "pass",
        W + "test_app.py::test_every_answer_carries_the_security_headers",
    ),
    Defence(
        "shops", "Somebody reads the metrics, or why the engine is not ready, through the proxy",
        "Both are for this machine and listed networks, never for what a proxy passes on",
        "cti/web/health.py", "if any(name in request.headers for name in PASSED_ON):", "if False:",
        W + "test_health.py::test_what_a_proxy_passes_on_learns_nothing",
    ),
    Defence(
        "callers", "A card number or password that a caller keys is kept somewhere",
        "A secret answer is journalled without its value, and so is what is made of it",
        "ivr/conversation.py", "shown = None if secret else value", "shown = value",
        "tests/ivr/test_engine.py::test_a_secret_answer_and_what_is_made_from_it_reach_no_event",
    ),
    Defence(
        "network", "An engine that has no secret yet runs with a default one",
        "Nothing has a default secret; Asterisk's configuration is not written without",
        "cti/asterisk/exchange.py", "if not settings.agi_key.get_secret_value():", "if False:",
        "tests/cti/test_exchange.py::test_a_secret_has_no_default",
    ),
    Defence(
        "network", "Sound is listened to on its way",
        "A secure phone or trunk talks over TLS and SRTP, or not at all",
        "asterisk-conf/pjsip_accounts.conf", "media_encryption = sdes\n", "",
        "tests/cti/test_exchange.py::test_secure_phones_and_trunks_take_tls_and_encrypted_sound",
    ),
    Defence(
        "network", "Bytes that are no protocol hang, crash or fill a parser",
        "Every reader has bounds and refuses; millions of broken inputs, every find a test",
        "ivr/speech/aeap.py", "AttributeError, OverflowError)", "AttributeError)",
        "tests/fuzz/test_fuzz.py::test_what_once_broke_it_does_so_no_more",
    ),
    Defence(
        "network", "The event loop is held, and every caller with it",
        "A watchdog tells where, and ends the process: Asterisk brings the callers to the next one",
        "cti/health/watchdog.py", "if self._ends_after and still > self._ends_after:", "if False:",
        "tests/cti/health/test_health.py::test_a_loop_that_stands_still_is_told_and_then_ended",
    ),
    Defence(
        "shops", "Orders, many or wrong, have the same people called again and again",
        "Caps by number and by campaign, windows and do-not-call lists, asked before each call",
        "cti/dialler/policy.py", "if dialled >= most:\n            return self.theirs",
        "if False:\n            return self.theirs",
        "tests/cti/dialler/test_policy.py::test_a_number_is_called_so_often_a_day_and_no_oftener",
    ),
    Defence(
        "shops", "An order's telephone is a paid number, or one abroad",
        "A trunk dials numbers of its countries and prefixes only, and none that cost extra",
        "cti/dialler/campaigns.py", "if country not in self.countries:", "if False:",
        "tests/cti/dialler/test_campaigns.py::test_a_trunk_dials_neither_paid_numbers_nor_abroad",
    ),
    Defence(
        "network", "A disk or a backup is stolen, with what callers said",
        "Recordings are sealed once their call is over (AES-256-GCM), where a key is set",
        "cti/services/sealing.py",
        "out.write(cipher.encrypt(nonce, piece, header + place.encode()))", "out.write(piece)",
        "tests/cti/services/test_sealing.py::test_nothing_of_it_is_on_the_disk",
    ),
    Defence(
        "agents", "An agent listens to what was recorded of others' calls",
        "Recordings are for those who may read transcripts, and each listening is noted",
        "cti/web/recordings.py", '@require("transcripts")\nasync def sound(',
        '@require("desk")\nasync def sound(',
        W + "test_sealed_recordings.py::test_an_agent_hears_nothing_of_it",
    ),
)  # fmt: skip


def page() -> str:
    """docs/threat-model.md."""
    rows = [
        f"| {one.who} | {one.threat} | {one.defence} (`{one.file}`) | `{one.test}` |"
        for one in sorted(DEFENCES, key=lambda one: one.who)
    ]
    return HEAD + "\n".join(rows) + "\n" + FOOT


HEAD: Final = """# Threat model

Who may mean harm: **callers** (anybody with a telephone), **agents**, **shops** (who use the API),
**flow editors**, and the **network** around all of them. What there is to protect: the shop's money
(calls outside), what callers say and key, the customers' data, and that the line answers.

Each defence has a test that fails when the defence is taken away: `./santral bench defences` takes
each away in a copy of the sources and runs its test. This page is made of that table (`--write`).

| who | threat | what stops it | test |
| --- | --- | --- | --- |
"""
FOOT: Final = """
In containers (`tests/compose`, run by `./santral test --compose`): nobody is root, the root file
systems cannot be written, no capability is left, Manager, AGI and database are reached on the inner
network only, no secret is in an image, in the environment or in a container's configuration.

Not defended against: whoever may write the flows' folder decides what callers hear and what the
named queries ask; whoever reads the state's folder reads the spool, recordings of calls that are
not over, and without `SANTRAL_RECORDING_KEYS` all recordings (put it on an encrypted disk); the
database holds what was said as text; SIP without TLS is as open as any telephone line.
"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="santral bench defences", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/threat-model.md anew")
    parser.add_argument("--only", default="", help="those whose test or file holds this text")
    options = parser.parse_args(arguments)
    if options.write:
        PAGE.write_text(page(), "utf-8")
        return 0
    bad = 0
    for one in DEFENCES:
        if options.only in one.test + one.file:
            good = taken_away(one)
            bad += not good
            print(
                f"{'fails' if good else 'PASSES'}  {one.test}  without: {one.defence}", flush=True
            )
    return 1 if bad else 0


def taken_away(one: Defence) -> bool:
    """Whether its test fails without it, and passes with it."""
    with tempfile.TemporaryDirectory(prefix="santral-defence-") as folder:
        copy = Path(folder) / "santral"
        shutil.copytree(CHECKOUT, copy, ignore=LEFT_OUT)
        if _run(copy, one.test) != 0:
            print(f"it fails anyway: {one.test}", file=sys.stderr)
            return False
        path = copy / one.file
        text = path.read_text("utf-8")
        path.write_text(text.replace(one.old, one.new, 1), "utf-8")
        return _run(copy, one.test) == 1


def _run(copy: Path, test: str) -> int:
    state = os.environ.get("SANTRAL_STATE", str(CHECKOUT / ".santral"))
    environment = {**os.environ, "PYTHONPATH": str(copy), "SANTRAL_STATE": state}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    return subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, timeout=300, check=False
    ).returncode
