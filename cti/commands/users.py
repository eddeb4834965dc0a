"""`santral user`: accounts of the desk, and tokens for programs."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cti.settings import Settings
from ivr.errors import BadInput

if TYPE_CHECKING:
    from cti.accounts import Accounts
    from cti.db.store.people import User

EXAMPLE: Final = """examples:
  santral user add ayse --name "Ayşe Demir" --queues support,returns --skills returns=3
  santral user add zeynep --role supervisor          the password is made, and shown once
  santral user list --json
  santral user seat ayse --queues support --phone desk   a telephone instead of the page's phone
  santral user password ayse                         a new one; every session of hers ends
  santral user disable ayse                          out within seconds; `enable` lets her in again
  santral user token create admin --label "web shop" --scopes orders:read,orders:write --days 365
  santral user token list admin
  santral user token revoke 3

A running engine takes changes up within seconds.
"""
ROLES: Final = ("agent", "supervisor", "editor", "admin")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a command works with."""

    arguments: argparse.Namespace
    settings: Settings
    accounts: Accounts

    @property
    def login(self) -> str:
        return str(self.arguments.login).strip().lower()

    async def user(self) -> User:
        found = await self.accounts.people.find(self.login)
        if found is None:
            raise BadInput(f"there is no user {self.login!r}; `santral user list` shows them")
        return found

    async def note(self, action: str, subject: str, **detail: Any) -> None:
        actor = f"{getpass.getuser()} (command line)"
        await self.accounts.audit.note(actor, action, subject, **detail)


Run = Callable[[_Desk], Awaitable[Any]]


def add_commands(commands: Any) -> None:
    user = commands.add_parser(
        "user",
        help="accounts of the desk, and tokens for programs",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acts = user.add_subparsers(title="what to do", metavar="ACTION", required=True)
    add = _act(acts, "add", "a new user", _add)
    add.add_argument("login", help="2 to 32 small letters without accents, digits, - and _")
    add.add_argument("--name", default="", help="as others see them (the login)")
    add.add_argument("--role", choices=ROLES, default="agent")
    add.add_argument("--language", choices=("tr", "en"), default="tr")
    _seat_options(add)
    _password_options(add)
    _act(acts, "list", "everybody", _list)
    seat = _act(acts, "seat", "queues, skills and phone of a user", _seat)
    seat.add_argument("login")
    _seat_options(seat)
    password = _act(acts, "password", "a new password", _password)
    password.add_argument("login")
    _password_options(password)
    role = _act(acts, "role", "another role", _role)
    role.add_argument("login")
    role.add_argument("role", choices=ROLES)
    for name, about in (("disable", "let nobody in by it"), ("enable", "let them in again")):
        switch = _act(acts, name, about, _switch)
        switch.add_argument("login")
        switch.set_defaults(to=name == "enable")
    token = acts.add_parser("token", help="tokens for programs")
    tokens = token.add_subparsers(title="what to do", metavar="ACTION", required=True)
    create = _act(tokens, "create", "a new token; shown once", _create_token)
    create.add_argument("login", help="whose it is: it can do no more than they may")
    create.add_argument("--label", required=True, help="what it is for")
    create.add_argument("--scopes", required=True, help="orders:read,orders:write …")
    create.add_argument("--days", type=int, default=0, help="how long it is good (for ever)")
    listed = _act(tokens, "list", "the tokens of a user", _list_tokens)
    listed.add_argument("login")
    revoke = _act(tokens, "revoke", "end a token", _revoke_token)
    revoke.add_argument("number", type=int, help="as `list` shows it")


def _act(acts: Any, name: str, about: str, run: Run) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(name, help=about)
    parser.add_argument("--json", action="store_true", help="as data")
    parser.add_argument("--demo", action="store_true", help="of the demo")
    parser.set_defaults(run=lambda arguments: asyncio.run(_with_accounts(arguments, run)))
    return parser


def _seat_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queues", metavar="A,B", help="the queues they work in")
    parser.add_argument("--skills", metavar="A=3,B=1", help="levels from 0 to 10")
    parser.add_argument("--extension", help="the name of their SIP account (the login)")
    parser.add_argument("--phone", choices=("web", "desk"), help="in the page, or a telephone")


def _password_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ask", action="store_true", help="type it (or give it on standard input); else it is made"
    )


async def _with_accounts(arguments: argparse.Namespace, run: Run) -> int:
    from cti.accounts import Accounts, Passwords, Trail
    from cti.db.engine import open_engine
    from cti.db.migrate import upgrade
    from cti.db.store.audit import AuditStore
    from cti.db.store.people import PeopleStore

    settings = Settings.from_environment()
    if arguments.demo:
        settings = settings.model_copy(update={"state": settings.state / "demo"})
    settings.state.mkdir(parents=True, exist_ok=True)
    engine, passwords = open_engine(settings.journal_database), Passwords()
    try:
        await upgrade(engine)
        people, trail = PeopleStore(engine), Trail(AuditStore(engine))
        told = await run(_Desk(arguments, settings, Accounts(people, trail, "", passwords)))
    finally:
        passwords.close()
        await engine.dispose()
    if arguments.json:
        from cti.web.json import dumps

        print(json.dumps(json.loads(dumps(told)), ensure_ascii=False, indent=2))
    else:
        _show(told)
    return 0


