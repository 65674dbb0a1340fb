#!/usr/bin/env python3
"""Runs a command under a seccomp profile of the OCI form, as a container runtime would.

usage: under_seccomp.py PROFILE COMMAND...

libseccomp does the work; names that it does not know (of other architectures) are left out, as runc does.
"""
import ctypes
import json
import os
import sys

PR_SET_NO_NEW_PRIVS = 38
ACTIONS = {"SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_ERRNO": 0x00050000}
COMPARE = {"SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4, "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6,
           "SCMP_CMP_MASKED_EQ": 7}
EPERM = 1


class Argument(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint), ("op", ctypes.c_int), ("value", ctypes.c_uint64), ("other", ctypes.c_uint64)]


def action(entry, name):
    number = ACTIONS[entry[name]]
    return number | (entry.get("errnoRet", EPERM) if entry[name] == "SCMP_ACT_ERRNO" else 0)


def confine(profile):
    """The profile, for this process and all that it starts."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                               ctypes.POINTER(Argument)]
    context = library.seccomp_init(ctypes.c_uint32(action(profile, "defaultAction")))
    for rule in profile["syscalls"]:
        arguments = [Argument(a["index"], COMPARE[a["op"]], a["value"], a.get("valueTwo", 0)) for a in rule.get("args", [])]
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number < 0:
                continue
            added = library.seccomp_rule_add_array(context, action(rule, "action"), number, len(arguments),
                                                   (Argument * len(arguments))(*arguments))
            if added != 0:
                raise OSError(-added, os.strerror(-added), name)
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError("no_new_privs")
    loaded = library.seccomp_load(ctypes.c_void_p(context))
    if loaded != 0:
        raise OSError(-loaded, os.strerror(-loaded))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        confine(json.load(file))
    os.execvp(sys.argv[2], sys.argv[2:])
