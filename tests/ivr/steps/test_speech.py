"""Callers who speak: what is confirmed, asked again, never offered twice; and when nobody listens."""

from __future__ import annotations

from datetime import datetime

import pytest

from ivr import events
from ivr.errors import FlowRefused
from ivr.flow.loader import load_text
from ivr.sayas.turkish import question_particle
from ivr.steps.listening import Listen
from tests.ivr.talking import Conversed, converse_with

FLOW = """
flow: shop
languages: [tr]
start: main
no_input: {tries: 2, next: person}
no_match: {tries: 3, next: person}
globals:
  operator: {key: "0", words: {tr: [temsilci]}, next: person}
  repeat: {key: "*", words: {tr: [tekrar]}}
prompts:
  main: {tr: "Sipariş mi, iade mi?"}
  keys: {tr: "Sipariş için bir, iade için iki."}
steps:
  main:
    type: menu
    prompt: main
    EXTRA
    options:
      - {key: 1, words: {tr: [sipariş, siparişim]}, next: orders}
      - {key: 2, words: {tr: [iade]}, next: returns}
      - {key: 3, words: {tr: [ödeme]}, next: payments}
  orders: {type: hangup}
  returns: {type: hangup}
  payments: {type: hangup}
  person: {type: transfer, to: support}
"""


async def talk(*script: str, extra: str = "note: ''", flow: str = FLOW) -> Conversed:
    text = flow.replace("EXTRA", extra)
    monday = datetime.fromisoformat("2026-11-23T10:00:00+03:00")
    return await converse_with(*script, flow=text, language="tr", now=monday)


@pytest.mark.parametrize(
    ("word", "particle"),
    [
        ("sipariş", "mi"),
        ("kargo", "mu"),
        ("fatura", "mı"),
        ("ödünç", "mü"),
        ("dört", "mü"),
        ("x", "mi"),
    ],
)
def test_the_particle_follows_the_last_vowel(word: str, particle: str) -> None:
    assert question_particle(word) == particle


@pytest.mark.parametrize(
    ("script", "path", "heard"),
    [
        (["says:sipariş@0.9"], "orders", []),
        (["says:sipariş@0.6", "says:evet"], "orders", ["sipariş mi dediniz?"]),
        (["says:sipariş@0.6", "1"], "orders", ["sipariş mi dediniz?"]),
        # silence, then the second way of asking
        (["says:sipariş@0.6", "", "1"], "orders",
         ["sipariş mi dediniz?", "sipariş mi? Evet için bire, hayır için ikiye basın."]),
        # refused: the next guess is offered at once, where it is the likely one of the rest
        (["says:sipariş@0.55|iade@0.4", "says:hayır", "says:evet"], "returns",
         ["sipariş mi dediniz?", "iade mi dediniz?"]),
        # too doubtful to ask about: the question again
        (["says:sipariş@0.4|iade@0.3", "2"], "returns",
         ["Kusura bakmayın, anlayamadım. Sipariş mi, iade mi?"]),
        # what was refused is not offered again; what is left of that answer is
        (["says:sipariş@0.6", "says:hayır", "says:sipariş@0.6|iade@0.3", "says:evet"], "returns",
         ["sipariş mi dediniz?", "Kusura bakmayın, anlayamadım. Sipariş mi, iade mi?",
          "iade mi dediniz?"]),
        # a clear answer after a refusal needs no question
        (["says:sipariş@0.6", "says:hayır", "says:ödeme@0.95"], "payments",
         ["sipariş mi dediniz?", "Kusura bakmayın, anlayamadım. Sipariş mi, iade mi?"]),
        # by key what was refused by voice is taken
        (["says:sipariş@0.6", "says:hayır", "1"], "orders",
         ["sipariş mi dediniz?", "Kusura bakmayın, anlayamadım. Sipariş mi, iade mi?"]),
        # commands work while something is confirmed, too
        (["says:sipariş@0.6", "says:temsilci"], "person", ["sipariş mi dediniz?"]),
        (["says:sipariş@0.6", "0"], "person", ["sipariş mi dediniz?"]),
        # a command has to be heard as clearly as any word
        (["says:temsilci@0.3", "1"], "orders",
         ["Kusura bakmayın, anlayamadım. Sipariş mi, iade mi?"]),
    ],
)  # fmt: skip
async def test_bands_of_confidence(script: list[str], path: str, heard: list[str]) -> None:
    call = await talk(*script)
    assert call.path == ["main", path]
    assert call.heard == ["Sipariş mi, iade mi?", *heard]


