"""Who may use Santral: passwords, sessions, tokens, and the lock against guessing."""

from cti.accounts.lockout import Lockout
from cti.accounts.passwords import Passwords, fresh_password
from cti.accounts.service import Accounts, Locked, Session, WrongPassword
from cti.accounts.trail import Trail

__all__ = [
    "Accounts",
    "Locked",
    "Lockout",
    "Passwords",
    "Session",
    "Trail",
    "WrongPassword",
    "fresh_password",
]
