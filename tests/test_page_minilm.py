"""MiniLM in chapter 6's page: the tokens and all weights are the library's, whatever the reader types."""

import json
import re
import unicodedata

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect
from test_page_models import CLOSE, PATIENCE, SITE, complaints, page, run, site  # noqa: F401

from attnbook.evidence.heads_of_minilm import MOST_TOKENS
from attnbook.onnx_models.minilm import rounded
from attnbook.pretrained import SentenceEncoder, load_minilm

CHAPTER = "notebooks/06_many_heads.html"
SENTENCES = [
    "Hi",
    "The cat sat on the mat because it was tired.",
    "Zürich, São Paulo & Kraków: 3.14159!",
    "我爱你 and 😀 love ΑΣ ΣΑΣ",
    "antidisestablishmentarianism pneumonoultramicroscopic",
    "the the the the the the",
    "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer the slings and arrows of it",
]
NASTY = [
    *SENTENCES, "", "   ", "ÀÉÎÕÜ ñ ç İstanbul ıI ẞß", "don't can’t “quotes” – em—dash…",
    "漢字かな交じり文 한국어 𠀀𪜀", "👩‍👩‍👧 🥰 ❤️", "\0a\ufffdb\tc\nd\re\u200bf\u00adg\u00a0h\u3000i\u2028j\x7fk\x85l",
    "[CLS] [SEP]x[MASK] [PAD][UNK] [cls] [ MASK ]", "x" * 99, "x" * 100, "x" * 101, "é" * 101,
    "e\u0301 a\u0308\u0301", "ﬁ Ⅷ ½ ² ℡", "$5.00 + 3% ^ ` ~ | < = > _", "«¿qué?» ¡sí!",
    "עברית العربية हिन्दी ไทย", "word " * 300,
]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> SentenceEncoder:
    model = load_minilm()
    model.tokenizer.no_truncation()
    model.tokenizer.no_padding()
    return model


