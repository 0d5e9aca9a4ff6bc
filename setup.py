"""What pyproject.toml cannot say: static/ and templates/ travel inside the package, and the core is compiled.

Each directory of app/elf/core is one extension module, app.elf._NAME. Where no compiler is at hand they are
left out with a warning, and slower readers in Python do their work.
"""

import sys
from pathlib import Path
from typing import Any

from setuptools import Extension, find_packages, setup

ASSETS = ("static", "templates")
CORE = Path("app/elf/core")
FLAGS = [
    "-std=c11",
    "-O3",
    "-Wall",
    "-Wextra",
    "-fno-strict-aliasing",
    "-fvisibility=hidden",
    "-pthread",
    "-flto",
]


def asset_files(top: str) -> list[str]:
    root = Path(top)
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]


def core_modules() -> list[Extension]:
    return [
        Extension(
            f"app.elf._{directory.name}",
            sources=sorted(str(path) for path in directory.glob("*.c")),
            depends=[str(path) for path in sorted(CORE.rglob("*.h"))],
            include_dirs=[str(CORE)],
            extra_compile_args=FLAGS,
            extra_link_args=FLAGS,
            optional=True,
        )
        for directory in sorted(CORE.iterdir())
        if directory.is_dir() and any(directory.glob("*.c"))
    ]


def layout() -> dict[str, Any]:
    """Where the packages lie. An editable install finds the assets beside the package, and needs one path.

    For anything else setuptools writes a finder, which delays each command more than most of its modules do.
    """
    packages = find_packages(include=["app", "app.*"])
    if "editable_wheel" in sys.argv:
        return {"packages": packages, "package_dir": {"": "."}}
    return {
        "packages": [*packages, *(f"app.assets.{top}" for top in ASSETS)],
        "package_dir": {f"app.assets.{top}": top for top in ASSETS},
        "package_data": {f"app.assets.{top}": asset_files(top) for top in ASSETS},
    }


setup(ext_modules=core_modules(), **layout())
