"""A settings page that an administrator hands to users: one file, no network, no script, printable."""

from collections.abc import Sequence
from html import escape
from typing import Literal

from runbook_lib.clients.guide import Compared, Guide, Said, Trouble, Value
from runbook_lib.clients.settings import ClientSettings

Language = Literal["en", "ja"]

# Black on white and the two accents keep a contrast of at least 7:1 (WCAG 2.1, 1.4.6).
_CSS = """
body{font:16px/1.6 system-ui,"Noto Sans","Noto Sans JP","Noto Sans CJK JP",sans-serif;color:#1a1a1a;
background:#fff;max-width:46rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2em 0}h2{font-size:1.25rem;margin:2em 0 .4em;
border-top:2px solid #1a1a1a;padding-top:.6em}h3{font-size:1.05rem;margin:1.6em 0 .3em}
table{border-collapse:collapse;width:100%}th,td{border:1px solid #767676;padding:.4em .7em;text-align:left;
vertical-align:top;overflow-wrap:break-word}thead th{background:#eceff1}tbody th{width:45%;font-weight:600}
.ca tbody th{width:30%}.ca td{overflow-wrap:anywhere}.troubles tbody th{width:34%}.compared tbody th{width:22%}
ol{padding-left:1.5em}li{margin:.35em 0;overflow-wrap:anywhere}a{color:#0b4a8f}
.first p{border-left:5px solid #7a4b00;background:#fff7e6;padding:.5em .9em;margin:.6em 0}
code{font:600 .95em/1.6 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
footer{margin-top:2.5em;border-top:1px solid #767676;font-size:.875rem}
@media (max-width:34rem){body{padding:.8rem}th,td{overflow-wrap:anywhere;padding:.3em .4em;font-size:.875rem}}
@media print{body{max-width:none;padding:0;font-size:11pt}section+section{break-before:page}nav{display:none}
table,li,.first p{break-inside:avoid}thead th,.first p{print-color-adjust:exact}}
"""

_HEADINGS: dict[str, Said] = {
    "values": Said("What to enter", "設定する値"),
    "trust": Said("First: trust the house's CA", "はじめに：社内認証局の登録"),
    "trusted": Said("The certificate: nothing to import", "証明書：登録は不要"),
    "steps": Said("Step by step", "設定の手順"),
    "troubles": Said("When it does not work", "うまくいかないとき"),
    "compared": Said("Then and now", "2013年と現在"),
    "instead": Said("What took its place", "後継のソフト"),
    "sources": Said("Sources, and what was not tried", "出典と未確認の点"),
}
_FIELD = (Said("Field", "項目"), Said("Enter", "入力する値"))
_CA = (Said("The CA", "認証局"), Said("Is", "内容"))
_CLIENT = (Said("Program", "ソフト"), Said("Set", "設定"))
_COMPARED = (
    Said("What", "項目"),
    Said("2013", "2013年"),
    Said("Today", "現在"),
    Said("Source", "出典"),
)
_TROUBLE = (Said("You see", "表示"), Said("It means", "意味"), Said("Do this", "対処"))


def render_page(guide: Guide, settings: ClientSettings) -> str:
    """The settings page of one client for one server, English first, then Japanese.

    Everything that comes from the inventory or a certificate is escaped. A content security policy
    allows the page's own style and nothing else.

    Args:
        guide: what the page says.
        settings: the server it was made for; for title and foot.
    Returns: the HTML document.
    """
    purpose = _purpose(settings.smtp_name)
    title = f"{guide.title.en.split(' ', 1)[1]}: {settings.site}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_CSS}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p>{escape(purpose.en)}<br>
<span lang="ja">{escape(purpose.ja)}</span></p>
<nav aria-label="Languages"><a href="#en">English</a> · <a href="#ja" lang="ja">日本語</a></nav>
</header>
<main>
{_section(guide, "en", "English")}
{_section(guide, "ja", "日本語")}
</main>
<footer><p>{_foot(settings)}</p></footer>
</body>
</html>
"""


def _foot(settings: ClientSettings) -> str:
    place = f"{escape(settings.site)} · {escape(settings.smtp_name)}"
    if settings.ca is None:
        return place
    return f"{place} · {escape(settings.ca.name)}<br>\nSHA-256 <code>{escape(settings.ca.sha256)}</code>"


def _purpose(server: str) -> Said:
    return Said(
        "Settings for sending mail through {server}: encrypted, and with your password only inside the encryption.",
        "{server}から、暗号化してメールを送信するための設定です。"
        "パスワードは暗号化された通信の中だけで送られます。",
        server=server,
    )


def _section(guide: Guide, language: Language, name: str) -> str:
    def heading(key: str) -> str:
        return f"<h3>{_say(_HEADINGS[key], language)}</h3>"

    parts = [
        f'<section id="{language}" lang="{language}">',
        f"<h2>{name}</h2>",
        f'<div class="first">{_paragraphs(guide.first, language)}</div>',
    ]
    if guide.instead:
        parts += [heading("instead"), _values(guide.instead, _CLIENT, language)]
    parts += [heading("trust"), _values(guide.ca, _CA, language, "ca")] if guide.ca else [heading("trusted")]
    parts += [_steps(guide.trust, language)]
    parts += [heading("values"), _values(guide.values, _FIELD, language)]
    parts += [heading("steps"), _steps(guide.steps, language)]
    parts += [heading("troubles"), _troubles(guide.troubles, language)]
    parts += [heading("compared"), _compared(guide.compared, language)]
    parts += [heading("sources"), _paragraphs(guide.sources, language), "</section>"]
    return "\n".join(parts)


def _say(said: Said, language: Language) -> str:
    return escape(said.en if language == "en" else said.ja)


def _paragraphs(sayings: Sequence[Said], language: Language) -> str:
    return "".join(f"<p>{_say(said, language)}</p>" for said in sayings)


def _steps(steps: Sequence[Said], language: Language) -> str:
    return "<ol>" + "".join(f"<li>{_say(step, language)}</li>" for step in steps) + "</ol>"


def _values(values: Sequence[Value], titles: Sequence[Said], language: Language, kind: str = "values") -> str:
    rows = [(_say(value.label, language), _say(value.entry, language)) for value in values]
    return _table([_say(title, language) for title in titles], rows, kind)


def _compared(items: Sequence[Compared], language: Language) -> str:
    rows = [
        (_say(item.what, language), _say(item.then, language), _say(item.now, language), escape(item.source))
        for item in items
    ]
    return _table([_say(title, language) for title in _COMPARED], rows, "compared")


def _troubles(troubles: Sequence[Trouble], language: Language) -> str:
    rows = [
        (_say(item.seen, language), _say(item.means, language), _say(item.remedy, language))
        for item in troubles
    ]
    return _table([_say(title, language) for title in _TROUBLE], rows, "troubles")


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], kind: str) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
