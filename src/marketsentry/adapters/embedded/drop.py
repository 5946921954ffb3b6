"""Start a program as another account; run as ``python -I -S drop.py UID GID CAPABILITIES PROGRAM ARG...``.

PostgreSQL refuses to run as root, but root may start us, and the data directory or the installation may lie
below a directory that only root may enter. Instead of opening such a directory for everybody, the started
program keeps the one capability named here (Linux capability numbers, comma separated, often none) and loses
the others.

This file stands alone: it runs before the package can be imported and uses the standard library only.
"""

import ctypes
import os
import sys

_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2  # else access(2) ignores the kept capability, and PostgreSQL asks access(2)
_CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main(arguments: list[str]) -> None:
    """Change the account, keep the named capabilities only, and become the program.

    Parameters
    ----------
    arguments
        User id, group id, capabilities, then the program and its arguments.
    """
    uid, gid = int(arguments[0]), int(arguments[1])
    capabilities = [int(number) for number in arguments[2].split(",") if number]
    if capabilities:
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capabilities:
        _keep_only(capabilities)
    os.execv(arguments[3], arguments[3:])


def _keep_only(capabilities: list[int]) -> None:
    mask = sum(1 << number for number in capabilities)
    header = _Header(_CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)(_Sets(mask, mask, mask), _Sets(0, 0, 0))
    if _libc.capset(ctypes.byref(header), ctypes.byref(sets)) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")
    for number in capabilities:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def _prctl(option: int, *values: int) -> None:
    padded = (option, *values, 0, 0, 0, 0)[:5]
    if _libc.prctl(*(ctypes.c_ulong(value) for value in padded)) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {padded} failed")


if __name__ == "__main__":
    _libc = ctypes.CDLL(None, use_errno=True)
    main(sys.argv[1:])
