"""The command ``fathom``: one file per group of verbs; every verb imports what it needs only when it runs."""

from __future__ import annotations

import os
import sys

__all__ = ["main", "run"]

WRONG_CALLS = ("choice_unknown", "parameter_invalid", "parameter_unsupported")  # exit code 2
CPU = "FATHOM_CPU: "


def main() -> None:
    """Runs one command and exits: 0 done, 1 it failed, 2 wrongly called, 130 stopped by Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe has gone, `fathom ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """The exit code of one command; errors become one line on standard error."""
    from fathom.errors import FathomError, language

    from .console import note
    from .messages import say
    from .usage import told

    try:
        from .app import build

        code = build()(arguments, prog_name="fathom", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except FathomError as error:
        note(f"fathom: {error.message(language())}")
        return 2 if error.code in WRONG_CALLS else 1
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the last line of defence: users get one line, developers the traceback
        if hasattr(error, "format_message"):  # typer's usage errors
            no_verb = type(error).__name__ == "NoArgsIsHelpError"  # `fathom` alone: the help
            note(str(error.format_message()) if no_verb else f"fathom: {told(error)}")
            return 2
        if (setting := str(error)).startswith(CPU):  # the native module refuses the instruction level
            note(f"fathom: {FathomError('cpu_level', problem=setting.removeprefix(CPU)).message(language())}")
            return 1
        if os.environ.get("FATHOM_DEBUG"):
            raise
        note(f"fathom: {say('debug', kind=type(error).__name__, problem=' '.join(str(error).split()))}")
        return 1
