"""`santral models`: the speech models there are, adding one, trying one, and what will be used."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cti.settings import Settings
from ivr.errors import BadInput

if TYPE_CHECKING:
    from ivr.speech.adding import Offer
    from ivr.speech.models import ModelInfo

HELP: Final = """examples:
  santral models                                   what there is, and what each language will use
  santral models add https://…/vosk-model-tr.zip --language tr --sha256 9f86d0…
  santral models add ./vosk-model-tr.zip --language tr
  santral models test note.wav --language tr       what is heard in a wav file, and how fast
  santral models test note.wav --words "sipariş, iade" --json

Before anything is fetched or copied, its licence and size are shown and you are asked; --yes says
yes at once. What comes from an address has to be named by its sha256 (--unchecked does without).
"""


def add_commands(commands: Any) -> None:
    models = commands.add_parser(
        "models",
        help="speech models: list, add, test",
        description="Speech models: list, add, test.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.add_argument("--json", action="store_true", help="for scripts")
    models.set_defaults(run=run_list)
    doing = models.add_subparsers(title="what to do", metavar="WHAT")

    listing = doing.add_parser("list", help="what there is, and what each language will use")
    listing.add_argument("--json", action="store_true", help="for scripts")
    listing.set_defaults(run=run_list)

    adding = doing.add_parser("add", help="add a model from a folder, an archive or an address")
    adding.add_argument("source", help="a folder, a .zip or .tar.*, or an http(s) address of one")
    adding.add_argument("--language", required=True, help="its language, as tr or en")
    adding.add_argument("--sha256", default="", help="of the archive, as its publisher says")
    adding.add_argument("--unchecked", action="store_true", help="an address without a sha256")
    adding.add_argument("--yes", action="store_true", help="do not ask")
    adding.add_argument("--json", action="store_true", help="for scripts; needs --yes")
    adding.set_defaults(run=run_add)

    testing = doing.add_parser("test", help="what a model hears in a wav file of 8 kHz")
    testing.add_argument("wav", type=Path)
    testing.add_argument("--language", default="", help="the language spoken (the settings')")
    testing.add_argument("--model", default="", help="a model's name, its folder, or an engine")
    testing.add_argument("--words", default="", help="only these phrases, with commas between")
    testing.add_argument("--json", action="store_true", help="for scripts")
    testing.set_defaults(run=run_test)


def run_list(arguments: argparse.Namespace) -> int:
    from cti.speech import live_choices, transcription_choices
    from ivr.speech.models import explain, list_models

    settings = Settings.from_environment()
    found = list_models(settings.models)
    live, after = live_choices(settings), transcription_choices(settings)
    if arguments.json:
        _say_json(
            {
                "models": [_told(model) for model in found],
                "live": {tongue: [*map(str, engines)] for tongue, engines in live.items()},
                "recordings": {tongue: [*map(str, engines)] for tongue, engines in after.items()},
            }
        )
        return 0
    print("\n".join(_line(model) for model in found))
    print("\nCallers are heard by")
    print("\n".join(f"  {line}" for line in explain(live)))
    same = after == live
    print("\nRecordings are transcribed by" + (" the same" if same else ""))
    if not same:
        print("\n".join(f"  {line}" for line in explain(after)))
    return 0


def run_add(arguments: argparse.Namespace) -> int:
    return asyncio.run(_add(arguments, Settings.from_environment()))


async def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    from ivr.speech.adding import add, offer

    if arguments.json and not arguments.yes:
        raise BadInput("--json cannot ask you: say --yes as well")
    remote = arguments.source.startswith(("http://", "https://"))
    if remote and not arguments.sha256 and not arguments.unchecked:
        raise BadInput(
            "what comes from an address is checked: give its --sha256 as the publisher says it, "
            "or --unchecked to take what comes"
        )
    offered = await offer(arguments.source)
    _show_offer(offered, arguments)
    if not arguments.yes and not _agreed():
        print("nothing was added")
        return 1
    settings.models.mkdir(parents=True, exist_ok=True)
    added = await add(
        arguments.source, settings.models, arguments.language, sha256=arguments.sha256
    )
    if arguments.json:
        _say_json(_told(added))
        return 0
    print(f"added  {_line(added)}")
    print("The engine hears with it after its next restart.")
    return 0


def _show_offer(offered: Offer, arguments: argparse.Namespace) -> None:
    print(f"to add {offered}", file=sys.stderr if arguments.json else sys.stdout)
    if not arguments.sha256 and Path(arguments.source).is_file():
        print("       not checked: no --sha256 was given", file=sys.stderr)


def _agreed() -> bool:
    try:
        return input("Add it? [y/N] ").strip().lower() in {"y", "yes", "e", "evet"}
    except EOFError:
        return False


def run_test(arguments: argparse.Namespace) -> int:
    from ivr.speech.models import try_wav

    settings = Settings.from_environment()
    language = arguments.language or settings.language
    choice = _meant(arguments.model, language, settings)
    words = [word.strip() for word in arguments.words.split(",") if word.strip()]
    heard = asyncio.run(try_wav(choice, language, arguments.wav, words))
    guesses = heard.final.guesses
    if arguments.json:
        _say_json({"engine": str(choice), "language": language} | asdict(heard))
        return 0
    print(f"{choice} for {language}, {'any words' if not words else f'{len(words)} phrases'}")
    for guess in guesses:
        print(f"  {guess.confidence:5.2f}  {guess.text or '(words that were not expected)'}")
    if not guesses:
        print("  nothing that it knows")
    share = heard.hear_ms / max(1, heard.audio_ms)
    print(
        f"loaded in {heard.load_ms} ms; {heard.audio_ms} ms of sound heard in {heard.hear_ms} ms"
        f" ({share:.2f} of real time)"
    )
    return 0


def _meant(model: str, language: str, settings: Settings) -> Any:
    """The engine that `--model` names; without it the first that hears the language."""
    from cti.speech import live_choices
    from ivr.speech.engines import ENGINES, EngineChoice
    from ivr.speech.models import describe, list_models

    if not model:
        chosen = live_choices(settings).get(language)
        if not chosen:
            raise BadInput(f"nothing hears the language '{language}'; add a model for it")
        return chosen[0]
    for one in list_models(settings.models):
        if model == one.name and not one.ships:
            return EngineChoice("vosk", str(one.folder))
    if model.partition(":")[0] in ENGINES:
        return EngineChoice.parse(model)
    return EngineChoice("vosk", str(describe(Path(model), language).folder))


def _told(model: ModelInfo) -> Mapping[str, Any]:
    return {**asdict(model), "folder": str(model.folder)}


def _line(model: ModelInfo) -> str:
    from ivr.speech.models import size_text

    words = f"{model.words} words" if model.words else "words not listed"
    where = "ships with Santral" if model.ships else model.source or str(model.folder)
    return (
        f"{model.language:4} {model.name:32} {size_text(model.size):>9}  {words:18} {where}\n"
        f"     licence: {model.licence}"
    )


def _say_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2, default=str))
