"""Keys and words."""

from __future__ import annotations

from ivr.sayas import upper
from tests.ivr.flow.defects.making import Made, kind, step_of
from tests.ivr.flow.defects.world import Files, put


@kind("same-key")
def two_options_on_one_key(good: Files) -> Made:
    for file, name, step in good.steps():
        for index, option in enumerate(step.get("options", [])[1:], 1):
            files, changed = step_of(good, file, name)
            put(changed, ("options", index, "key"), step["options"][0]["key"])
            yield f"{file} {name} {option['key']}", files


@kind("key-prefix")
def a_key_that_hides_another(good: Files) -> Made:
    for file, name, step in good.steps():
        for index, option in enumerate(step.get("options", [])[1:], 1):
            files, changed = step_of(good, file, name)
            put(changed, ("options", index, "key"), f"{step['options'][0]['key']}{option['key']}")
            yield f"{file} {name} {option['key']}", files


@kind("hides-command")
def an_option_on_a_commands_key(good: Files) -> Made:
    for file, name, step in good.steps():
        for command, of_it in good.data[file].get("globals", {}).items():
            if "key" in of_it and step.get("options"):
                files, changed = step_of(good, file, name)
                put(changed, ("options", 0, "key"), of_it["key"])
                yield f"{file} {name} {command}", files


@kind("same-word")
def two_options_with_one_word(good: Files) -> Made:
    for file, name, step in good.steps():
        options = step.get("options", [])
        for index, option in enumerate(options[1:], 1):
            for language in option.get("words", {}):
                files, changed = step_of(good, file, name)
                word = upper(options[0]["words"][language][0], language)
                put(changed, ("options", index, "words", language, 0), word)
                yield f"{file} {name} {language} {word}", files


ALIKE = {
    "tr": [("kargo", "kargom"), ("satış", "satıç"), ("onay", "anay"), ("fatura", "vatura")],
    "en": [("order", "older"), ("billing", "building"), ("fifteen", "fifty"), ("write", "right")],
}


@kind("sounds-alike")
def two_words_that_sound_alike(good: Files) -> Made:
    for file, name, step in good.steps():
        for language, pairs in ALIKE.items():
            for one, other in pairs if len(step.get("options", [])) > 1 else ():
                files, changed = step_of(good, file, name)
                changed["options"][0]["words"][language] = [one]
                changed["options"][1]["words"][language] = [other]
                yield f"{file} {name} {one} {other}", files


@kind("cannot-be-said")
def an_option_without_words_where_keys_are_off(good: Files) -> Made:
    for file, name, step in good.steps():
        for index, option in enumerate(step.get("options", [])):
            for language in option.get("words", {}) if isinstance(option, dict) else ():
                files, changed = step_of(good, file, name)
                put(changed, ("listen",), {"keys": False})
                words = {
                    other: said for other, said in option["words"].items() if other != language
                }
                put(changed, ("options", index, "words"), words)
                yield f"{file} {name} {language} {option['key']}", files


@kind("too-many-words")
def a_question_with_a_whole_dictionary(good: Files) -> Made:
    for file, name, step in good.steps():
        for language in ("tr", "en") if step.get("type") == "menu" else ():
            files, changed = step_of(good, file, name)
            many = [f"{chr(97 + n % 26)}{n}" for n in range(5000)]
            put(changed, ("options", 0, "words", language), many)
            yield f"{file} {name} {language}", files
