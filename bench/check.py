# ruff: noqa: E501 (the flow is written as people write it)
"""How long `santral check` takes: a generated folder of flows, read and proven as a whole.

    PYTHONPATH=. .venv/bin/python bench/check.py [STEPS] [FILES]

Each section of a flow is a menu, an order number that is asked for, looked up, counted, read out
and branched on, each with prompts of its own in two languages: nothing is the same twice.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ivr.flow.folder import check_folder
from ivr.flow.verify.limits import measure

SECTION = 10  # steps in a section
QUERIES = """queries:
  order_by_number:
    deadline: 2s
    parameters: {number: text}
    sql: SELECT number, status, total FROM orders WHERE number = :number
"""
HEAD = """flow: {name}
languages: [tr, en]
start: menu_0
no_input: {{tries: 2, next: to_agent}}
no_match: {{tries: 2, next: to_agent}}
limits: {{person: 10m, menus: 200000}}
prompts:
"""
PROMPTS = """
  menu_{n}: {{tr: "{n}. bölüm: sipariş için bir, sonraki bölüm için iki, temsilci için sıfır.", en: "Section {n}: for an order press one, for the next section two, for an agent zero."}}
  ask_{n}: {{tr: "{n}. sipariş numaranızı tuşlayın.", en: "Please key your order number for {n}."}}
  status_{n}: {{tr: "{n}: {{{{ order_{n}.number | digits }}}} {{{{ order_{n}.status }}}}, {{{{ order_{n}.total | money }}}}.", en: "{n}: order {{{{ order_{n}.number | digits }}}} is {{{{ order_{n}.status }}}}, {{{{ order_{n}.total | money }}}}."}}
  large_{n}: {{tr: "Büyük sipariş {n}.", en: "A large order {n}."}}
  none_{n}: {{tr: "Bulamadık {n}.", en: "We did not find it {n}."}}"""
STEPS = """
  menu_{n}: {{type: menu, prompt: menu_{n}, options: [{{key: 1, words: {{tr: [sipariş {n}], en: [order {n}]}}, next: ask_{n}}}, {{key: 2, words: {{tr: [devam {n}], en: [go on {n}]}}, next: {after}}}, {{key: 0, words: {{tr: [temsilci], en: [agent]}}, next: to_agent}}]}}
  ask_{n}: {{type: collect, prompt: ask_{n}, digits: {{min: 4, max: 8}}, save: number_{n}, next: find_{n}}}
  find_{n}: {{type: lookup, query: order_by_number, with: {{number: "{{{{ number_{n} }}}}"}}, save: order_{n}, found: status_{n}, not_found: tries_{n}, error: to_agent}}
  tries_{n}: {{type: branch, cases: [{{when: "visits.ask_{n} >= 3", next: to_agent}}], otherwise: none_{n}}}
  none_{n}: {{type: say, prompt: none_{n}, next: ask_{n}}}
  status_{n}: {{type: say, prompt: status_{n}, next: size_{n}}}
  size_{n}: {{type: branch, cases: [{{when: "order_{n}.total > {limit}", next: keep_{n}}}], otherwise: {after}}}
  keep_{n}: {{type: set, values: {{large_{n}: "{{{{ order_{n}.total * 2 }}}}"}}, next: check_{n}}}
  check_{n}: {{type: branch, cases: [{{when: "large_{n} > {limit}", next: large_{n}}}], otherwise: {after}}}
  large_{n}: {{type: say, prompt: large_{n}, next: {after}}}"""
TAIL = "\n  to_agent: {type: transfer, to: support}\n  bye: {type: hangup}\n"


def flow_text(name: str, steps: int) -> str:
    """A good flow of about that many steps."""
    sections = max(1, round(steps / SECTION))
    return "".join(_parts(name, sections))


def _parts(name: str, sections: int) -> Iterator[str]:
    yield HEAD.format(name=name)
    yield from (PROMPTS.format(n=n) for n in range(sections))
    yield "\nsteps:"
    for n in range(sections):
        after = f"menu_{n + 1}" if n + 1 < sections else "bye"
        yield STEPS.format(n=n, after=after, limit=100 + n)
    yield TAIL


def main() -> None:
    steps, files = (int(argument) for argument in (*sys.argv[1:], "10000", "8")[:2])
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            text = flow_text(f"flow_{number}", steps // files)
            Path(folder, f"flow_{number}.yaml").write_text(text, "utf-8")
        Path(folder, "queries.yaml").write_text(QUERIES, "utf-8")
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        began, worked = time.perf_counter(), time.process_time()
        checked = check_folder(Path(folder))
        spent, work = time.perf_counter() - began, time.process_time() - worked
        began = time.perf_counter()
        for view in checked.views.values():
            measure(view)
        measured = time.perf_counter() - began
    count = sum(len(view.flow.steps) for view in checked.views.values())
    print(f"{count} steps in {files} files ({size / 1e6:.1f} MB), {len(checked.findings)} findings")
    print(
        f"read and proven in {spent:.2f} s, {work:.2f} s of CPU ({work / count * 1e6:.0f} us a step)"
    )
    print(f"times and depths measured in another {measured:.2f} s")


if __name__ == "__main__":
    main()
