"""What processes hold in RAM, from /proc."""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")


def resident_mib(pid: int | str = "self", peak: bool = False) -> float:
    """MiB that a process holds in RAM now, or the most that it has held; 0 for one that is gone."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith(wanted)), 0.0)


def children(pid: int) -> list[int]:
    """Processes that this one has started and that are still there, those that nobody has waited for left out."""
    found = []
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            # the name of the command, the second field, may hold spaces and ends at the last bracket
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has just ended
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found
