"""HTML that cannot be broken by what it shows, and the one page that all reports stand on.

A page is a single file: style and figures are inside, nothing is fetched, and it says so to the browser (content
security policy), so that even a text that got through could run nothing.
"""

import base64
from html import escape

from mediml.diagnosis.language import Language

__all__ = ["Markup", "element", "figure", "page", "table"]

STYLE = """
:root{--ink:#1c2530;--soft:#566270;--line:#d9dee4;--paper:#fff;--ground:#f2f4f7;--stop:#a3320b;--stop-bg:#fdf1ec;
--note:#7a5b00;--note-bg:#fdf7e3;--pass:#0b6b4f;--pass-bg:#ebf6f2;--accent:#0a4f80}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:960px;margin:0 auto;padding:0 20px 40px}
.notice{background:#ffd23f;color:#1c1500;text-align:center;font-weight:700;padding:.55em 1em;letter-spacing:.01em}
header{padding:28px 0 6px}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .2em}
h2{font-size:1.15rem;margin:0 0 .7em}
p{margin:0 0 .8em}
.soft{color:var(--soft);font-size:.92rem}
section,.outcome{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:20px 22px;
margin:16px 0}
.outcome{border-left:8px solid var(--accent)}
.outcome.stop{border-left-color:var(--stop);background:var(--stop-bg)}
.outcome .word{font-size:1.5rem;font-weight:700;margin:0 0 .3em}
.outcome.stop .word{color:var(--stop)}
.score{display:flex;flex-wrap:wrap;align-items:baseline;gap:.2em .8em;margin:.4em 0 .8em}
.score b{font-size:2.6rem;line-height:1;font-variant-numeric:tabular-nums;color:var(--accent)}
ul{margin:.2em 0 .8em;padding-left:1.25em}
li{margin:.25em 0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(340px,100%),1fr));gap:22px}
figure{margin:0}
figure.wide{grid-column:1/-1}
figure img{width:100%;height:auto;display:block;border-radius:6px;border:1px solid var(--line);background:#fff}
figure.pixels img{image-rendering:pixelated}
figcaption{font-size:.9rem;color:var(--soft);margin-top:.5em}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.95rem}
th,td{text-align:left;vertical-align:top;padding:.5em .9em .5em 0;border-top:1px solid var(--line);
overflow-wrap:break-word}
thead th{border-top:0;color:var(--soft);font-weight:600;font-size:.88rem}
tbody th{font-weight:600;min-width:8em}
table.numbers td{font-variant-numeric:tabular-nums;white-space:nowrap}
table.checks code{white-space:nowrap}
.level{display:inline-block;white-space:nowrap;border-radius:1em;padding:.05em .7em;font-size:.85rem;font-weight:600}
.level.pass{color:var(--pass);background:var(--pass-bg)}
.level.caution{color:var(--note);background:var(--note-bg)}
.level.stop{color:#fff;background:var(--stop)}
code{font:.85em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.blank{display:grid;grid-template-columns:minmax(8em,16em) 1fr;gap:.2em 1em;align-items:end}
.blank span{padding:.9em 0 .2em}
.blank i{border-bottom:1px solid var(--ink);min-height:2.3em}
details summary{cursor:pointer;font-weight:600}
details[open] summary{margin-bottom:.6em}
a{color:var(--accent)}
@media (max-width:560px){main{padding:0 12px 30px}section,.outcome{padding:16px}.blank{grid-template-columns:1fr}
.blank span{padding:.6em 0 0}
table.checks thead{display:none}table.checks tr{display:block;border-top:1px solid var(--line);padding:.5em 0}
table.checks td,table.checks tbody th{display:block;border:0;padding:.1em 0}}
@page{margin:16mm 13mm}
@media print{body{background:#fff;font-size:9.5pt;line-height:1.4}main{max-width:none;padding:0}header{padding:8px 0 0}
section,.outcome{border-radius:0;padding:10px 12px;margin:8px 0}tr,li,figure,.outcome,.reader{break-inside:avoid}
h2{break-after:avoid}table,.soft,figcaption,.level,thead th{font-size:9pt}
.figures{grid-template-columns:1fr 1fr;gap:10px}.figures.three{grid-template-columns:1fr 1fr 1.3fr}
.three figure.wide{grid-column:auto}th,td{padding:.25em .8em .25em 0}
.notice,.level,.outcome{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""


class Markup(str):
    """HTML that was built here; any other string is text."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str) -> Markup:
    """``element("p", text, class_="soft")``: children are escaped unless they are `Markup`."""
    written = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    inner = "".join(child if isinstance(child, Markup) else escape(child) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def table(head: list[str], rows: list[list[str]], class_: str = "") -> Markup:
    """A table whose first column names its row."""
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    top = element("thead", element("tr", *(element("th", cell, scope="col") for cell in head))) if head else Markup("")
    return element("div", element("table", top, element("tbody", *body), class_=class_), class_="scroll")


def figure(png: bytes, alt: str, caption: str, class_: str = "") -> Markup:
    """A figure with its picture inside the page."""
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    image = Markup(f'<img src="{source}" alt="{escape(alt)}">')
    return element("figure", image, element("figcaption", caption), class_=class_)


def page(title: str, body: list[Markup], language: Language) -> str:
    """A whole document, with the notice at its top and at its bottom."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language("html_lang"))}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="robots" content="noindex">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}"
        # On paper each sheet carries the notice; the sentences of a language hold no quotation mark or backslash.
        f'@page{{@top-center{{content:"{language("notice")}";font:700 9pt sans-serif}}}}</style>\n</head>\n<body>\n'
        + element("div", language("notice"), class_="notice", role="note")
        + "\n"
        + element("main", *body)
        + "\n"
        + element("div", language("notice_long"), class_="notice", role="note")
        + "\n</body>\n</html>\n"
    )
