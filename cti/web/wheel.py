"""The wheel's build makes the pages' bundle, so that who installs it needs no npm.

setuptools loads this file by its path (`cmdclass` in pyproject.toml), with nothing of ours
importable around it.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Any

from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildPages(build_py):  # type: ignore[misc]
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # made from the sources when they are needed
        bundling = _load(HERE / "bundling.py")
        with tempfile.TemporaryDirectory() as cache:
            try:
                made = bundling.bundle(Path(cache), self.announce)
            except bundling.CannotBundle as reason:
                # The sources are in the wheel, too: the first start of the web server makes them.
                self.warn(f"this wheel carries no pages: {reason}")
                return
            target = Path(self.build_lib) / "cti" / "web" / "bundle"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(made, target)


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
