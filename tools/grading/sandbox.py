"""A process of its own for each submission, in bubblewrap: no network, no files but Python's, no other processes.

Bubblewrap gives it namespaces and a root made of read-only mounts. The system call filter below takes away
new processes. Then the limits of this one process (memory, time) are the limits of the submission, and a fork bomb
cannot start, also where limits on the number of processes do not hold, as for root.
"""

import contextlib
import os
import platform
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import attnbook
from grading import wire

HERE = Path(__file__).parent
LIBRARY = Path(attnbook.__file__).parent
SLACK = 10  # by the clock, what runs may take so many times as long, as on a busy machine
STUBBORN = 99  # the worker's code for code that will not be stopped
GRACE = 3  # seconds beyond a call's own limit, until the worker is killed
STARTING = 120  # seconds; a cold disk takes its time to give torch


TOO_LONG = "it ran longer than it may, and was stopped"


class NoSandboxError(RuntimeError):
    """Nothing to keep the student's code in."""


class DiedError(BaseException):
    """The worker is gone, with all that it knew; the message says how.

    Not an Exception: to the checks those are answers of the student's function.
    """


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes:
        memory: bytes of address space. Torch alone takes about half a gigabyte.
        call: seconds of the processor for a cell, or for one call of a function; by the clock, ten times that.
        whole: seconds by the clock for a submission, started anew or not.
    """

    memory: int = 4 * 2**30
    call: float = 30
    whole: float = 240
    sandbox: bool = True


def require() -> None:
    """Raise NoSandboxError, with what to do, unless a sandbox can be made here."""
    program = shutil.which("bwrap")
    if not program:
        raise NoSandboxError(
            "Students' code is run in a sandbox by bubblewrap, which is not installed.\n"
            "Debian: apt-get install bubblewrap. It is for Linux alone; elsewhere grade in a virtual Linux."
        )
    trial = subprocess.run([*_walls(), "/usr/bin/true"], capture_output=True, text=True, pass_fds=(), check=False)
    if trial.returncode:
        raise NoSandboxError(
            f"bubblewrap is installed and cannot make a sandbox here: {trial.stderr.strip()}\n"
            "It needs to make namespaces. A container must be allowed to (docker run --privileged); on a machine, "
            "users must be (sysctl kernel.unprivileged_userns_clone=1)."
        )


@cache
def _walls() -> list[str]:
    """Bubblewrap's command line, without what is to run inside."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    for place in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"):
        command += ["--ro-bind-try", place, place]
    command += ["--proc", "/proc", "--dev", "/dev", "--size", str(64 * 2**20), "--tmpfs", "/tmp"]
    for place in dict.fromkeys((sys.base_prefix, sys.prefix, str(LIBRARY))):
        if not place.startswith("/usr"):
            command += ["--ro-bind", place, place]
    # In place of the checks, with their answers, there is a stub.
    checks = LIBRARY / "exercises"
    command += ["--tmpfs", str(checks), "--ro-bind", str(HERE / "stub_exercises.py"), str(checks / "__init__.py")]
    command += ["--ro-bind", str(checks / "_outcome.py"), str(checks / "_outcome.py")]
    command += ["--dir", "/grading"]
    for name in ("wire.py", "worker.py"):
        command += ["--ro-bind", str(HERE / name), f"/grading/{name}"]
    variables = {"HOME": "/tmp", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1",
                 "MPLBACKEND": "agg", "MPLCONFIGDIR": "/tmp", "TQDM_DISABLE": "1", "PYTHONDONTWRITEBYTECODE": "1",
                 "PYTHONPATH": str(LIBRARY.parent)}  # fmt: skip
    for name, value in variables.items():
        command += ["--setenv", name, value]
    return [*command, "--remount-ro", "/", "--remount-ro", str(checks), "--chdir", "/tmp"]


