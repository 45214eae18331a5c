# SPDX-License-Identifier: Apache-2.0
"""What the machine is, without its name."""

import os
import pathlib
import platform


def _first(path, key):
    for line in pathlib.Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"


def description():
    memory = int(_first("/proc/meminfo", "MemTotal").split()[0])
    return {"kernel": platform.release(), "cpu": _first("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory_gib": round(memory / 1024 / 1024, 1), "system": _system(),
            "load_at_start": round(os.getloadavg()[0], 2)}


def _system():
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return "unknown"
