"""What can be done with flows without a telephone: check, try, call, graph, schema, replay."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from cti.settings import HOME, Settings
from ivr.errors import BadInput

CHECK: Final = """examples:
  santral check                            the flows in ./scenarios, as a whole
  santral check scenarios/order_line.yaml  one file, with what stands beside it
  santral check --sarif > check.sarif      for editors and CI; --json for scripts
  santral check --codes                    every code there is, and what to do about it
  santral check --speech order_line        say every menu's words in many voices, noises and speeds,
                                           and tell which are taken for one another

Prints each finding as file:line:column: severity code: message, with the path a caller would take
to it. Exit 0: nothing but notes. Exit 1: errors or warnings. An error keeps a flow from the line.
"""


def add_commands(commands: Any) -> None:
    check = _command(commands, "check", "prove the flows before a caller hears them", CHECK)
    _path(check)
    form = check.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, for scripts")
    form.add_argument("--sarif", action="store_true", help="SARIF 2.1.0, for editors and CI")
    form.add_argument("--codes", action="store_true", help="list the codes and stop")
    check.add_argument("--speech", action="store_true", help="the confusion lab, for one flow")
    check.set_defaults(run=run_check)

    trying = _command(commands, "try", "run test conversations, without a telephone", TRY)
    trying.add_argument("path", nargs="?", type=Path, help="a folder or a file (./scenarios)")
    trying.add_argument("--only", default="", metavar="TEXT", help="tests with this in their name")
    trying.add_argument("--generate", action="store_true", help="propose tests that are missing")
    trying.add_argument("--json", action="store_true", help="everything, for scripts")
    trying.set_defaults(run=run_try)

    calling = _command(commands, "call", "talk to a flow at the keyboard", CALL)
    calling.add_argument("flow", help="the flow's name")
    calling.add_argument("--folder", type=Path, help="where the flows are (./scenarios)")
    calling.add_argument("--language", default="", help="the language to begin in")
    calling.add_argument("--caller", default="", help="the caller's number")
    calling.add_argument("--outbound", action="store_true", help="as a call that goes out")
    calling.add_argument("--given", default="", help="answers of the world: a YAML file, or YAML")
    calling.add_argument("--now", default="", help="the time it is: 2026-11-23T10:00")
    calling.add_argument("--speak", action="store_true", help="hear the prompts as well")
    calling.set_defaults(run=run_call)
    _add_drawing(commands)


def _add_drawing(commands: Any) -> None:
    graph = _command(commands, "graph", "draw a flow", GRAPH)
    graph.add_argument("flow", help="the flow's name")
    graph.add_argument("--folder", type=Path, help="where the flows are (./scenarios)")
    graph.add_argument("--language", default="", help="the language of its prompts")
    graph.add_argument("--form", default="", help="mermaid, dot or svg")
    graph.add_argument("--whole", action="store_true", help="every way, and every box only once")
    graph.add_argument("--json", action="store_true", help="the graph itself, for scripts")
    graph.add_argument("-o", "--output", type=Path, default=Path(), help="the file to write")
    graph.set_defaults(run=run_graph)

    replay = _command(commands, "replay", "have a call again, with the flow as it is now", REPLAY)
    replay.add_argument("call", help="the id or its beginning, or a file of entries")
    replay.add_argument("--folder", type=Path, help="where the flows are (./scenarios)")
    replay.add_argument("--flow", default="", help="another flow than the call's own")
    replay.add_argument("--as-test", action="store_true", help="write it as a test instead")
    replay.add_argument("--demo", action="store_true", help="a call of the demo")
    replay.add_argument("--json", action="store_true", help="everything, for scripts")
    replay.set_defaults(run=run_replay)

    schema = _command(commands, "schema", "the JSON Schema for editors", SCHEMA_HELP)
    schema.add_argument("--tests", action="store_true", help="of a file of tests")
    schema.add_argument("--json", action="store_true", help="as it always is")
    schema.add_argument("--write", action="store_true", help="write docs/ anew")
    schema.set_defaults(run=run_schema)


TRY: Final = """examples:
  santral try                                every test in ./scenarios/tests
  santral try scenarios/tests/order_line.yaml
  santral try --only "by key" --json         those whose name says so; for scripts
  santral try --generate > proposed.yaml     tests for what no test walks through yet

A test is a conversation: what the caller hears, presses and says, and how it ends. The clock is
virtual, lookups are answered by `given`. Exit 0: all as expected. See docs/flow-language.md.
"""


CALL: Final = """examples:
  santral call order_line                       talk to it; lookups ask the demo shop
  santral call order_line --language en --caller +905321112233
  santral call order_line --given '{query.order_by_number: error}'
  printf '1\\n1234#\\n' | santral call order_line  from a file or a pipe as well

Type keys or words. An empty line is silence, Ctrl-D hangs up; :vars, :path and :help show more.
"""


GRAPH: Final = """examples:
  santral graph order_line -o order_line.svg    a picture; the ending says the form
  santral graph order_line --form mermaid       for a page that draws Mermaid (the default)
  santral graph order_line --form dot | dot -Tpng -o order_line.png
  santral graph order_line --json               the boxes and the ways
"""
REPLAY: Final = """examples:
  santral replay 3f2a                  a call of the journal, with its flow as it is now
  santral replay 3f2a --flow new_line  with another flow
  santral replay 3f2a --as-test        the call as a test, for scenarios/tests
  santral replay entries.json --json   from a file of journal entries; for scripts

