"""The book's colours, each for a light page and a dark one: the one place where they are chosen.

A colour has one meaning in the whole book. The four meanings' hues are those of Okabe and Ito (2008), moved in
lightness until colour-blind readers tell all four apart, on both pages, and each stands out from what is behind it.
Pictures are drawn in the light colours. The website's build turns them into the dark ones, and the explorers' style
sheets repeat both; tests compare.
"""

LIGHT, DARK = 0, 1

MEANINGS = {
    "weight": ("#6b2a5b", "#fabeec"),
    "query": ("#005f99", "#6499e8"),
    "key": ("#c25100", "#f17a30"),
    "value": ("#00a077", "#4ad49c"),
}
# What is drawn on, writing, and lines; a remark is quiet, a grid faint, a control's border between them.
SURFACES = {
    "card": ("#ffffff", "#1b2027"),
    "well": ("#f1f3f6", "#262d36"),
    "ink": ("#1f2328", "#e6e9ee"),
    "quiet": ("#55606e", "#a9b4c2"),
    "line": ("#d5dae0", "#3a4350"),
    "edge": ("#737d8a", "#8b96a5"),
}
# Half a weight, what a model got wrong, and the pale side of a bar that has two.
MARKS = {"half": ("#cc79a7", "#8f4b74"), "tint": ("#efd9e7", "#5b2f4e"), "wrong": ("#a32200", "#ff9c80")}
# Lines that compare models are none of the four meanings.
LINES = {
    "first": ("#1f2328", "#e6e9ee"),
    "second": ("#b87800", "#e3a83f"),
    "third": ("#3c8dbc", "#62b3e2"),
    "fourth": ("#858d97", "#8b96a5"),
}
# Why a pattern lets a pair be seen, and how far word of it has come.
PATTERNS = {
    "window": ("#55606e", "#a9b4c2"),
    "chunk": ("#7c8591", "#8b96a5"),
    "global": ("#996306", "#f0b840"),
    "random": ("#2f7fae", "#72bfe6"),
    "reached": ("#dfe4ea", "#39434f"),
}
# The influence explorer's bars: measures at the output are grey.
BARS = {"grey": ("#c3cad3", "#4c5765")}
# The website around them: its paper, the accent of links and of what is chosen, and code in the text.
SITE = {
    "paper": ("#ffffff", "#14181d"),
    "text": ("#1c2733", "#d9e0e6"),
    "muted": ("#4a5866", "#a9b4be"),
    "rule": ("#d5dbe1", "#38414b"),
    "accent": ("#0b5f8a", "#6cc3ee"),
    "pointed": ("#063b57", "#b5e1f7"),
    "code": ("#7a2e0e", "#f0b58f"),
    "block": ("#f4f6f8", "#1b2027"),
}

GROUPS = [MEANINGS, SURFACES, MARKS, LINES, PATTERNS, BARS, SITE]
PAIRS = {pair for group in GROUPS for pair in group.values()}
