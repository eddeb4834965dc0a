"""Signing in and out, and everything that is tried to get round it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from cti.db.models import audit_log
from tests.cti.web.site_room import PASSWORD, SiteRoom


async def test_who_signs_in_is_told_who_they_are(desk: SiteRoom) -> None:
    page = desk.page()
    answer = await page.sign_in("AYSE ")
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert page.me["agent"] == {
        "login": "ayse", "interface": "PJSIP/ayse", "extension": "ayse", "phone": "web",
        "queues": ["support"],
    }  # fmt: skip
    assert page.me["scopes"] == ["desk", "wallboard"]
    assert (await page.read("/api/me")) == page.me
    text = str(page.me) + str(dict(answer.headers))
    assert "argon2" not in text


async def test_a_hundred_wrong_passwords_are_refused_logged_and_change_nothing(
    desk: SiteRoom,
) -> None:
    page = desk.page()
    answers = [(await page.sign_in("ayse", f"wrong-{n}")).status for n in range(100)]
    assert answers[:5] == [401] * 5
    assert set(answers[5:]) == {429}
    assert await desk.audited("sign-in refused") == 5
    assert await desk.audited("sign-in locked") == 95
    locked = await page.sign_in("ayse", PASSWORD)  # the right one does not help now
    assert locked.status == 429
    assert int(locked.headers["Retry-After"]) >= 1
    assert (await page.get("/api/me")).status == 401
    assert (await desk.signed_in("bora")).me["login"] == "bora"
    async with desk.room.database.connect() as connection:
        rows = [str(tuple(row)) for row in await connection.execute(select(audit_log))]
    assert not any("wrong-" in row for row in rows)


async def test_nobody_learns_which_logins_there_are(desk: SiteRoom) -> None:
    page = desk.page()
    unknown, known = await page.sign_in("nobody", "x"), await page.sign_in("ayse", "x")
    assert unknown.status == known.status == 401
    assert await unknown.text() == await known.text()
    for login in ("", "x" * 200, "ayse\r\n", "' OR 1=1 --", "ş"):
        assert (await page.sign_in(login, "x")).status == 401


async def test_a_forged_or_altered_cookie_is_no_session(desk: SiteRoom) -> None:
    page = await desk.signed_in("ayse")
    (cookie,) = [cookie for cookie in page.http.cookie_jar if cookie.key == "santral_session"]
    secret, _, signature = cookie.value.partition(".")
    other = desk.page()
    for value in (secret, f"{secret}.{'0' * 64}", f"x{secret}.{signature}", ".", "", "a.b.c"):
        answer = await other.get("/api/me", cookies={"santral_session": value})
        assert answer.status == 401, value


@pytest.mark.parametrize(
    "headers",
    [{"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"Origin": "https://evil.example"},
     {"Sec-Fetch-Site": "cross-site"}],
)  # fmt: skip
async def test_another_sites_page_can_do_nothing(desk: SiteRoom, headers: dict[str, str]) -> None:
    page = await desk.signed_in("ayse")
    answer = await page.post("/api/agent/sign-in", **headers)
    assert (answer.status, (await answer.json())["error"]["code"]) == (403, "csrf")
    assert await desk.audited("refused") == 1
    assert desk.desk.site.tele.agents.presence("ayse").state == "signed_out"


async def test_signing_out_ends_the_session_its_streams_and_the_work(desk: SiteRoom) -> None:
    page = await desk.signed_in("ayse")
    assert (await page.post("/api/agent/sign-in")).status == 200
    async with page.events() as stream:
        await stream.until("hello")
        assert (await page.post("/api/session", method="DELETE")).status == 204
        await stream.until("signed-out")
        with pytest.raises(EOFError):
            await stream.next()
    assert (await page.get("/api/me")).status == 401
    assert desk.desk.site.tele.agents.presence("ayse").state == "signed_out"


async def test_one_of_two_sessions_may_end(desk: SiteRoom) -> None:
    page, other = await desk.signed_in("ayse"), await desk.signed_in("ayse")
    await page.post("/api/agent/sign-in")
    await other.post("/api/session", method="DELETE")
    assert (await page.get("/api/me")).status == 200
    assert desk.desk.site.tele.agents.presence("ayse").state == "ready"


async def test_who_is_disabled_elsewhere_is_out_soon(desk: SiteRoom) -> None:
    page = await desk.signed_in("ayse")
    accounts = desk.desk.site.accounts
    async with page.events() as stream:
        await stream.until("hello")
        await accounts.people.change("ayse", active=False)
        await accounts.look()
        await stream.until("signed-out")
    assert (await page.get("/api/me")).status == 401
    assert (await page.sign_in("ayse")).status == 401


async def test_a_new_password_ends_the_other_sessions(desk: SiteRoom) -> None:
    page, other = await desk.signed_in("ayse"), await desk.signed_in("ayse")
    bad = await page.post("/api/me/password", {"old": "no", "new": "kırmızı-elma-7"})
    assert bad.status == 401
    weak = await page.post("/api/me/password", {"old": PASSWORD, "new": "ayse"})
    assert weak.status == 400
    done = await page.post("/api/me/password", {"old": PASSWORD, "new": "kırmızı-elma-7"})
    assert done.status == 204
    assert (await page.get("/api/me")).status == 200
    assert (await other.get("/api/me")).status == 401
    assert (await other.sign_in("ayse", "kırmızı-elma-7")).status == 200


async def test_a_token_can_do_what_it_was_made_for_and_no_more(desk: SiteRoom) -> None:
    accounts = desk.desk.site.accounts
    user = await accounts.people.find("sema")
    assert user is not None
    number, token = await accounts.make_token(user.id, "board", ["wallboard", "accounts"])
    page = desk.page()
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await page.get("/api/wallboard", headers=bearer)).status == 200
    assert (await page.get("/api/flows", headers=bearer)).status == 403
    assert (await page.get("/api/users", headers=bearer)).status == 403  # nor may its owner
    assert (
        await page.get("/api/wallboard", headers={"Authorization": "Bearer santral_x"})
    ).status == 401
    await accounts.people.revoke(token=number)
    await accounts.look()
    assert (await page.get("/api/wallboard", headers=bearer)).status == 401


async def test_many_at_once_are_not_many_free_tries(desk: SiteRoom) -> None:
    page = desk.page()
    answers = await asyncio.gather(*(page.sign_in("bora", f"no-{n}") for n in range(30)))
    statuses = [answer.status for answer in answers]
    assert statuses.count(401) <= 6
    assert statuses.count(429) >= 24