def _show(told: Any) -> None:
    rows = told if isinstance(told, list) else [told]
    for row in rows:
        if "login" in row and "role" in row and len(row) > 4:
            queues = ",".join(row["queues"]) or "-"
            state = "" if row["active"] else "  disabled"
            print(f"{row['login']:16} {row['role']:11} {queues:28} {row['name']}{state}")
        else:
            print("  ".join(f"{name} {value}" for name, value in row.items() if value != ""))


# --- what they do


async def _add(desk: _Desk) -> Any:
    from cti.accounts.service import check_login

    given = desk.arguments
    check_login(desk.login)
    password, shown = await _new_password(desk)
    hashed = await desk.accounts.hashed(password, desk.login)
    name = " ".join(given.name.split()) or desk.login
    await desk.accounts.people.add(desk.login, name, given.role, hashed, given.language, False)
    try:
        if given.role != "editor" or given.queues:
            await _put_seat(desk)
    except BadInput:
        await desk.accounts.people.remove(desk.login)
        raise
    await desk.accounts.people.change(desk.login, active=True)
    await desk.note("user added", desk.login, role=given.role)
    user = await desk.user()
    return {**user.to_dict(), **({"password": password} if shown else {})} if given.json else {
        "login": desk.login, **({"password": password} if shown else {}),
    }  # fmt: skip


async def _list(desk: _Desk) -> Any:
    return [user.to_dict() for user in await desk.accounts.people.everybody()]


async def _seat(desk: _Desk) -> Any:
    await _put_seat(desk)
    await desk.note("user seated", desk.login)
    user = await desk.user()
    return user.to_dict()


async def _put_seat(desk: _Desk) -> None:
    """What is not given stays as it is."""
    from cti.accounts.service import check_login
    from cti.queues import load_queues
    from cti.roster import FILE, queue_rows

    given, user = desk.arguments, await desk.user()
    path = desk.settings.scenarios / FILE
    if path.is_file():
        await desk.accounts.people.know_queues(queue_rows(load_queues(path)))
    was = user.desk
    extension = given.extension or (was.extension if was else user.login)
    check_login(extension)
    seats = dict(was.seats) if was else {}
    if given.queues is not None:
        seats = {name.strip(): 0 for name in given.queues.split(",") if name.strip()}
    await desk.accounts.people.seat(
        user.login,
        extension=extension,
        phone=given.phone or (was.phone if was else "web"),
        skills=_levels(given.skills) if given.skills is not None else (was.skills if was else {}),
        seats=seats,
    )


def _levels(text: str) -> dict[str, int]:
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, level = part.partition("=")
        if not equals or not level.isdigit() or int(level) > 10:
            raise BadInput(f"{part!r} is no skill; write name=level, the level from 0 to 10")
        found[name.strip()] = int(level)
    return found


async def _password(desk: _Desk) -> Any:
    user = await desk.user()
    password, shown = await _new_password(desk)
    await desk.accounts.set_password(user.login, password)
    ended = await desk.accounts.end_sessions(user.id, "password changed")
    await desk.note("password set", user.login)
    found = {"login": user.login, "sessions_ended": ended}
    return found | ({"password": password} if shown else {})


async def _new_password(desk: _Desk) -> tuple[str, bool]:
    """The password, and whether we made it and have to show it."""
    from cti.accounts import fresh_password

    if not desk.arguments.ask:
        return fresh_password(), True
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n"), False
    first = await asyncio.to_thread(getpass.getpass, "New password: ")
    if first != await asyncio.to_thread(getpass.getpass, "Once more: "):
        raise BadInput("these two are not the same")
    return first, False


async def _role(desk: _Desk) -> Any:
    user = await desk.user()
    await desk.accounts.people.change(user.login, role=desk.arguments.role)
    await desk.accounts.end_sessions(user.id, "role changed")
    await desk.note("role changed", user.login, role=desk.arguments.role)
    return {"login": user.login, "role": desk.arguments.role}


async def _switch(desk: _Desk) -> Any:
    user, on = await desk.user(), desk.arguments.to
    await desk.accounts.people.change(user.login, active=on)
    ended = 0 if on else await desk.accounts.end_sessions(user.id, "disabled")
    await desk.note("user enabled" if on else "user disabled", user.login)
    return {"login": user.login, "active": on, "sessions_ended": ended}


async def _create_token(desk: _Desk) -> Any:
    from cti.web.auth import ROLES as WHO_MAY
    from cti.web.auth import SCOPES

    user = await desk.user()
    scopes = sorted({part.strip() for part in desk.arguments.scopes.split(",") if part.strip()})
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        listed = "\n".join(f"  {name:16} {about}" for name, about in SCOPES.items())
        raise BadInput(f"there is no scope {', '.join(unknown)}; there are\n{listed}")
    if more := sorted(set(scopes) - WHO_MAY.get(user.role, frozenset())):
        raise BadInput(f"{user.login} ({user.role}) may not {', '.join(more)}, nor may their token")
    days = desk.arguments.days
    number, token = await desk.accounts.make_token(
        user.id, desk.arguments.label[:100], scopes, timedelta(days=days) if days > 0 else None
    )
    await desk.note("token made", user.login, token=number, scopes=scopes)
    return {"number": number, "scopes": scopes, "token": token}


async def _list_tokens(desk: _Desk) -> Any:
    user = await desk.user()
    return [token.to_dict() for token in await desk.accounts.people.tokens_of(user.id)]


async def _revoke_token(desk: _Desk) -> Any:
    number = desk.arguments.number
    if not await desk.accounts.people.revoke(token=number, kind="api"):
        raise BadInput(f"there is no good token {number}")
    await desk.note("token revoked", str(number))
    return {"number": number, "revoked": True}
