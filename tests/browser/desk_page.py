"""One person's browser: Chromium with a microphone that hums a tone of its own, and what its page
shows and hears."""

from __future__ import annotations

import asyncio
import json
import math
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, BrowserContext, Page, Playwright, expect

RATE = 48_000
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
# Runs before the page's own scripts. It changes nothing; it writes down when what came first, and
# holds on to the sound that comes in.
WATCH = """
window.seen = {};
const note = (name) => { window.seen[name] ??= performance.now(); };
const Native = window.WebSocket;
window.WebSocket = class extends Native {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", (event) => {
      if (typeof event.data === "string" && event.data.startsWith("INVITE ")) note("invite");
    });
  }
};
const Connection = window.RTCPeerConnection;
window.incoming = null;
window.RTCPeerConnection = class extends Connection {
  constructor(...given) {
    super(...given);
    this.addEventListener("track", (event) => { window.incoming = new MediaStream([event.track]); });
  }
};
new MutationObserver(() => {
  if (document.querySelector("article[data-pop]")) note("pop");
  if (document.querySelector(".call-now.ringing")) note("ringing");
}).observe(document, { childList: true, subtree: true, attributes: true });
"""
# The loudness of some tones in what comes in, over so many seconds (Goertzel's algorithm), in dBFS.
LISTEN = """
async ([tones, seconds]) => {
  if (!window.incoming) return tones.map(() => -120);
  const audio = (window.ears ??= new AudioContext());
  const source = audio.createMediaStreamSource(window.incoming);
  const meter = audio.createAnalyser();
  meter.fftSize = 8192;
  source.connect(meter);
  const heard = tones.map(() => []);
  const until = performance.now() + seconds * 1000;
  const samples = new Float32Array(meter.fftSize);
  await new Promise((done) => setTimeout(done, 8192 / audio.sampleRate * 1000 + 40));
  while (performance.now() < until) {
    meter.getFloatTimeDomainData(samples);
    tones.forEach((hertz, i) => {
      const k = 2 * Math.cos((2 * Math.PI * hertz) / audio.sampleRate);
      let a = 0, b = 0;
      for (const value of samples) [a, b] = [value + k * a - b, a];
      const power = (a * a + b * b - k * a * b) / (samples.length / 2) ** 2;
      heard[i].push(power);
    });
    await new Promise((done) => setTimeout(done, 90));
  }
  source.disconnect();
  return heard.map((one) => 10 * Math.log10(one.sort((x, y) => x - y)[one.length >> 1] + 1e-12));
}
"""
LEAVE = """
fetch("/api/me").then((answer) => answer.json()).then((me) => fetch("/api/agent/sign-out", {
  method: "POST", body: "{}",
  headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrf },
})).catch(() => 0)
"""
LOUD = -40.0  # dBFS of a tone that is there
STILL = -50.0  # of one that is not


