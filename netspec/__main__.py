"""``python -m netspec`` is the ``netspec`` command."""

from __future__ import annotations

from netspec.cli.main import main

if __name__ == "__main__":
    main()
