"""The recurrent translator: padding, both kinds of context, every score, greedy translation."""

import pytest
import torch
from one_device import check_one_device
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attnbook.scores import AdditiveScore, MultiplicativeScore, dot, scaled_dot
from attnbook.seq2seq import Encoder, Seq2Seq, reverse_padded

B, N_K, N_Q, D_EMBED, D_HIDDEN, SOURCES, TARGETS = 3, 7, 5, 11, 26, 17, 19
START, END = 1, 2
SCORES = {
    "dot": lambda: dot,
    "scaled dot": lambda: scaled_dot,
    "multiplicative": lambda: MultiplicativeScore(D_HIDDEN, D_HIDDEN),
    "additive": lambda: AdditiveScore(D_HIDDEN, D_HIDDEN, 13),
}


def source_tokens():
    """Three sentences of 7, 4 and 1 tokens."""
    torch.manual_seed(0)
    source = torch.randint(3, SOURCES, (B, N_K))
    source[1, 4:] = 0
    source[2, 1:] = 0
    return source


def target_tokens():
    torch.manual_seed(1)
    target = torch.randint(3, TARGETS, (B, N_Q))
    target[:, 0] = START
    return target


def model(score=None):
    torch.manual_seed(2)
    return Seq2Seq(SOURCES, TARGETS, D_EMBED, D_HIDDEN, score).double()


def test_reverse_padded_by_hand():
    x = torch.tensor([[[1], [2], [3], [0]], [[4], [0], [0], [0]], [[0], [0], [0], [0]], [[5], [6], [7], [8]]])
    reversed_ = reverse_padded(x, torch.tensor([3, 1, 0, 4]))
    assert reversed_.squeeze(-1).tolist() == [[3, 2, 1, 0], [4, 0, 0, 0], [0, 0, 0, 0], [8, 7, 6, 5]]


def test_encoder_equals_torchs_packed_bidirectional_gru():
    encoder, source = Encoder(SOURCES, D_EMBED, D_HIDDEN).double(), source_tokens()
    reference = nn.GRU(D_EMBED, D_HIDDEN // 2, batch_first=True, bidirectional=True).double()
    for name, parameter in encoder.forwards.named_parameters():
        getattr(reference, name).data = parameter.data
    for name, parameter in encoder.backwards.named_parameters():
        getattr(reference, name + "_reverse").data = parameter.data
    lengths = (source != 0).sum(dim=1)
    packed = pack_padded_sequence(encoder.embed(source), lengths, batch_first=True, enforce_sorted=False)
    expected, last = reference(packed)
    expected, _ = pad_packed_sequence(expected, batch_first=True)

    states, summary = encoder(source)
    true = (source != 0)[..., None]
    torch.testing.assert_close(states * true, expected)
    torch.testing.assert_close(summary, torch.cat([last[0], last[1]], dim=-1))


@pytest.mark.parametrize("score", [None, *SCORES.values()], ids=["fixed vector", *SCORES])
def test_padding_changes_nothing(score):
    translator, source, target = model(score and score()), source_tokens(), target_tokens()
    logits, _ = translator(source, target)
    for row, length in enumerate([7, 4, 1]):
        alone, _ = translator(source[row : row + 1, :length], target[row : row + 1])
        torch.testing.assert_close(alone, logits[row : row + 1])


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_every_score_plugs_in_and_its_weights_avoid_the_padding(score):
    logits, weights = model(score())(source_tokens(), target_tokens())
    assert logits.shape == (B, N_Q, TARGETS)
    assert weights.shape == (B, N_Q, N_K)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(B, N_Q, dtype=torch.float64))
    assert (weights[1, :, 4:] == 0).all()
    assert (weights[2, :, 0] == 1).all()
    logits.sum().backward()


def test_without_a_score_only_the_summary_reaches_the_decoder():
    translator, source, target = model(), source_tokens(), target_tokens()
    logits, weights = translator(source, target)
    assert weights is None
    # Any encoder that returns the same summary gives the same logits, whatever its states.
    _, summary = translator.encoder(source)
    translator.encoder.forward = lambda source: (torch.full((B, N_K, D_HIDDEN), torch.nan), summary)
    torch.testing.assert_close(translator(source, target)[0], logits)