def write_tone(path: Path, hertz: float, seconds: float = 10.0) -> Path:
    """A microphone's file; whole periods, so that it can be repeated without a click."""
    times = np.arange(int(RATE * seconds)) / RATE
    samples = (0.4 * 32767 * np.sin(2 * math.pi * hertz * times)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


@dataclass
class DeskPage:
    """A signed-in person's page. `hums` is the tone of their microphone, in hertz."""

    login: str
    page: Page
    context: BrowserContext
    hums: float
    url: str
    problems: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        await self.page.goto(self.url + path.lstrip("/"))

    async def sign_in(self, password: str, path: str = "/desk") -> None:
        await self.go("/")
        await self.page.fill("[name=login]", self.login)
        await self.page.fill("[name=password]", password)
        await self.page.click("form button.primary")
        await self.page.wait_for_selector("[data-test=connection][data-state=online]")
        await self.open(path)

    async def open(self, path: str) -> None:
        await self.page.click(f'nav a[href="{path}"]')

    async def phone_ready(self) -> None:
        await self.page.wait_for_selector(".phone[data-state=registered]", timeout=15_000)

    async def work(self) -> None:
        """The phone is there, and into the queues."""
        await self.phone_ready()
        if await self.now() == "signed_out":
            await self.page.click(".presence button.primary")
        elif await self.now() != "ready":
            await self.press("r")
        await self.state("ready")

    async def now(self) -> str:
        """The state that is shown."""
        shown = await self.page.get_attribute(".presence", "class") or ""
        return shown.rpartition("state-")[2]

    async def leave(self) -> None:
        """Out of the queues, and closed."""
        if not self.page.is_closed():
            await self.page.evaluate(LEAVE)
        await self.context.close()

    async def state(self, state: str, timeout: float = 15.0) -> None:
        await self.page.wait_for_selector(f".presence.state-{state}", timeout=timeout * 1000)

    async def answer(self) -> None:
        await self.page.click(".call-now.ringing + .call-keys button.go")
        await self.talking()

    async def talking(self) -> None:
        await self.page.wait_for_selector(".call-now.talking", timeout=15_000)

    async def press(self, key: str) -> None:
        """A shortcut, with nothing in focus that one types into."""
        await self.page.evaluate("document.activeElement?.blur()")
        await self.page.keyboard.press(key)

    async def hears(self, *tones: float, seconds: float = 0.8) -> list[float]:
        """The loudness of tones in what this page plays, dBFS."""
        return list(await self.page.evaluate(LISTEN, [list(tones), seconds]))

    async def until_hears(
        self, *tones: float, silent: tuple[float, ...] = (), timeout: float = 12.0
    ) -> list[float]:
        """Wait until all of `tones`, and none of `silent`, are heard; gives back all levels."""
        levels: list[float] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while loop.time() < until:
            levels = await self.hears(*tones, *silent)
            if all(level > LOUD for level in levels[: len(tones)]) and all(
                level < STILL for level in levels[len(tones) :]
            ):
                return levels
        raise AssertionError(f"{self.login} hears {levels} of {tones}, and not {silent}")

    async def seen(self) -> dict[str, float]:
        """When the page first saw what, ms since it was loaded."""
        return dict(await self.page.evaluate("window.seen"))

    async def text(self, selector: str) -> str:
        return " ".join((await self.page.inner_text(selector)).split())

    async def shows(self, selector: str, text: str) -> None:
        await expect(self.page.locator(selector).first).to_contain_text(text, timeout=10_000)


@asynccontextmanager
async def browser(
    playwright: Playwright, program: str, folder: Path, hums: float
) -> AsyncIterator[Browser]:
    tone = await asyncio.to_thread(write_tone, folder / f"hum-{hums:.0f}.wav", hums)
    running = await playwright.chromium.launch(
        executable_path=program,
        headless=True,
        args=[*FLAGS, f"--use-file-for-fake-audio-capture={tone}"],
    )
    try:
        yield running
    finally:
        await running.close()


async def new_page(
    running: Browser,
    login: str,
    hums: float,
    url: str,
    *,
    language: str = "",
    before: str = "",
    **options: Any,
) -> DeskPage:
    """A person's own context: cookies, storage and all. Voice cleaning is off: it removes tones."""
    context = await running.new_context(
        viewport={"width": 1440, "height": 900}, permissions=["microphone"],
        **{"locale": "tr-TR"} | options,
    )  # fmt: skip
    await context.add_init_script(WATCH)
    if before:
        await context.add_init_script(before)
    kept = {"voiceCleaning": False, "ringtone": False, "language": language}
    await context.add_init_script(f"localStorage.santral ??= JSON.stringify({json.dumps(kept)});")
    page = await context.new_page()
    desk = DeskPage(login, page, context, hums, url)
    page.on("pageerror", lambda error: desk.problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            desk.problems.append(message.text)
            if "Content Security Policy" in message.text
            else None
        ),
    )
    return desk