def weights_of(model: SentenceEncoder, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():  # (num_layers, num_heads, n, n)
        return torch.cat(model(tokens, need_weights=True)[1])


def tokenized(page: Page, texts: list[str]) -> list[list]:  # noqa: F811
    return page.evaluate(
        """async (texts) => {
            const at = (name) => new URL(`../_static/models/${name}`, location.href);
            const { wordPiece } = await import(at("wordpiece.js"));
            const tokenize = wordPiece((await (await fetch(at("minilm.json"))).json()).facts.vocabulary);
            return texts.map((text) => [tokenize(text).map(({ id }) => id), tokenize(text).map(({ token }) => token)]);
        }""",
        texts,
    )


def test_tokens_are_the_librarys(page: Page, site: str, model: SentenceEncoder) -> None:  # noqa: F811
    page.goto(site + CHAPTER)
    for text, found in zip(NASTY, tokenized(page, NASTY), strict=True):
        encoding = model.tokenizer.encode(text)
        assert found == [encoding.ids, encoding.tokens], text


def test_every_letter_digit_and_old_sign_is_read_as_the_library_reads_it(page: Page, site: str, model) -> None:  # noqa: F811
    characters = [chr(i) for i in (*range(0xD800), *range(0xF900, 0x1FA00)) if unicodedata.category(chr(i)) != "Cn"]
    texts = [f"a{character}b" for character in characters]
    ours = [encoding.ids for encoding in model.tokenizer.encode_batch(texts)]
    page.goto(site + CHAPTER)
    found = [ids for ids, _ in tokenized(page, texts)]
    other = [c for c, a, b in zip(characters, ours, found, strict=True) if a != b]
    # Marks and punctuation that came after Unicode 8: the library still takes them for letters.
    assert len(other) < 700
    assert all(ord(character) > 0x600 and unicodedata.category(character)[0] in "MPCS" for character in other), other


def test_sixteen_bits_keep_the_weights(model: SentenceEncoder) -> None:
    draw = torch.Generator().manual_seed(0)
    tokens = [torch.tensor([model.tokenizer.encode(text).ids]) for text in SENTENCES]
    tokens += [torch.randint(1000, 30522, (1, n), generator=draw) for n in (2, 10, MOST_TOKENS)]
    small = rounded(load_minilm())
    assert max((weights_of(model, t) - weights_of(small, t)).abs().max().item() for t in tokens) < CLOSE / 2


def test_the_weights_of_all_heads_are_the_librarys(page: Page, site: str, model: SentenceEncoder) -> None:  # noqa: F811
    draw = torch.Generator().manual_seed(1)
    tokens = [torch.tensor([model.tokenizer.encode(text).ids]) for text in SENTENCES]
    tokens += [torch.randint(1000, 30522, (1, n), generator=draw) for n in (2, MOST_TOKENS)]
    page.goto(site + CHAPTER)
    answers = run(page, "minilm", [["read", {"tokens": [t[0].tolist(), list(t.shape)]}, []] for t in tokens])
    for t, answer in zip(tokens, answers, strict=True):
        torch.testing.assert_close(answer["weights"], weights_of(model, t), atol=CLOSE, rtol=0)


def explorer_of(page: Page) -> Locator:  # noqa: F811
    return page.locator("[data-explorer=heads_explorer]")


def ask(page: Page, text: str) -> Locator:  # noqa: F811
    field = explorer_of(page).get_by_label("Any sentence")
    field.fill(text)
    field.press("Enter")
    expect(explorer_of(page).locator(".answer")).not_to_have_text("Asking the model …")
    return explorer_of(page)


@pytest.mark.parametrize("page", [1280, 360], indirect=True)
def test_a_reader_types_and_sees_every_head(page: Page, site: str, model: SentenceEncoder) -> None:  # noqa: F811
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site + CHAPTER, wait_until="networkidle")
    figure = page.locator("[data-page-model=minilm]")
    figure.scroll_into_view_if_needed()
    heavy = re.compile(r"\.(onnx|wasm)$|minilm|wordpiece|runtime\.json")
    assert not [url for url in asked if heavy.search(url)]
    size = sum(path.stat().st_size for pattern in ("minilm-*.onnx", "onnxruntime-web-*/*")
               for path in (SITE / "_static/models").glob(pattern))  # fmt: skip
    button = figure.get_by_role("button")
    assert button.inner_text() == f"Load the model: {size / 1e6:.1f} MB"
    button.click()
    expect(figure.get_by_role("status")).to_contain_text("in the explorer above", timeout=PATIENCE)
    assert all(url.startswith((site, "data:")) for url in asked), asked
    page.get_by_role("button", name="Token before").click()  # a token far down, which the next sentence does not have
    for text in SENTENCES[:3]:
        explorer = ask(page, f"  {text} ")
        expect(explorer.locator(".answer")).to_have_text("")
        encoding = model.tokenizer.encode(text)
        assert (
            explorer.get_by_role("group", name="tokens that look").locator(".text").all_inner_texts() == encoding.tokens
        )
        ours = weights_of(model, torch.tensor([encoding.ids]))
        for name, (layer, head) in {"6.12": (5, 11), "1.3": (0, 2)}.items():
            explorer.get_by_role("button", name=f"head {name}", exact=True).click()
            shown = json.loads(explorer.locator(".explorer-body").get_attribute("data-weights"))
            np.testing.assert_allclose(shown, ours[layer, head], atol=CLOSE)
        assert f"{len(encoding.tokens)} tokens." in explorer.locator(".sentence").inner_text()
    kept = explorer_of(page).locator(".explorer-body").get_attribute("data-weights")
    for text, told in {
        "  ": "Type a sentence",
        "w " * 60: f"at most {MOST_TOKENS} tokens, and this one has 62",
    }.items():
        expect(ask(page, text).locator(".answer")).to_contain_text(told)
        assert explorer_of(page).locator(".explorer-body").get_attribute("data-weights") == kept
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    field, read = explorer_of(page).locator(".ask input"), explorer_of(page).get_by_role("button", name="Read")
    left, right = field.bounding_box(), read.bounding_box()
    assert left["x"] + left["width"] <= right["x"]  # the button does not lie on the field