async def test_the_bands_are_the_flows_to_set() -> None:
    listen = "listen: {confidence: 0.2, sure: 0.3}"
    assert (await talk("says:sipariş@0.35", extra=listen)).path == ["main", "orders"]
    call = await talk("says:sipariş@0.25", "says:evet", extra=listen)
    assert call.heard[1:] == ["sipariş mi dediniz?"]


async def test_no_match_and_too_much_talk_are_told_apart() -> None:
    call = await talk("mumbles", "talks_on", "1")
    assert call.heard[1:] == [
        "Kusura bakmayın, anlayamadım. Sipariş mi, iade mi?",
        "Lütfen birkaç kelimeyle söyleyin. Sipariş mi, iade mi?",
    ]
    assert (await talk("mumbles", "talks_on", "mumbles")).path == ["main", "person"]
    troubles = [heard.trouble for heard in call.all(events.Heard)]
    assert troubles == ["no_match", "too_much", ""]
    apart = "too_much: {tries: 2, prompt: keys, next: returns}"
    call = await talk("mumbles", "talks_on", "mumbles", "talks_on", extra=apart)
    assert call.path == ["main", "returns"]
    assert "Sipariş için bir, iade için iki." in call.heard


async def test_nobody_listens_so_keys_answer_and_the_caller_is_told() -> None:
    keys_only = "Şu anda sizi sesle anlayamıyorum, lütfen tuşlarla cevaplayın."
    call = await talk("unheard", "2")
    assert call.path == ["main", "returns"]
    assert call.heard[1:] == [f"{keys_only} Sipariş mi, iade mi?"]
    # it was no try of the caller's, and nothing is listened for any more
    call = await talk("unheard", "says:iade", "says:iade", extra="keys_prompt: keys")
    assert call.heard[1:] == [
        f"{keys_only} Sipariş için bir, iade için iki.",
        "Sipariş mi, iade mi?",
    ]
    assert call.path == ["main", "person"]
    # where keys were off they are on again
    call = await talk("unheard", "1", extra="listen: {keys: false}")
    assert call.path == ["main", "orders"]


async def test_keys_and_speech_are_switched_apart() -> None:
    call = await talk("1", "says:iade", extra="listen: {keys: false}")
    assert call.path == ["main", "returns"]  # the key was not taken
    call = await talk("says:iade", "says:temsilci", extra="listen: {speech: false}")
    assert call.path == ["main", "person"]  # two silences
    assert [heard.kind for heard in call.all(events.Heard)] == ["nothing", "nothing"]


NUMBERS = """
flow: numbers
languages: [tr]
start: main
no_input: {tries: 2, next: person}
no_match: {tries: 2, next: person}
globals:
  operator: {words: {tr: [temsilci]}, next: person}
prompts: {ask: {tr: numara}, right: {tr: "{{ n | digits }}, doğru mu?"}}
steps:
  main: {type: collect, prompt: ask, digits: {min: 3, max: 8}, save: n, EXTRA, next: done}
  done: {type: hangup}
  person: {type: transfer, to: support}
"""


async def test_a_number_is_collected_by_voice_where_the_step_says_so() -> None:
    speech = "listen: {speech: true}"
    call = await talk("says:bir iki üç dört", extra=speech, flow=NUMBERS)
    assert call.path == ["main", "done"]
    assert call.all(events.VariableSet)[0].value == "1234"
    call = await talk("says:beş yüz otuz iki@0.7", "says:evet", extra=speech, flow=NUMBERS)
    assert call.all(events.VariableSet)[0].value == "532"
    assert call.heard[1].endswith("dediniz?")
    call = await talk("says:bir iki üç", "says:temsilci", extra="note: x", flow=NUMBERS)
    assert call.path == ["main", "person"]  # a number is no answer there; a command is


