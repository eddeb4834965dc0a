"""Texts of the fake Asterisk: its header, its replies, and how it cuts a command into arguments."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

HEADER = {
    "agi_channel": "PJSIP/trunk-00000001",
    "agi_language": "tr",
    "agi_type": "PJSIP",
    "agi_uniqueid": "santral-d98dfc19-1795366974.1",
    "agi_version": "22.10.1",
    "agi_callerid": "05321234567",
    "agi_calleridname": "unknown",
    "agi_callingpres": "0",
    "agi_callingani2": "0",
    "agi_callington": "0",
    "agi_callingtns": "0",
    "agi_dnid": "100",
    "agi_rdnis": "unknown",
    "agi_context": "santral-engine",
    "agi_extension": "s",
    "agi_priority": "8",
    "agi_enhanced": "0.0",
    "agi_accountcode": "",
    "agi_threadid": "139872736519872",
}
DEAD = b"511 Command Not Permitted on a dead channel or intercept routine\n"
UNKNOWN = b"510 Invalid or unknown command\n"
USAGE = (
    b"520-Invalid command syntax.  Proper usage follows:\n"
    b"Takes other arguments than these.\n"
    b"520 End of proper usage.\n"
)
HANGUP = b"HANGUP\n"
ARGUMENTS = {  # every verb we know, and how many arguments it takes at least
    "GET FULL VARIABLE": 1, "WAIT FOR DIGIT": 1, "CHANNEL STATUS": 0, "GET VARIABLE": 1,
    "SET VARIABLE": 2, "RECORD FILE": 4, "STREAM FILE": 2, "GET DATA": 1, "VERBOSE": 1,
    "ANSWER": 0, "HANGUP": 0, "NOOP": 0, "EXEC": 1,
}  # fmt: skip
USABLE_WHEN_DEAD = {
    "EXEC", "GET VARIABLE", "GET FULL VARIABLE", "SET VARIABLE", "NOOP", "VERBOSE",
}  # fmt: skip


def header_bytes(url: str, script: str, other: Mapping[str, str]) -> bytes:
    """The header as launch_netscript and setup_env of res_agi.c write it."""
    lines = {
        "agi_network": "yes",
        "agi_network_script": script,
        "agi_request": f"{url}/{script}",
        **HEADER,
        **other,
    }
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return text.encode("utf-8", "surrogateescape") + b"\n"


def script(path: str, query: Mapping[str, str]) -> str:
    """Path and query as the dialplan writes them with URIENCODE."""
    return path + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())


def words(line: str) -> list[str]:
    """The arguments of a command line as `parse_args` of res_agi.c cuts them."""
    found: list[str] = []
    quoted = escaped = False
    space = True
    for char in line:
        if char == '"' and not escaped:
            quoted = not quoted
            if quoted and space:
                found.append("")
                space = False
        elif char in " \t" and not quoted and not escaped:
            space = True
        elif char == "\\" and not escaped:
            escaped = True
        else:
            if space:
                found.append("")
                space = False
            found[-1] += char
            escaped = False
    return found


def verb_of(argv: list[str]) -> str:
    """The command's name, "" for none."""
    for verb in ARGUMENTS:
        if argv[: verb.count(" ") + 1] == verb.split():
            return verb
    return ""


def arguments(text: str) -> list[str]:
    """The comma list of an application as `__ast_app_separate_args` of main/app.c cuts it."""
    found = [""]
    quoted = False
    round_, square = 0, 0
    chars = iter(text)
    for char in chars:
        if char == "\\":
            found[-1] += next(chars, "")
        elif char == '"':
            quoted = not quoted
        elif char == "," and not (quoted or round_ or square):
            found.append("")
        else:
            round_ = max(0, round_ + (char == "(") - (char == ")"))
            square = max(0, square + (char == "[") - (char == "]"))
            found[-1] += char
    return found


def code(key: str) -> int:
    """A key as AGI says it; 0 for none."""
    return ord(key) if key else 0
