"""Reading the machine's apt sources, in both of apt's forms."""

from __future__ import annotations

from cti.asterisk.sources import Source, candidates, os_release, parse

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = f"""\
Types: deb
# a remark in the middle
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: {KEYRING}

Types: deb deb-src
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: {KEYRING}

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


def test_a_deb822_file_gives_every_enabled_binary_source() -> None:
    assert parse("debian.sources", DEB822) == [
        Source(
            "http://mirror.example/debian", ("bookworm", "bookworm-updates"), ("main",), KEYRING
        ),
        Source(
            "http://security.example/debian-security", ("bookworm-security",), ("main",), KEYRING
        ),
    ]


def test_one_stanza_may_name_several_mirrors() -> None:
    text = "Types: deb\nURIs: http://a.example/debian\n http://b.example/debian\nSuites: sid\n"
    assert [source.uri for source in parse("x.sources", text)] == [
        "http://a.example/debian",
        "http://b.example/debian",
    ]


def test_a_key_in_the_file_itself_is_kept_with_its_lines() -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ==\n -----END PGP PUBLIC KEY BLOCK-----"
    text = "Types: deb\nURIs: http://a.example/d\nSuites: trixie\nComponents: main\n"
    text += f"Signed-By:\n {key}\n"
    (source,) = parse("x.sources", text)
    stanza = source.stanza("testing")
    assert " .\n mQ==\n -----END" in stanza
    assert parse("again.sources", stanza)[0].signed_by == source.signed_by


def test_a_one_line_file_with_options_remarks_and_source_lines() -> None:
    text = f"""\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by={KEYRING}] http://mirror.example/debian bookworm main contrib # here
deb-src http://mirror.example/debian bookworm main
  deb   http://plain.example/debian/   stable   main
deb http://broken.example/debian
"""
    assert parse("sources.list", text) == [
        Source("http://mirror.example/debian", ("bookworm",), ("main", "contrib"), KEYRING),
        Source("http://plain.example/debian/", ("stable",), ("main",)),
        Source("http://broken.example/debian", (), ()),
    ]


def test_only_the_distributions_own_archives_are_candidates() -> None:
    own = Source("http://own.example/debian", ("bookworm", "bookworm-updates"), ("main",), KEYRING)
    third = Source("http://third.example/debian", ("bookworm",), ("main",), "/keys/third.gpg")
    others = [
        Source("http://node.example", ("nodistro",), ("main",)),
        Source("http://docker.example/debian", ("bookworm",), ("stable",)),
        Source("http://own.example/debian-security", ("bookworm-security",), ("main",), KEYRING),
    ]
    found = candidates([third, *others, own], "bookworm")
    assert [source.uri for source in found] == [own.uri, third.uri]
    assert found[0].suites == ("bookworm",)


def test_a_machine_that_follows_stable_by_name_has_a_candidate_too() -> None:
    source = Source("http://own.example/debian", ("stable",), ("main",))
    assert candidates([source], "trixie") == [source]


def test_the_stanza_asks_for_one_suite_and_adds_a_keyring_only_where_none_is_named() -> None:
    named = Source("http://a.example/d", ("bookworm",), ("main",), "/own.gpg")
    unnamed = Source("http://a.example/d", ("bookworm",), ("main",))
    assert "Suites: testing\n" in named.stanza("testing", keyring=KEYRING)
    assert "Signed-By: /own.gpg\n" in named.stanza("testing", keyring=KEYRING)
    assert f"Signed-By: {KEYRING}\n" in unnamed.stanza("testing", keyring=KEYRING)
    assert "Signed-By" not in unnamed.stanza("testing")


def test_os_release_values_come_with_and_without_quotes() -> None:
    text = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nUBUNTU_CODENAME=noble\n'
    assert os_release(text, "ID") == "debian"
    assert os_release(text, "VERSION_CODENAME") == "bookworm"
    assert os_release(text, "VERSION_ID") == "12"
    assert os_release("NAME=x\n", "VERSION_CODENAME") == ""