Exit 1 when the call goes another way now. Secret answers are not in the journal.
"""
SCHEMA: Final = "../docs/flow.schema.json"
SCHEMA_HELP: Final = f"""examples:
  santral schema                the JSON Schema of a flow file
  santral schema --tests        that of a file of tests
  santral schema --write        docs/*.schema.json and docs/flow-language.md, anew

An editor with the YAML language server uses it when a flow begins with this line:
  # yaml-language-server: $schema={SCHEMA}
"""


def _command(commands: Any, name: str, about: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=about.capitalize() + ".",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, help="a folder or a file (./scenarios)")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _say_json(data: Any) -> None:
    _say(json.dumps(data, ensure_ascii=False, indent=2))


def _folder(path: Path | None, settings: Settings) -> tuple[Path, Path | None]:
    """The folder that is meant, and the one file of it where one was given."""
    given = _near(path or settings.scenarios)
    if not given.exists():
        raise BadInput(f"there is no {given}")
    return (given.parent, given) if given.is_file() else (given, None)


def _near(path: Path) -> Path:
    """The path as it is shortest from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def run_replay(arguments: argparse.Namespace) -> int:
    from cti.commands.replaying import replay_call

    settings = Settings.from_environment()
    folder, _ = _folder(arguments.folder, settings)
    if arguments.demo:
        settings = settings.model_copy(update={"state": settings.state / "demo"})
    return replay_call(
        arguments.call, folder, settings,
        flow=arguments.flow, as_test=arguments.as_test, as_json=arguments.json,
    )  # fmt: skip


def run_graph(arguments: argparse.Namespace) -> int:
    from ivr.flow.finding import meant
    from ivr.flow.folder import check_folder
    from ivr.flow.graph import dot, graph_of, mermaid
    from ivr.flow.svg import svg

    folder, _ = _folder(arguments.folder, Settings.from_environment())
    views = check_folder(folder).views
    if arguments.flow not in views:
        raise BadInput(f"there is no flow '{arguments.flow}'{meant(arguments.flow, views)}")
    graph = graph_of(views[arguments.flow].flow, arguments.language, whole=arguments.whole)
    if arguments.json:
        _say_json(asdict(graph))
        return 0
    form = arguments.form or arguments.output.suffix.removeprefix(".") or "mermaid"
    writers = {"mermaid": mermaid, "mmd": mermaid, "dot": dot, "gv": dot, "svg": svg}
    if form not in writers:
        raise BadInput(f"'{form}' is not known; there are mermaid, dot and svg")
    text = writers[form](graph)
    if arguments.output.name:
        arguments.output.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
    return 0


def run_schema(arguments: argparse.Namespace) -> int:
    from ivr.flow.schema import editor_line, flow_schema
    from ivr.lab.trial import trial_schema

    if arguments.write:
        from cti.commands.flowdocs import write_docs

        for path in write_docs(HOME):
            _say(f"wrote {_near(path)}")
        _say(f"Begin a flow with: {editor_line(SCHEMA)}")
        return 0
    _say_json(trial_schema() if arguments.tests else flow_schema())
    return 0


def run_call(arguments: argparse.Namespace) -> int:
    from cti.commands.calling import call_flow

    settings = Settings.from_environment()
    folder, _ = _folder(arguments.folder, settings)
    return call_flow(
        arguments.flow, folder, settings,
        language=arguments.language, caller=arguments.caller, outbound=arguments.outbound,
        given=arguments.given, now=arguments.now, speak=arguments.speak,
    )  # fmt: skip


def run_try(arguments: argparse.Namespace) -> int:
    from cti.commands.trying import propose, try_all

    folder, only = _test_folder(arguments.path, Settings.from_environment())
    if arguments.generate:
        return propose(folder, only)
    return try_all(folder, only, name=arguments.only, as_json=arguments.json)


def _test_folder(path: Path | None, settings: Settings) -> tuple[Path, Path | None]:
    """The folder of flows that is meant, and the one file of tests where one was given."""
    given = _near(path or settings.scenarios)
    if given.is_file():
        return (given.parent.parent if given.parent.name == "tests" else given.parent), given
    if given.name == "tests" and given.is_dir():
        return given.parent, None
    return _folder(path, settings)


def run_check(arguments: argparse.Namespace) -> int:
    from ivr.flow.folder import check_folder
    from ivr.flow.report import as_json, as_sarif, as_text, failing
    from ivr.flow.verify.rules import RULES

    if arguments.codes:
        for rule in RULES.values():
            _say(f"{rule.code:20} {rule.severity.value:8} {rule.means} {rule.do}")
        return 0
    settings = Settings.from_environment()
    if arguments.speech:
        from cti.commands.confusing import check_speech

        if arguments.path is None or arguments.sarif:
            raise BadInput("--speech needs a flow's name or its file, and has no SARIF")
        folder = _near(settings.scenarios)
        return check_speech(_near(arguments.path), folder, settings, as_json=arguments.json)
    folder, only = _folder(arguments.path, settings)
    sounds = settings.sounds if arguments.path is None else None
    from cti.dialler.checking import check_rules

    checked = check_folder(folder, sounds)
    from cti.reports.mails import check_mails
    from cti.reports.wordlists import check_lists

    found_more = (*check_rules(folder, checked.library), *check_mails(folder))
    found_more = (*found_more, *check_lists(folder))
    checked = replace(checked, findings=(*checked.findings, *found_more))
    found = [f for f in checked.findings if only is None or Path(f.file) == only]
    if arguments.json:
        _say_json(as_json(checked, found))
    elif arguments.sarif:
        _say_json(as_sarif(found))
    else:
        _say(as_text(checked, found))
    return int(failing(found))
