"""Chapter 8's experiments: the parts that it switches off are off, and a short run gives the claims again."""

import pytest
import torch
from torch.testing import assert_close

from attnbook.data import number_words
from attnbook.evidence import ablations, load_results, made_with, transformer, translation
from attnbook.evidence.ablations import Translator, build, switch_off
from attnbook.training import count_parameters
from attnbook.transformer import Transformer
from attnbook.transformer.layers import Residual

RUNS = load_results("transformer")["runs"]
SHAPE = {"d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 17}


@pytest.fixture(scope="module")
def task():
    return number_words.load(train=2000, test=5)


@pytest.fixture(scope="module")
def pair(task):
    return task.encode([345_678, 45])


def logits_and_weights(model, pair):
    with torch.no_grad():
        logits, weights = model(pair[0], pair[1][:, :-1], need_weights=True)
    return logits, weights


def test_with_nothing_off_it_is_the_librarys_transformer_to_the_letter(task, pair):
    mine = build(task, **SHAPE)
    library = Transformer(len(task.source), len(task.target), 12, 3, 2, 17)
    library.load_state_dict(mine.state_dict())
    expected = logits_and_weights(library, pair)
    for model in (mine, switch_off(mine, [])):
        logits, weights = logits_and_weights(model, pair)
        assert_close(logits, expected[0], rtol=0, atol=0)
        assert_close(weights, expected[1], rtol=0, atol=0)


def test_the_race_is_at_equal_parameters(task):
    assert count_parameters(build(task, **transformer.SMALL)) == 18_540
    assert count_parameters(translation.build(task, "attention")) == 18_545


def test_without_positions_shuffled_words_give_shuffled_states_and_the_same_german(task, pair):
    model = build(task, **SHAPE, positions="none")
    order = torch.tensor([3, 0, 8, 1, 7, 2, 4, 6, 5])
    source = pair[0][:1]
    assert_close(model.encode(source[:, order])[0], model.encode(source)[0][:, order])
    assert_close(model(source[:, order], pair[1][:1])[0], model(source, pair[1][:1])[0])
    with_positions = build(task, **SHAPE)
    difference = with_positions(source[:, order], pair[1][:1])[0] - with_positions(source, pair[1][:1])[0]
    assert difference.abs().max() > 0.1


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_other_positions_tell_the_order_and_translate_as_they_read(task, pair, positions):
    model = build(task, **SHAPE, positions=positions)
    source = pair[0][:1]
    assert (model.encode(source.flip(1))[0].flip(1) - model.encode(source)[0]).abs().max() > 1e-3
    # Step by step, with a cache, is the same as all at once.
    tokens, _ = model.translate(source, 1, 2, max_length=7)
    logits, _ = model(source, torch.cat([torch.ones(1, 1, dtype=torch.long), tokens[:, :-1]], dim=1))
    assert logits.argmax(dim=-1).tolist() == tokens.tolist()


def test_the_causal_mask_off_lets_the_decoder_see_ahead(task, pair):
    model = build(task, **SHAPE)
    changed = pair[1].clone()
    changed[:, 5] = 7
    differs = lambda m: (m(*pair)[0] - m(pair[0], changed)[0])[:, :5].abs().max()  # noqa: E731
    assert differs(model) == 0
    assert differs(switch_off(model, ["causal mask"])) > 1e-3


def test_a_part_off_adds_nothing_and_a_residual_off_keeps_nothing(task):
    model = build(task, **SHAPE).double()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    layer = model.encoder.layers[0]
    read = layer.attention_residual.norm(x)
    added = layer.attention(read)[0]
    expected = {
        "encoder.0.attention": x,
        "encoder.0.attention.residual": added,
        "encoder.0.attention.norm": x + layer.attention(x)[0],
    }
    for name, after in expected.items():
        changed = switch_off(model, [name, "encoder.0.network"]).encoder.layers[0]
        assert_close(changed(x)[0], after)


def test_a_head_off_is_missing_from_the_sum(task):
    model = build(task, **SHAPE).double()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    attention = model.encoder.layers[1].attention
    one_less = [
        switch_off(model, [f"encoder.1.attention.head.{h}"]).encoder.layers[1].attention(x)[0] for h in range(3)
    ]
    # Each head is missing once, and the bias is always there: Σ (all − without h) + bias = all.
    assert_close(sum(attention(x)[0] - each for each in one_less) + attention.output.bias, attention(x)[0])


def test_groups_switch_off_all_layers(task, pair):
    model = build(task, **SHAPE)
    without = switch_off(model, ["residuals"])
    frames = [module for module in without.modules() if isinstance(module, Residual)]
    assert len(frames) == 2 * 2 + 2 * 3
    assert not any(frame.keeps for frame in frames)
    assert count_parameters(switch_off(model, ["norms"])) == count_parameters(model) - 24 * (10 + 2)
    blind = switch_off(model, ["cross-attention"])
    assert_close(blind(pair[0], pair[1])[0], blind(pair[0].flip(1), pair[1])[0])
    assert (switch_off(model, ["networks"])(*pair)[0] - model(*pair)[0]).abs().max() > 1e-3
    assert model.decoder.layers[0].cross_residual.norm_first  # the model itself is as it was
    assert not isinstance(model.decoder.layers[0].cross_residual, ablations.Frame)


def test_post_norm_normalises_the_sum(task):
    model = build(task, **SHAPE, norm_first=False)
    x = torch.randn(2, 5, 12)
    y = model.encoder(x)[0]
    assert_close(y.mean(dim=-1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    assert_close(y.var(dim=-1, unbiased=False), torch.ones(2, 5), atol=1e-3, rtol=0)
    assert switch_off(model, ["encoder.1.network.residual"]).encoder(x)[0].mean(dim=-1).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: switch_off(m, ["encoder.2.attention"]), "the model has no 'encoder.2.attention'; its parts are enc"),
        (lambda m: switch_off(m, ["encoder.0.network.head.0"]), "network has no 'head.0'"),
        (lambda m: switch_off(m, ["decoder.0.self_attention.head.3"]), "self_attention has no 'head.3'"),
        (lambda m: Translator("relative", 5, 5, 4, 2, 1), "positions should be one of 'sinusoidal', .* got 'relative'"),
    ],
)
def test_wrong_names(task, call, message):
    with pytest.raises(ValueError, match=message):
        call(build(task, **SHAPE))


