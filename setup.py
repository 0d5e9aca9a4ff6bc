"""What pyproject.toml cannot say: static/ and templates/ travel inside the package in a wheel."""

from pathlib import Path

from setuptools import find_packages, setup

ASSETS = ("static", "templates")


def asset_files(top: str) -> list[str]:
    root = Path(top)
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]


setup(
    packages=[*find_packages(include=["app", "app.*"]), *(f"app.assets.{top}" for top in ASSETS)],
    package_dir={f"app.assets.{top}": top for top in ASSETS},
    package_data={f"app.assets.{top}": asset_files(top) for top in ASSETS},
)