def test_a_step_of_attention_is_what_the_formulas_say():
    translator, source, target = model(AdditiveScore(D_HIDDEN, D_HIDDEN, 13)), source_tokens(), target_tokens()
    logits, weights = translator(source, target)
    states, summary = translator.encoder(source)
    hidden = translator.start(summary).tanh()
    score = translator.score
    for i in range(N_Q):
        _, hidden = translator.decoder(translator.embed(target[:, i : i + 1]), hidden.reshape(1, B, D_HIDDEN))
        hidden = hidden[0]
        for b, length in enumerate([7, 4, 1]):
            e = [score.v.weight[0] @ torch.tanh(score.query.weight @ hidden[b] + score.key.weight @ states[b, j])
                 for j in range(length)]  # fmt: skip
            w = torch.stack(e).exp() / torch.stack(e).exp().sum()
            context = sum(w[j] * states[b, j] for j in range(length))
            torch.testing.assert_close(weights[b, i, :length], w)
            combined = torch.tanh(translator.combine(torch.cat([hidden[b], context])))
            torch.testing.assert_close(logits[b, i], translator.predict(combined))


@pytest.mark.parametrize("score", [None, SCORES["additive"]], ids=["fixed vector", "attention"])
def test_translate_is_greedy_and_agrees_with_teacher_forcing(score):
    translator, source = model(score and score()), source_tokens()
    tokens, weights = translator.translate(source, START, END, max_length=N_Q)
    assert tokens.shape[1] <= N_Q
    read = torch.cat([torch.full((B, 1), START), tokens[:, :-1]], dim=1)
    logits, forced = translator(source, read)
    before_end = (tokens == END).cumsum(dim=1) <= (tokens == END).long()
    assert torch.equal(logits.argmax(dim=-1)[before_end], tokens[before_end])
    if score:
        torch.testing.assert_close(weights[before_end], forced[before_end])
    else:
        assert weights is None


def test_translate_stops_at_the_end_and_fills_up_with_it():
    translator = model()
    with torch.no_grad():
        translator.predict.bias[END] += 1e3
    tokens, _ = translator.translate(source_tokens(), START, END, max_length=N_Q)
    assert tokens.tolist() == [[END]] * B


def test_an_empty_sentence_gives_numbers_not_nan():
    source = source_tokens()
    source[0] = 0
    logits, weights = model(AdditiveScore(D_HIDDEN, D_HIDDEN, 13))(source, target_tokens())
    assert logits.isfinite().all()
    assert (weights[0] == 0).all()


@pytest.mark.parametrize("score", [None, *SCORES.values()], ids=["fixed vector", *SCORES])
def test_runs_on_one_device(score):
    check_one_device(model(score and score()), source_tokens(), target_tokens())


def test_bad_input_says_what_was_expected():
    with pytest.raises(ValueError, match=r"d_hidden should be even .*, got 13"):
        Encoder(SOURCES, D_EMBED, 13)
    with pytest.raises(TypeError, match=r"source should hold token numbers \(torch.int64\), got torch.float64"):
        model()(source_tokens().double(), target_tokens())
    with pytest.raises(ValueError, match=r"source should have shape \(b, n_k\), got \(7,\)"):
        model().encoder(source_tokens()[0])
    with pytest.raises(ValueError, match=r"as many sentences, got \(3, 7\) and \(5,\)"):
        model()(source_tokens(), target_tokens()[0])
    with pytest.raises(ValueError, match=r"as many sentences, got \(3, 7\) and \(2, 5\)"):
        model()(source_tokens(), target_tokens()[:2])
    with pytest.raises(ValueError, match=r"target should lie between 0 and 18, got numbers from 1 to 19"):
        model()(source_tokens(), target_tokens().clamp(max=9).index_fill(1, torch.tensor([3]), TARGETS))
    with pytest.raises(ValueError, match="max_length should be at least 1, got 0"):
        model().translate(source_tokens(), START, END, max_length=0)