def test_short_training_numbers_and_swapped_pairs(task):
    short = transformer.short(task, 7)
    assert 0 < len(short.train) < len(task.train)
    assert max(len(number_words.translate(number)[1]) for number in short.train) == 7
    assert short.test == task.test
    for one, other in transformer.swapped_pairs(task, count=20, longest=11):
        assert one != other
        assert sorted(number_words.translate(one)[0]) == sorted(number_words.translate(other)[0])
        assert not {one, other} & set(task.train)
        assert max(len(number_words.translate(number)[1]) for number in (one, other)) <= 11


def test_alignment_is_that_of_each_head(task):
    model = build(task, **SHAPE)
    facts = transformer.alignment_by_head(model, task)
    assert [len(layer) for layer in facts] == [3, 3]
    source, target = task.encode(task.test[9])
    _, weights = model(source, target[:, :-1], need_weights=True)
    one = transformer.OneHead(model, 1, 2)
    assert_close(one(source, target[:, :-1])[1], weights[1][1][:, 2])
    assert facts[1][2] == translation.alignment_facts(one, task)


def test_the_loop_without_warm_up_starts_at_the_highest_rate(task):
    with_warm_up, without = build(task, **SHAPE), build(task, **SHAPE)
    start = without.embed_source.weight.detach().clone()
    losses = [
        transformer.train(m, task, 0, 20, 0.01, 7, warm_up=w) for m, w in ((with_warm_up, True), (without, False))
    ]
    assert losses[0][0] == pytest.approx(losses[1][0])  # the same weights and batches,
    assert losses[0][2] != pytest.approx(losses[1][2])  # other steps
    once = build(task, **SHAPE)
    transformer.train(once, task, 0, 1, 0.01, 7, warm_up=False)
    moved = (once.embed_source.weight - start).abs().max().item()
    assert moved == pytest.approx(0.01, rel=0.05)  # Adam's first step is the rate
    assert not once.training


def test_the_checkpoint_translates_and_is_rounded():
    task = number_words.load()
    model = transformer.load_transformer(task)
    assert all((p == p.half().float()).all() for p in model.parameters())
    accuracy = translation.accuracy_by_length(model, task)
    assert min(accuracy.values()) >= 0.97
    broken = transformer.share_right(switch_off(model, ["positions"]), task, task.test[11])
    assert broken < 0.2


def test_a_short_run_tells_order_with_positions_and_not_without():
    """The claim of the chapter that costs least to make again: 300 steps on numbers below a thousand."""
    task = number_words.load(train=2000, test=5)
    below = [number for number in task.train if number < 1000]
    task = number_words.NumberWords(task.source, task.target, below, {3: [203, 302, 405, 504]})
    pairs = [100 * a + b for a in range(1, 10) for b in range(1, 10) if a != b]
    right = {}
    for positions in ("sinusoidal", "none"):
        model = build(task, **transformer.SMALL, positions=positions)
        transformer.train(model, task, seed=0, steps=250, lr=0.02, batch_size=64)
        right[positions] = transformer.share_right(model, task, pairs)
    assert right["sinusoidal"] > 0.9
    assert right["none"] <= 0.5


SETTING = ("name", "seed", "steps", "lr", "batch_size", "warm_up", "longest", "positions", "norm_first", "num_heads")
DEFAULTS = {"steps": 600, "lr": transformer.BEST_RATE, "batch_size": 64, "warm_up": True, "longest": 17}


def setting(row):
    return (*((DEFAULTS | row).get(name) for name in SETTING), tuple(row.get("off", ())))


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    planned, found = (list(map(setting, rows)) for rows in (transformer.plan(), RUNS))
    assert len(set(planned)) == len(planned)
    assert sorted(map(str, found)) == sorted(map(str, planned))
    assert set(load_results("transformer")["made_with"]) == set(made_with())


def test_the_best_rate_is_within_a_percent_of_the_best_of_those_tried():
    tried = {
        row["lr"]: translation.overall(row)
        for row in RUNS
        if (row["name"], row["steps"], row["seed"]) == ("race", 600, 0)
    }
    assert tried.keys() == set(transformer.LEARNING_RATES)
    assert tried[transformer.BEST_RATE] > max(tried.values()) - 0.01
