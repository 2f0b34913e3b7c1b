"""Spoken digits to written ones, by attention, through one fixed vector, and by CTC: chapter 13."""

from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, ctc_loss

from attnbook.data.spoken_digits import END, HEARD, HELD_OUT, RATE, START, TOKENS, WORDS, Utterance, draw, padded, speak
from attnbook.evidence import FOLDER, save_results
from attnbook.scores import AdditiveScore
from attnbook.speech import CTCReader, Speller, frame_count, log_mel, standardised
from attnbook.speech.frames import BANDS, HOP, WINDOW
from attnbook.speech.listening import SHORTENING
from attnbook.training import Batch, count_parameters, fit

KINDS = ("attention", "fixed vector", "CTC")
WIDTH, EMBED = 128, 32
LONGEST = 6  # digits, in training
STEPS = 600
BATCH_SIZE = 32
LEARNING_RATE = 4e-3
SEEDS = range(3)
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12)  # digits, in the strings that are measured
STRINGS = 100  # of each length
NOISES = (0.003, 0.01, 0.03, 0.1)
PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds
MOST = 20  # tokens that a speller may write
IGNORED = -100
CHECKPOINT = FOLDER / "speech.safetensors"
Model = Speller | CTCReader


def build(kind: str, seed: int = 0) -> Model:
    """An untrained model: "attention", "fixed vector" or "CTC"; all hear alike."""
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    torch.manual_seed(seed)
    if kind == "CTC":
        return CTCReader(BANDS, len(WORDS), WIDTH)
    score = AdditiveScore(WIDTH, WIDTH, WIDTH // 2) if kind == "attention" else None
    return Speller(BANDS, TOKENS, EMBED, WIDTH, score)


def prepare(said: list[Utterance]) -> Batch:
    """Utterances as the models hear them: frames (b, n, 32), their lengths (b,), and tokens (b, m)."""
    sound, samples, tokens = padded(said)
    lengths = frame_count(samples)
    return standardised(log_mel(sound), lengths), lengths, tokens


def loss(model: torch.nn.Module, batch: Batch) -> Tensor:
    """What training makes small: the surprise at each next token, or for CTC at the whole string, per digit."""
    frames, lengths, tokens = batch
    if isinstance(model, CTCReader):
        log_probabilities, mask = model(frames, lengths)
        digits = (tokens < START).sum(dim=1)
        # ctc_loss wants time first; what stands behind a string's digits it does not read
        return ctc_loss(log_probabilities.transpose(0, 1), tokens[:, 1:], mask.sum(dim=1), digits, model.blank)
    logits, _ = model(frames, lengths, tokens[:, :-1])
    wanted = tokens[:, 1:].masked_fill(tokens[:, :-1] == END, IGNORED)  # behind the first END nothing is asked
    return cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)


def train(model: Model, seed: int = 0, steps: int = STEPS) -> list[float]:
    """Train a model in place on strings of 1 to 6 digits in the heard voices, and return the loss of each step."""

    def batches(generator: torch.Generator) -> Batch:
        length = int(torch.randint(1, LONGEST + 1, (), generator=generator))  # of all in the batch: less padding
        return prepare(draw(BATCH_SIZE, length, HEARD, generator, vary=True))

    return fit(model, loss, batches, steps, lr=LEARNING_RATE, seed=seed)


def transcribe(model: Model, said: list[Utterance]) -> tuple[list[tuple[int, ...]], Tensor | None]:
    """What the model writes of each utterance, and its weights (b, n_q, n_k), if it has any."""
    device = next(model.parameters()).device
    frames, lengths, _ = (x.to(device) for x in prepare(said))
    if isinstance(model, CTCReader):
        return [tuple(text) for text in model.transcribe(frames, lengths)], None
    texts, weights = model.transcribe(frames, lengths, START, END, MOST)
    return [tuple(text) for text in texts], weights


def right(model: Model, said: list[Utterance]) -> float:
    """The share of utterances that the model writes exactly."""
    texts, _ = transcribe(model, said)
    return sum(text == x.digits for text, x in zip(texts, said, strict=True)) / len(said)


def spoken_strings(length: int, voices: tuple[str, ...] = HELD_OUT, count: int = STRINGS) -> list[Utterance]:
    """The strings on which every model is measured: always the same ones."""
    return draw(count, length, voices, torch.Generator().manual_seed(10_000 + length))


def hard_strings() -> dict[str, dict[str, list[Utterance]]]:
    """What breaks a listener: one digit over and over, noise, and a pause in the middle of four digits."""
    chance = torch.Generator().manual_seed(20_000)

    def some(length: int, **options: float) -> list[Utterance]:
        return [speak(x.digits, x.voice, chance, **options) for x in spoken_strings(length)]

    def same(length: int) -> list[Utterance]:
        return [speak(x.digits[:1] * length, x.voice, chance) for x in spoken_strings(length)]

    return {
        "repeated": {str(length): same(length) for length in (2, 3, 4, 5, 6)},
        "noise": {str(noise): some(4, noise=noise) for noise in NOISES},
        "pause": {str(pause): some(4, pause=pause) for pause in PAUSES},
    }


