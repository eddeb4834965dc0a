"""Prompts and their recordings."""

from __future__ import annotations

from tests.ivr.flow.defects.making import Made, kind, step_of
from tests.ivr.flow.defects.world import Files, Sound


@kind("missing-language")
def a_prompt_missing_in_a_language(good: Files) -> Made:
    for file, name, prompt in good.prompts():
        for language in ("tr", "en"):
            if language in prompt:
                files = good.copy()
                del files.data[file]["prompts"][name][language]
                yield f"{file} {name} {language}", files
    for file, name, step in good.steps():
        if step["type"] == "language":
            files, changed = step_of(good, file, name)
            changed["to"] = "de"
            yield f"{file} {name} speaks what the flow does not", files


@kind("no-such-prompt")
def a_prompt_that_is_not_there(good: Files) -> Made:
    for file, name, step in good.steps():
        if "prompt" in step:
            files, changed = step_of(good, file, name)
            changed["prompt"] = f"{step['prompt']}s"
            yield f"{file} {name}", files


@kind("unused-prompt")
def a_prompt_that_nobody_says(good: Files) -> Made:
    for file, _ in good.flows():
        files = good.copy()
        files.data[file]["prompts"]["nobody_says"] = {"tr": "merhaba", "en": "hello"}
        yield file, files


@kind("empty-prompt")
def a_prompt_that_says_nothing(good: Files) -> Made:
    for file, name, _ in list(good.prompts())[::6]:
        for text in ("", " ... "):
            files = good.copy()
            files.data[file]["prompts"][name]["tr"] = text
            yield f"{file} {name} {text!r}", files


@kind("no-filter")
def a_language_without_the_filter(good: Files) -> Made:
    for file, data in good.flows():
        if any("|" in str(text) for p in data["prompts"].values() for text in p.values()):
            files = good.copy()
            files.data[file]["languages"].append("de")
            for _, _, prompt in files.prompts():
                prompt["de"] = prompt["en"]
            yield f"{file} speaks German", files


@kind("recording-missing")
def a_recording_missing_in_a_language(good: Files) -> Made:
    for language in ("tr", "en"):
        for name in ("hello", "shop/hello", "busy"):
            files = good.copy()
            files.sounds[f"{language}/{name}.wav"] = Sound()
            yield f"{language} {name}", files


@kind("recording-format")
def a_recording_that_cannot_be_played(good: Files) -> Made:
    wrong = {
        "16 kHz": Sound(rate=16000),
        "44 kHz stereo": Sound(rate=44100, channels=2),
        "8 bit": Sound(width=1),
        "empty": Sound(frames=0),
        "no WAV": Sound(raw=b"ID3 not a wav file at all"),
        "cut short": Sound(raw=b"RIFF"),
    }
    for what, sound in wrong.items():
        files = good.copy()
        files.sounds["tr/hello.wav"] = Sound()
        files.sounds["en/hello.wav"] = sound
        yield what, files


@kind("recording-unused")
def a_recording_of_a_prompt_with_values(good: Files) -> Made:
    for name in ("status", "stock", "address"):
        files = good.copy()
        for language in ("tr", "en"):
            files.sounds[f"{language}/{name}.wav"] = Sound()
        yield name, files
