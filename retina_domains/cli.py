"""The ``retina-domains`` command: picks a sub-command, parses its arguments, turns errors into exit codes.

A sub-command is one row of ``COMMANDS`` and one module with ``add_arguments(parser)`` and
``run(args) -> int``, imported only when the sub-command is asked for. ``tools/*.py`` are the same commands
by another name: ``sys.exit(main(["infer", *sys.argv[1:]]))``.

Exit status: 0 done; 1 our own fault; 2 the input or the call is wrong; 3 finished, but some tiles could not
be read; 130 interrupted; 141 whoever read the output closed it (``| head``).
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from retina_domains import __version__
from retina_domains.errors import RetinaDomainsError

PROGRAM = "retina-domains"
EXIT_OUR_FAULT = 1
EXIT_WRONG_CALL = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141
_STDOUT = 1


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command.

    Args:
        module: where its ``add_arguments(parser)`` and ``run(args) -> int`` are.
        summary: one line for ``--help``.
    """

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "infer": Command("retina_domains.commands.infer", "find objects in rasters of any size"),
    "count": Command("retina_domains.commands.count", "count the cells of blood smears, with intervals"),
    "prepare": Command(
        "retina_domains.commands.prepare", "bring a labelled data set into the form to train on"
    ),
    "train": Command("retina_domains.commands.train", "train a model from a config"),
    "test": Command("retina_domains.commands.test", "score a model on labelled images"),
    "evaluate": Command("retina_domains.commands.evaluate", "measure predictions against the truth"),
    "compare": Command(
        "retina_domains.commands.compare", "tell which of two runs is better, and whether it is real"
    ),
    "browse": Command("retina_domains.commands.browse", "show what the trainer really sees"),
    "stats": Command("retina_domains.commands.stats", "figures of a labelled set, and what is wrong with it"),
    "tune-anchors": Command("retina_domains.commands.tune_anchors", "fit anchors to a labelled set"),
    "average": Command("retina_domains.commands.average", "average the weights of several checkpoints"),
    "calibrate": Command(
        "retina_domains.commands.calibrate", "fit what a model's scores mean, and its thresholds"
    ),
    "make-bundle": Command(
        "retina_domains.commands.make_bundle", "make a bundle from a config and a checkpoint"
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``retina-domains`` with ``argv`` (default: the process's arguments) and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name, rest = _top_parser().parse_args(arguments[:1]).command, arguments[1:]
    return guarded(lambda: _run(name, rest), name=f"{PROGRAM} {name}", debug="--debug" in rest)


def _run(name: str, arguments: Sequence[str]) -> int:
    """Import, parse and run one sub-command."""
    module = import_module(COMMANDS[name].module)
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show a traceback where an error ends the run")
    return int(module.run(parser.parse_args(arguments)))


def guarded(work: Callable[[], int], name: str, debug: bool) -> int:
    """``work()``'s exit status, or that of the error that ended it, told on stderr in one line.

    Args:
        work: what to run.
        name: the command, for the line.
        debug: print the traceback too.
    """
    try:
        status = work()
        # Here and not at the interpreter's end, where a closed pipe could only be complained of.
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except RetinaDomainsError as error:
        line, status = str(error), error.exit_code
        fault: BaseException = error
    except BrokenPipeError as error:
        if _output_is_closed():
            return EXIT_PIPE_CLOSED
        line, status, fault = f"unexpected {error}: a process of ours ended", EXIT_OUR_FAULT, error
    except Exception as error:  # the outermost frame: whatever else comes up here is our own fault
        line = f"unexpected {type(error).__name__}: {error} (run again with --debug and report the traceback)"
        status, fault = EXIT_OUR_FAULT, error
    if debug:
        traceback.print_exception(fault)
    print(f"{name}: error: {' '.join(line.split())}", file=sys.stderr)
    return status


def _output_is_closed() -> bool:
    """Whether nobody reads standard output any more; what is left to write to it is then thrown away."""
    poll = select.poll()
    poll.register(_STDOUT, 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)
    return True


def _top_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage="%(prog)s [-h] [--version] COMMAND ...",
        description="Find every small object in rasters and slides that are too large for memory.",
        epilog="\n".join(["commands:", *rows, "", "%(prog)s COMMAND --help tells what each takes"]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return parser


if __name__ == "__main__":
    sys.exit(main())
