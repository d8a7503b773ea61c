"""``netspec lsp``: the language server, for editors to start."""

from __future__ import annotations

import contextlib
import os
import sys

import click


@click.command("lsp")
@click.option("--no-plugins", is_flag=True, help="Run no installed third-party code.")
@click.option("--stdio", is_flag=True, help="Speak over stdin and stdout, as it always does; some editors say so.")
def command(no_plugins: bool, stdio: bool) -> int:
    """Run the language server over stdin and stdout.

    Editors start it: findings while a spec is typed, shapes and parameters behind each layer, formulas, completion,
    names. It needs pip install 'netspec[lsp]'.

    \b
    Example:
      netspec lsp --stdio
    """
    try:
        from netspec.lsp.server import make_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        from netspec.diagnostics import RunError

        raise RunError.of("NS946", extra="lsp", module=error.name) from error
    if no_plugins:
        from netspec.declarations import use_plugins

        use_plugins(False)
    # What a plug-in prints must not get between the messages; the server closes what it is given.
    with open(os.dup(sys.stdout.fileno()), "wb") as messages, contextlib.redirect_stdout(sys.stderr):
        make_server(not no_plugins).ls.start_io(stdout=messages)
    return 0