def state_times(count: int) -> Tensor:
    """The middle of what each state stands for, in samples, (count,): states stand at every fourth frame."""
    return torch.arange(count) * SHORTENING * HOP + WINDOW / 2


def alignment_facts(model: Speller, said: list[Utterance]) -> dict[str, float]:
    """Where the model looks while it reads the true digits, beside where they were said.

    Returns:
        inside: the share of digits whose largest weight is on a state within the digit's own time.
        weight_inside: the mean weight on such states.
        chance: the mean share of the utterance's time that a digit takes, which even weights would give.
        late: the mean of (time of the largest weight − the digit's middle), in ms; spread: its standard deviation.
        forwards: the share of strings (of two digits or more) whose largest weights move forwards at each digit.
        forwards_steps: the same of the single steps.
    """
    frames, lengths, tokens = prepare(said)
    with torch.no_grad():
        _, weights = model(frames, lengths, tokens[:, :-1])
    assert weights is not None
    times = state_times(weights.shape[-1])
    inside, on_span, chance, late, steps, whole = [], [], [], [], [], []
    for x, rows in zip(said, weights, strict=True):
        rows = rows[: len(x.digits)]
        spans = x.spans.float()
        looks = times[rows.argmax(dim=-1)]
        within = (times >= spans[:, :1]) & (times < spans[:, 1:])  # (digits, states)
        inside += within.gather(1, rows.argmax(dim=-1, keepdim=True)).flatten().tolist()
        on_span += (rows * within).sum(dim=-1).tolist()
        chance += ((spans[:, 1] - spans[:, 0]) / len(x.sound)).tolist()
        late += (1000 * (looks - spans.mean(dim=-1)) / RATE).tolist()
        if len(x.digits) > 1:
            forwards = looks.diff() > 0
            steps += forwards.tolist()
            whole.append(bool(forwards.all()))
    mean = lambda numbers: sum(numbers) / len(numbers)  # noqa: E731
    return {
        "inside": mean(inside),
        "weight_inside": mean(on_span),
        "chance": mean(chance),
        "late": mean(late),
        "spread": torch.tensor(late).std().item(),
        "forwards": mean(whole),
        "forwards_steps": mean(steps),
    }


def measure(model: Model) -> dict[str, Any]:
    """Everything that the chapter says of a model."""
    facts: dict[str, Any] = {
        "held out": {str(length): right(model, spoken_strings(length)) for length in LENGTHS},
        "heard": {str(length): right(model, spoken_strings(length, HEARD)) for length in LENGTHS},
    }
    facts |= {
        trial: {case: right(model, said) for case, said in cases.items()} for trial, cases in hard_strings().items()
    }
    if isinstance(model, Speller) and model.score is not None:
        said = {length: spoken_strings(length) for length in LENGTHS}
        facts["alignment"] = alignment_facts(model, [x for length in LENGTHS[:LONGEST] for x in said[length]])
        facts["alignment beyond"] = alignment_facts(model, [x for length in LENGTHS[LONGEST:] for x in said[length]])
    return facts


def overall(row: dict[str, Any], voices: str = "held out") -> float:
    """The share of strings of 1 to 6 digits that a row of results has right, every length counting alike."""
    return sum(row[voices][str(length)] for length in LENGTHS[:LONGEST]) / 6


def run(kind: str, seed: int, steps: int = STEPS) -> tuple[Model, dict[str, Any]]:
    """Train one model from scratch and measure it: the model, and its row of the results file."""
    model = build(kind, seed)
    losses = train(model, seed, steps)
    row = {"kind": kind, "seed": seed, "steps": steps, "parameters": count_parameters(model)}
    return model, row | {"loss": sum(losses[-20:]) / 20} | measure(model)


def load_speller(device: torch.device | str = "cpu") -> Speller:
    """The model with attention of seed 0, as `make checkpoints` trained it."""
    model = build("attention").to(device)
    stored = load_file(CHECKPOINT, device=str(device))
    model.load_state_dict({name: weight.float() for name, weight in stored.items()})
    assert isinstance(model, Speller)
    return model.eval()


def train_checkpoint() -> None:
    """Train that model from scratch (under a minute), and write it in half precision."""
    model = build("attention")
    train(model)
    save_file({name: weight.half() for name, weight in model.cpu().state_dict().items()}, CHECKPOINT)


def plan() -> list[dict[str, Any]]:
    """Every run that the chapter quotes: `run`'s arguments."""
    return [{"kind": kind, "seed": seed} for kind in KINDS for seed in SEEDS]


def recompute() -> None:
    """Train every run of the plan, and write the results."""
    rows = []
    for arguments in plan():
        _, row = run(**arguments)
        print(f"{arguments}: {row['parameters']:,} parameters, {overall(row):.1%} right", flush=True)
        rows.append(row)
    save_results("speech", rows)