def no_new_processes() -> bytes:
    """A system call filter (classic BPF) that refuses fork and its relatives, and lets threads through.

    clone3 is answered with "not implemented", since its flags lie in memory that a filter cannot read; the C library
    then takes clone, whose flags it can.
    """
    load, equal, bits, end = 0x20, 0x15, 0x45, 0x06  # read a word; jump if equal; jump if a bit is set; return
    number, architecture, flags = 0, 4, 16  # where in the kernel's record of the call
    allow, refuse, absent, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000  # errors EPERM and ENOSYS
    machine = platform.machine()
    if machine == "x86_64":
        arch, clone, forks = 0xC000003E, 56, [57, 58]
    elif machine in ("aarch64", "arm64"):
        arch, clone, forks = 0xC00000B7, 220, []
    else:
        raise NoSandboxError(f"there is no system call filter for {machine}; x86_64 and aarch64 have one")
    rules = [(load, 0, 0, architecture), (equal, 1, 0, arch), (end, 0, 0, kill), (load, 0, 0, number)]
    if machine == "x86_64":  # the same calls under other numbers (x32)
        rules += [(0x35, 0, 1, 0x40000000), (end, 0, 0, kill)]
    for call in forks:
        rules += [(equal, 0, 1, call), (end, 0, 0, refuse)]
    rules += [(equal, 0, 1, 435), (end, 0, 0, absent)]  # clone3
    rules += [(equal, 0, 3, clone), (load, 0, 0, flags), (bits, 1, 0, 0x10000), (end, 0, 0, refuse)]  # CLONE_THREAD
    return b"".join(struct.pack("<HBBI", *rule) for rule in [*rules, (end, 0, 0, allow)])


class Session:
    """A worker in its sandbox, and the time it has left (to load torch does not count)."""

    def __init__(self, limits: Limits, seconds: float) -> None:
        self.limits = limits
        self.ends = time.monotonic() + STARTING
        python = [str(Path(sys.prefix) / "bin/python"), "-u"]
        numbers = [str(limits.memory), str(int(limits.whole)), str(limits.call)]
        if limits.sandbox:
            with tempfile.TemporaryFile() as rules:
                rules.write(no_new_processes())
                rules.seek(0)
                command = [*_walls(), "--seccomp", str(rules.fileno()), *python, "/grading/worker.py", *numbers]
                self.process = self._start(command, rules.fileno())
        else:
            self.process = self._start([*python, str(HERE / "worker.py"), *numbers])

        self._started(seconds)

    def _started(self, seconds: float) -> None:
        if self._read(1, self.ends) != b"!":
            self._died()
        self.ends = time.monotonic() + seconds

    def _start(self, command: list[str], *descriptors: int) -> subprocess.Popen:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=descriptors,
            start_new_session=True, bufsize=0,
        )  # fmt: skip

    def ask(self, make_function: Any = None, /, **request: Any) -> dict:
        """The worker's reply.

        Raises:
            DiedError: there is none, or none in time.
        """
        until = min(time.monotonic() + SLACK * self.limits.call + GRACE, self.ends)
        try:
            self._write(wire.pack(request), until)
            reply = wire.unpack(lambda count: self._read(count, until), make_function)
        except wire.WireError as error:
            self.close()
            raise DiedError(f"it answered with {error}") from None
        if not isinstance(reply, dict):
            self.close()
            raise DiedError("it answered with a message that is not one of ours")
        return reply

    def _write(self, message: bytes, until: float) -> None:
        pipe = self.process.stdin.fileno()
        os.set_blocking(pipe, False)
        while message:
            self._wait([], [pipe], until)
            try:
                message = message[os.write(pipe, message[: 2**20]) :]
            except OSError:
                self._died()

    def _read(self, count: int, until: float) -> bytes:
        parts = bytearray()
        pipe = self.process.stdout.fileno()
        while len(parts) < count:
            self._wait([pipe], [], until)
            part = os.read(pipe, min(count - len(parts), 2**20))
            if not part:
                self._died()
            parts += part
        return bytes(parts)

    def _wait(self, readable: list[int], writable: list[int], until: float) -> None:
        ready = select.select(readable, writable, [], max(0.0, until - time.monotonic()))
        if not any(ready):
            self.close()
            raise DiedError(TOO_LONG)

    def _died(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.returncode
        self.close()
        if code == STUBBORN:
            raise DiedError(TOO_LONG)
        raise DiedError(f"it ended Python from within (code {code})" if code is not None else "it no longer answers")

    def close(self) -> None:
        """End the worker; what runs in its sandbox ends with it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
