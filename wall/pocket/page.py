"""The pocket's page: plain HTML without any data in it, so that a phone can keep it and start without a line."""

from __future__ import annotations

import html

from wall.words import Language, word

# Everything that the page needs to start; the service worker keeps it.
SHELL = (
    "/pocket",
    "/assets/theme.css",
    "/assets/pocket.css",
    "/assets/favicon.svg",
    "/assets/fonts/barlow-semi-condensed-latin-400-normal.woff2",
    "/assets/fonts/barlow-semi-condensed-latin-500-normal.woff2",
    "/assets/fonts/barlow-semi-condensed-latin-600-normal.woff2",
    "/assets/js/dom.mjs",
    "/assets/js/format.mjs",
    "/assets/js/here.mjs",
    "/assets/js/marks.mjs",
    "/assets/js/token.mjs",
    "/assets/js/pocket/main.mjs",
    "/assets/js/pocket/kept.mjs",
    "/assets/js/pocket/queue.mjs",
    "/assets/js/pocket/task.mjs",
)
PAGE = """<!DOCTYPE html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="theme-color" content="#0a0e13">
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
<link rel="stylesheet" href="/assets/theme.css"><link rel="stylesheet" href="/assets/pocket.css"></head>
<body class="pocket" data-state="loading"><header><h1 id="unit">{title}</h1><p id="line" role="status"></p></header>
<main id="task"><p class="note">{loading}</p></main>
<section id="queue" hidden></section>
<footer><a href="/pocket?lang={other}" lang="{other}">{language}</a>
<form method="post" action="/logout" id="leave"><button type="submit">{logout}</button></form></footer>
<script type="module" src="/assets/js/pocket/main.mjs"></script></body></html>"""


def page(lang: Language) -> str:
    """The page in one language."""
    other: Language = "en" if lang == "zh" else "zh"
    words = {name: html.escape(word(key, lang)) for name, key in (
        ("title", "pocket.title"), ("loading", "state.loading"), ("language", "head.lang"), ("logout", "head.logout"),
    )}  # fmt: skip
    return PAGE.format(lang="zh-CN" if lang == "zh" else "en", other=other, **words)
