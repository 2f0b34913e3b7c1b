"""Runs inside the sandbox: a student's cells, and their functions when the examiner asks. Nothing here is trusted.

Whatever a student's code does to this process, it cannot do more than answer the examiner, who compares what comes
with numbers that are not in here.
"""

import contextlib
import io
import linecache
import os
import resource
import signal
import sys
import traceback
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
CHARACTERS = 10_000  # of what a cell prints
SLACK = 10  # by the clock, what runs may take so many times as long
STUBBORN = 99  # the code with which a process ends that will not be stopped


class OutOfTimeError(BaseException):
    """Longer than allowed. Not an Exception, so that `except Exception` lets it through."""


class Shell:
    """What cells expect of IPython: magics are left out, and the code under a cell magic runs."""

    def __init__(self, names):
        self.names = names

    def run_line_magic(self, *args, **kwargs):
        return None

    def run_cell_magic(self, name, line, body):
        if name in ("time", "timeit", "capture"):
            exec(compile(body, "<cell>", "exec"), self.names)

    def system(self, command):
        raise OSError("no other programs are run while grading")

    getoutput = system


class Worker:
    """One student's notebook."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.names = {"__name__": "__main__"}
        shell = Shell(self.names)
        self.names |= {"get_ipython": lambda: shell, "display": print}
        self.functions = []
        self.graph = [], []
        self.warned = False

    def run(self, source, name):
        """Run a cell; what it printed."""
        file = f"<cell {name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                exec(compile(source, file, "exec"), self.names)
        except BaseException as error:
            return {"printed": printed.getvalue()[:CHARACTERS], "error": described(error)}
        return {"printed": printed.getvalue()[:CHARACTERS]}

    def get(self, name):
        """What stands under a name."""
        return {"value": self.names[name]} if name in self.names else {"missing": True}

    def call(self, function, args, measure, wants):
        """Call a function; `wants` are the places of inputs whose gradients may be asked for."""
        import torch

        for place in wants:
            args[place].requires_grad_()
        with self._meta(args), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if measure:
                from attnbook.measuring import peak_bytes

                values = []
                peak = peak_bytes(lambda: values.append(self.functions[function](*args)))
                return {"value": values[0], "args": [], "peak": peak}
            value = self.functions[function](*args)
        parts = value if isinstance(value, tuple | list) else [value]
        self.graph = list(parts), [args[place] for place in wants]
        learns = [isinstance(x, torch.Tensor) and x.requires_grad for x in parts]
        return {"value": value, "args": args, "learns": learns}

    def backward(self, gradients):
        """Gradients of the last call's inputs, given those of its outputs."""
        import torch

        outputs, inputs = self.graph
        pairs = [(x, g) for x, g in zip(outputs, gradients, strict=True) if g is not None and x.requires_grad]
        found = torch.autograd.grad([x for x, _ in pairs], inputs, [g for _, g in pairs], allow_unused=True)
        return {"gradients": list(found)}

    def _meta(self, args):
        import torch

        if not any(isinstance(x, torch.Tensor) and x.is_meta for x in args):
            return contextlib.nullcontext()
        from attnbook.exercises._outcome import OneDevice

        return OneDevice()

    def out_of_time(self, *args):
        """Stop what runs; where it will not be stopped, the process."""
        if self.warned:
            os._exit(STUBBORN)
        self.warned = True
        raise OutOfTimeError

    def handle(self, function):
        """The number by which the examiner calls a function."""
        self.functions.append(function)
        return len(self.functions) - 1

    def answer(self, request):
        """Do what is asked, within the time."""
        # A busy machine is not the student's fault, so the processor's time counts; sleep is bounded by the clock.
        self.warned = False
        signal.setitimer(signal.ITIMER_PROF, self.seconds, self.seconds)
        signal.setitimer(signal.ITIMER_REAL, SLACK * self.seconds)
        try:
            return getattr(self, request.pop("do"))(**request)
        except BaseException as error:
            return {"error": described(error)}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)


def described(error):
    """An error as plain text: its type, its words, and the student's line."""
    try:
        words = str(error)[:2000]
    except BaseException:
        words = ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"line {f.lineno}, `{f.line}`" for f in frames if f.filename.startswith("<cell") and f.line]
    return {"type": type(error).__name__, "words": words, "where": lines[-1] if lines else ""}


def limit(memory, seconds):
    """Set what this process may use; without other processes, that is all the submission uses."""
    for what, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))


def main():
    from grading.wire import WireError, pack, unpack

    memory, cpu, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    limit(memory, cpu)
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # what code prints past Python goes nowhere
        os.dup2(null, descriptor)
    worker = Worker(seconds)
    signal.signal(signal.SIGPROF, worker.out_of_time)
    signal.signal(signal.SIGALRM, worker.out_of_time)
    replies.write(b"!")  # ready
    replies.flush()
    while True:
        try:
            request = unpack(requests.read, lambda number: number)
        except Exception:  # the examiner has gone
            return
        try:
            reply = pack(worker.answer(request), worker.handle)
        except WireError as error:
            reply = pack({"error": {"type": "ValueError", "words": str(error), "where": ""}})
        replies.write(reply)
        replies.flush()


if __name__ == "__main__":
    main()