async def test_a_number_that_was_spoken_is_read_back_and_can_be_refused() -> None:
    extra = "listen: {speech: true}, confirm: {prompt: right}"
    call = await talk("says:bir iki üç@0.55", "says:hayır", "says:bir iki üç@0.6|bir iki dört@0.4",
                      "says:evet", extra=extra, flow=NUMBERS)  # fmt: skip
    assert call.path == ["main", "done"]
    assert [set_.value for set_ in call.all(events.VariableSet)] == ["123", "124"]
    call = await talk("says:bir iki üç", "says:temsilci", extra=extra, flow=NUMBERS)
    assert call.path == ["main", "person"]


ASK = """
flow: asks
languages: [tr, en]
start: main
no_input: {tries: 2, next: person}
no_match: {tries: 2, next: person}
prompts: {ask: {tr: soru, en: question}, right: {tr: "{{ v_said }}, doğru mu?", en: "{{ v_said }}, right?"}}
steps:
  main: {type: ask, prompt: ask, confirm: right, save: v, EXTRA, next: done}
  done: {type: hangup}
  person: {type: transfer, to: support}
"""


@pytest.mark.parametrize(
    ("kind", "language", "said", "keyed", "value"),
    [
        ("yes_no", "tr", "evet", "1", True),
        ("yes_no", "en", "no", "2", False),
        ("digits", "tr", "bir iki üç", "123#", "123"),
        ("digits", "en", "one two three", "123#", "123"),
        ("number", "tr", "kırk iki", "42#", 42),
        ("number", "en", "forty two", "42#", 42),
        ("date", "tr", "yarın", "2411#", "2026-11-24"),
        ("date", "tr", "3 Aralık", "0312#", "2026-12-03"),
        ("date", "en", "tomorrow", "2411#", "2026-11-24"),
        ("date", "en", "3 december", "0312#", "2026-12-03"),
        ("amount", "tr", "dört yüz elli lira doksan kuruş", "450*90#", "450.90"),
        ("amount", "en", "four hundred fifty lira and ninety kurus", "450*90#", "450.90"),
        ("phone", "tr", "sıfır beş yüz otuz iki yüz on bir yirmi iki otuz üç", "05321112233#",
         "+905321112233"),
        ("phone", "en", "zero five three two one one one two two three three", "05321112233#",
         "+905321112233"),
        ("one_of, options: {kırmızı: [], mavi: [lacivert]}", "tr", "lacivert", "2#", "mavi"),
        ("one_of, options: {red: [], blue: [navy]}", "en", "navy", "2#", "blue"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("by", ["voice", "key"])
async def test_typed_answers(
    kind: str, language: str, said: str, keyed: str, value: object, by: str
) -> None:
    monday = datetime.fromisoformat("2026-11-23T10:00:00+03:00")
    first = f"says:{said}@0.6" if by == "voice" else keyed
    flow = ASK.replace("EXTRA", f"kind: {kind}")
    call = await converse_with(first, "1", flow=flow, language=language, now=monday)
    assert call.path == ["main", "done"]
    kept = call.all(events.VariableSet)[0].value
    assert (kept if isinstance(value, (bool, int)) else str(kept)) == value
    assert len(call.heard) == 2  # read back once, not confirmed before that as well


async def test_free_words_need_a_recogniser() -> None:
    flow = ASK.replace("EXTRA", "kind: words").replace(" confirm: right,", "")
    assert (await talk("says:mavi olan gelmedi", flow=flow)).path == ["main", "done"]
    assert (await talk("unheard", flow=flow)).path == ["main", "person"]


def test_what_cannot_be_listened_to_is_refused() -> None:
    with pytest.raises(FlowRefused, match="nobody could answer"):
        load_text(FLOW.replace("EXTRA", "listen: {speech: false, keys: false}"))
    with pytest.raises(FlowRefused, match=r"sure 0\.3 is less than confidence 0\.6"):
        load_text(FLOW.replace("EXTRA", "listen: {confidence: 0.6, sure: 0.3}"))
    listen = Listen(keys=False, sure=0.9).changed_by(Listen(speech=True))
    assert (listen.keys, listen.sure, listen.speech) == (False, 0.9, True)
    assert Listen(barge_in=True).as_speech(False, 5.0).barge_in
    assert not Listen().as_speech(False, 5.0).barge_in
