"""Secrets."""

from __future__ import annotations

from tests.ivr.flow.defects.making import Made, kind, step_of
from tests.ivr.flow.defects.world import Files


@kind("secret-spoken")
def a_secret_that_is_read_out(good: Files) -> Made:
    for language in ("tr", "en"):
        files = good.copy()
        files.data["shop.yaml"]["prompts"]["paid"][language] += " {{ card | default('') }}"
        yield f"the card is said in {language}", files
    files, changed = step_of(good, "shop.yaml", "card")
    files.data["shop.yaml"]["prompts"]["read_back"] = {"tr": "{{ card }}?", "en": "{{ card }}?"}
    changed["confirm"] = {"prompt": "read_back"}
    yield "the card is read back", files
    files, changed = step_of(good, "shop.yaml", "pay")
    changed["done"] = "copy"
    steps = files.data["shop.yaml"]["steps"]
    steps["copy"] = {
        "type": "set",
        "values": {"seen": "x{{ card }}", "again": "{{ seen }}"},
        "next": "paid",
    }
    files.data["shop.yaml"]["prompts"]["paid"]["en"] += " {{ again }}"
    files.data["shop.yaml"]["prompts"]["paid"]["tr"] += " {{ again }}"
    yield "a copy of a copy is said", files
    files, changed = step_of(good, "identify.yaml", "ask_code")
    changed["secret"] = True
    files.data["identify.yaml"]["steps"]["keep"]["values"]["name"] = "{{ code | default('') }}"
    yield "what a sub-flow returns is said", files


@kind("secret-exposed")
def a_secret_that_is_written_down(good: Files) -> Made:
    for name, key in (("tell", "data"), ("ask_stock", "body"), ("to_support", "why")):
        files, changed = step_of(good, "shop.yaml", name)
        steps = files.data["shop.yaml"]["steps"]
        steps["ask_number"]["secret"] = True
        source = "{{ number | default('') }}"
        changed[key] = source if key == "why" else {"number": source}
        if name == "ask_stock":
            steps["status"]["next"] = "ask_stock"
        yield f"{name} {key}", files
    for name in ("tell", "to_support"):
        files, changed = step_of(good, "shop.yaml", "find")
        changed["found"] = "copy"
        steps = files.data["shop.yaml"]["steps"]
        steps["ask_number"]["secret"] = True
        steps["copy"] = {"type": "set", "values": {"kept": "no {{ number }}"}, "next": "status"}
        source = "{{ kept | default('') }}"
        steps[name]["data" if name == "tell" else "why"] = (
            {"number": source} if name == "tell" else source
        )
        yield f"a copy in {name}", files
    files, changed = step_of(good, "shop.yaml", "pay")
    steps = files.data["shop.yaml"]["steps"]
    changed["done"] = "send"
    steps["send"] = {
        "type": "http", "url": "https://pay.example/{{ card }}", "ok": "paid", "error": "to_support",
    }  # fmt: skip
    yield "in an address", files
    files, changed = step_of(good, "shop.yaml", "card")
    changed["next"] = "dial"
    files.data["shop.yaml"]["steps"]["dial"] = {"type": "transfer", "to": "{{ card }}"}
    files.data["shop.yaml"]["steps"]["pay"]["with"]["card"] = "{{ card | default('') }}"
    yield "dialled", files
    files, changed = step_of(good, "shop.yaml", "known")
    files.data["shop.yaml"]["start"] = "card"
    files.data["shop.yaml"]["steps"]["paid"]["next"] = "known"
    changed["with"]["phone"] = "{{ card | default('') }}"
    files.data["identify.yaml"]["steps"]["unknown"]["next"] = "note"
    files.data["identify.yaml"]["steps"]["note"] = {
        "type": "notify", "event": "unknown", "data": {"phone": "{{ phone }}"}, "next": "return",
    }  # fmt: skip
    yield "handed to a sub-flow that tells it", files
