"""Where the specs that ship with netspec lie: in an installed package ``netspec/specs``, in a checkout ``specs``."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


class UnknownZooSpecError(KeyError):
    """No spec of this name ships. ``name`` is what was asked for, ``known`` what there is, in alphabetical order."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        """Keep both; the message names them for whoever does not word it better."""
        super().__init__(name)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        """Say it in one line; ``KeyError`` would show the bare name in quotes."""
        return f"no spec called {self.name!r} ships with netspec (there are: {', '.join(self.known) or 'none'})"


def zoo_names() -> tuple[str, ...]:
    """Return the names of the specs that ship, in alphabetical order: ``("lenet5", ...)``."""
    return tuple(sorted(path.stem for path in _directory().glob("*.yaml")))


def zoo_path(name: str) -> Path:
    """Return the file of the spec called ``name``.

    Only a name of ``zoo_names()`` is accepted, never a path.

    Raises:
        UnknownZooSpecError: no spec of that name ships.
    """
    known = zoo_names()
    if name not in known:
        raise UnknownZooSpecError(name, known)
    return _directory() / f"{name}.yaml"


def _directory() -> Path:
    """Find the folder of the specs.

    The wheel carries them inside the package. An editable install has them in the repository, which is told by its
    pyproject.toml: beside an installed package lies somebody else's ``specs``, if any.
    """
    installed = _PACKAGE / "specs"
    repository = _PACKAGE.parent
    if not installed.is_dir() and (repository / "pyproject.toml").is_file():
        return repository / "specs"
    return installed
