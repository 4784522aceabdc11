"""Names of a package that import their module on first use, so that importing the package costs nothing."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, home: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`, as of PEP 562.

    Parameters
    ----------
    package : str
        Its full name.
    home : mapping
        From a name to the module in the package that has it.

    Examples
    --------
    >>> get, _ = lazy_names("json", {"JSONDecoder": "decoder"})
    >>> get("JSONDecoder").__name__
    'JSONDecoder'
    """

    def get(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return get, names
