"""The file itself."""

from __future__ import annotations

from typing import Any

from tests.ivr.flow.defects.making import Made, kind, step_of
from tests.ivr.flow.defects.world import Files, as_text


@kind("unknown-key")
def a_key_that_nothing_knows(good: Files) -> Made:
    for file, name, step in list(good.steps())[::2]:
        for key in list(step)[-1:]:
            if key != "type":
                files, changed = step_of(good, file, name)
                changed[key + "_"] = changed[key]
                yield f"{file} {name} {key}", files


@kind("no-such-type")
def a_step_type_that_is_not_there(good: Files) -> Made:
    for file, name, step in list(good.steps())[::3]:
        files, changed = step_of(good, file, name)
        changed["type"] = step["type"] + "s"
        yield f"{file} {name}", files


@kind("no-type")
def a_step_without_a_type(good: Files) -> Made:
    for file, name, _ in list(good.steps())[::9]:
        files, changed = step_of(good, file, name)
        del changed["type"]
        yield f"{file} {name}", files


@kind("bad-value")
def a_value_that_is_not_allowed(good: Files) -> Made:
    wrong: dict[str, dict[str, Any]] = {
        "collect": {"digits": {"min": 8, "max": 4}},
        "lookup": {"deadline": "soon"},
        "rate": {"scale": "1-7"},
        "menu": {"options": []},
        "queue": {"priority": 900},
        "http": {"method": "SEND"},
        "record": {"limit": "-3s"},
    }
    for file, name, step in good.steps():
        if step["type"] in wrong:
            files, changed = step_of(good, file, name)
            changed.update(wrong[step["type"]])
            yield f"{file} {name}", files


@kind("bad-expression")
def an_expression_that_cannot_be_read(good: Files) -> Made:
    for file, name, prompt in good.prompts():
        for language, text in prompt.items():
            if isinstance(text, str) and "{{" in text:
                for wrong in (text.replace("}}", "}", 1), text.replace("}}", "| shout }}", 1)):
                    files = good.copy()
                    files.data[file]["prompts"][name][language] = wrong
                    yield f"{file} {name} {language}", files


@kind("given-twice")
def a_name_given_twice(good: Files) -> Made:
    for file, data in good.flows():
        files = good.copy()
        name = list(data["steps"])[-1]
        files.texts[file] = as_text(data) + f"  {name}: {{type: hangup}}\n"
        yield f"{file} step {name}", files
        files = good.copy()
        files.data["copy.yaml"] = data
        yield f"{file} twice", files
    for table, name in (("hours", "shop"), ("queries", "order_by_number"), ("prompts", "thanks")):
        files = good.copy()
        source = next(d for d in good.data.values() if table in d and "flow" not in d)
        files.data["more.yaml"] = {table: {name: source[table][name]}}
        yield f"{table} {name}", files


@kind("bad-yaml")
def a_file_that_is_no_yaml(good: Files) -> Made:
    text = as_text(good.data["shop.yaml"])
    wrong = {
        "half saved": text[: len(text) // 2] + '"',
        "a tab": text.replace("\n  ", "\n\t", 1),
        "a bracket": text.replace("steps:", "steps: [", 1),
        "an open quote": text.replace("start: ", 'start: "', 1),
    }
    for what, broken in wrong.items():
        files = good.copy()
        files.texts["shop.yaml"] = broken
        yield what, files


@kind("too-large", "bad-tag", "empty", "bad-key")
def a_file_that_is_refused(good: Files) -> Made:
    text = as_text(good.data["shop.yaml"])
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    wrong = {
        "a bomb": bomb + text,
        "a tag": text.replace("start: ", "start: !!python/name:os.system ", 1),
        "5 MB": text + "# " + "x" * 5_000_000,
        "empty": "# nothing\n",
        "a list as a name": text + "? [a, b]\n: c\n",
    }
    for what, broken in wrong.items():
        files = good.copy()
        files.texts["shop.yaml"] = broken
        yield what, files
