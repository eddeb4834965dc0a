"""What processes spend: CPU seconds with threads and children; and which machine it was."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of the process and of its children, dead or alive."""
    process = psutil.Process(pid)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def thread_seconds(pid: int) -> float:
    """What all threads of one process have run so far, and those that have ended: its CPU
    clock, which counts nanoseconds (clock_getcpuclockid(3); Linux makes its number from the pid).
    """
    return time.clock_gettime(~pid << 3 | 2)


def machine() -> dict[str, object]:
    """The processor, and how busy it was when we began."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(*packages: str) -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
