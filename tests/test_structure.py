"""The structure: imports point one way, so that each module can be read after the ones it stands on."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "clients", "lab", "tests")

MAY_IMPORT = {  # lab and tests stand on both halves; the halves meet only on the wire
    "server": {"server"},
    "clients": {"clients"},
    "lab": {"server", "clients", "lab"},
    "tests": {"server", "clients", "lab", "tests"},
}

ORDER = ["server.answer", "server.wire", "server.push", "server.transports", "server.views", "server.app"]
"""Each may import those before it, and none after it."""

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module(path: Path) -> str:
    """`server/sources/__init__.py` is `server.sources`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """The modules of this project that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides where it points"
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.partition(".")[0] in PACKAGES)


def place(name: str) -> int | None:
    """Where in ORDER a module stands."""
    return next((at for at, stage in enumerate(ORDER) if name == stage or name.startswith(f"{stage}.")), None)


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_packages_import_only_what_they_may(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    assert {name.partition(".")[0] for name in imports(path)} <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", [path for path in SOURCES if place(module(path)) is not None], ids=module)
def test_the_server_imports_one_way(path: Path) -> None:
    here = place(module(path))
    assert here is not None
    assert [name for name in imports(path) if (there := place(name)) is not None and there > here] == []


def test_every_stage_of_the_order_exists() -> None:
    assert set(ORDER) <= {module(path) for path in SOURCES}


def test_no_module_is_imported_in_a_circle() -> None:
    edges = {module(path): set(imports(path)) for path in SOURCES}

    def reach(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        for target in edges.get(name, set()) - {name}:
            if target not in done:
                reach(target, (*path, name))
        done.add(name)

    done: set[str] = set()
    for name in edges:
        reach(name, ())
