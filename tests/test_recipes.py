"""Every piece of YAML in the recipes is put into a folder beside the shipped flows, and used."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from cti.commands.trying import around_of, read_tests
from cti.lines import load_lines
from cti.settings import HOME
from cti.tables import load_tables
from ivr.flow.folder import check_folder
from ivr.lab.trial import run_all

RECIPES = sorted((HOME / "docs" / "recipes").glob("[0-9]*.md"))
BLOCK = re.compile(r"```yaml\n(# (scenarios/\S+\.yaml)\n.*?)```", re.DOTALL)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_works_as_it_stands(recipe: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(HOME / "scenarios", tmp_path / "scenarios"))
    text = recipe.read_text("utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("```yaml") > 0, "every block says which file it is"
    for block, name in blocks:
        (tmp_path / name).write_text(block, "utf-8")
    checked = check_folder(folder)
    assert [str(one) for one in checked.findings] == []
    assert load_tables(folder).findings == []
    load_lines(folder / "lines.yaml", checked.library)
    mine = {Path(name).name for _, name in blocks if name.startswith("scenarios/tests/")}
    for name in mine:
        talked = run_all(read_tests(folder, folder / "tests" / name, ""), around_of(checked))
        assert [f"{one.trial.name}: {one.wrong}" for one in talked if not one.passed] == []


def test_there_are_ten_and_the_page_lists_them() -> None:
    listed = re.findall(r"\]\((\d\d-\S+\.md)\)", (HOME / "docs/recipes/README.md").read_text())
    assert listed == [path.name for path in RECIPES]
    assert len(RECIPES) == 10
