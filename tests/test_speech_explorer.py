"""The speech explorer: pictures, weights and sound are the library's, reached by mouse, keyboard and touch."""

import base64
import json

import numpy as np
import pytest
import torch
from explorer_pages import OVERFULL, assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, Figure, contrast_of, visit  # noqa: F401

from attnbook.data.spoken_digits import END, HELD_OUT, RATE, Utterance, from_mu_law, speak, to_mu_law
from attnbook.evidence.speech import build, load_speller, prepare, state_times
from attnbook.explorers import SpeechExplorer, write_static
from attnbook.explorers.speech_explorer import shortest_run
from attnbook.speech import log_mel

WIDTHS = [320, 360, 660, 1280]


def made():
    chance = torch.Generator().manual_seed(5)
    said = {
        "Four digits": speak((5, 3, 0, 8), HELD_OUT[1], chance),
        "Too long": speak((4, 7, 1, 1, 1, 9, 0, 2), HELD_OUT[0], chance),
    }
    return SpeechExplorer(load_speller(), said), list(said.values())


@pytest.fixture(scope="module")
def explorer():
    return made()[0]


@pytest.fixture(scope="module")
def said():
    return made()[1]


# Without a browser


def test_what_is_stored_is_what_the_model_makes_of_what_is_played(explorer, said):
    model = load_speller()
    for explorer.chosen, utterance in enumerate(said):
        sound = from_mu_law(to_mu_law(utterance.sound))
        torch.testing.assert_close(explorer.sound(), sound)
        stored = explorer.utterances[explorer.chosen]
        frames, lengths, _ = prepare([Utterance(utterance.digits, sound, utterance.spans, utterance.voice)])
        with torch.no_grad():
            _, weights = model(frames, lengths, torch.tensor([[10, *stored["written"]]]))
        np.testing.assert_allclose(explorer.weights(), weights[0].numpy(), atol=1e-4)
        shades = np.frombuffer(base64.b64decode(stored["frames"]), dtype=np.uint8).reshape(-1, 32)
        expected = (255 * (log_mel(sound) + 9) / 11).clamp(0, 255)
        np.testing.assert_allclose(shades, expected.numpy(), atol=0.51)
    explorer.chosen = 0


def test_the_stretch_holds_most_of_the_weight(explorer):
    assert shortest_run(np.array([0.5, 0.2, 0.3, 0.0]), 0.5) == (0, 0)
    assert shortest_run(np.array([0.3, 0.2, 0.3, 0.2]), 0.8) == (0, 2)
    for i, row in enumerate(explorer.weights()):
        start, stop = explorer.stretch(i)
        times = state_times(len(row)).numpy()
        assert row[(times >= start) & (times <= stop)].sum() >= 0.8 - 1e-3
        assert 0 <= start < stop <= len(explorer.sound())


def test_state_html_and_picture(explorer):
    assert explorer.state().keys() == {"utterances", "chosen", "times"}
    assert explorer.html() == made()[0].html()
    assert len(json.dumps(explorer.state())) < 150_000
    alt = Figure(explorer.html()).found["img"]["alt"]
    assert "Said: 5 from " in alt
    assert "Largest weights: " in alt
    assert repr(explorer) == "SpeechExplorer(2 utterances, showing 'Four digits')"
    above, below = explorer.draw().axes
    assert above.images[0].get_array().shape[0] == 32
    heights = np.array([bar.get_height() for bar in below.patches]).reshape(explorer.weights().shape)
    np.testing.assert_allclose(heights, 0.9 * explorer.weights())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((build("fixed vector"), {"a": made()[1][0]}), ValueError, "should have attention"),
        ((build("attention"), {}), ValueError, "at least one utterance"),
        ((build("attention"), ["one"]), TypeError, r"a dict from names to utterances, got \['one'\]"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        SpeechExplorer(*arguments)


def test_bad_choice(explorer):
    with pytest.raises(ValueError, match="chosen should be from 0 to 1, got 2"):
        explorer.chosen = 2


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve, explorer):
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "speech", explorer)
    return serve(folder)


# What is played is noted down: each source's samples, and from where and how long it is heard.
NOTE = """() => {
window.played = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when, offset, duration) {
    const { sampleRate } = this.buffer;
    window.played.push({ sampleRate, offset, duration, samples: [...this.buffer.getChannelData(0)] });
    return start.call(this, when, offset, duration);
};
}"""


def shown(page):
    return json.loads(page.locator(".explorer-body").get_attribute("data-weights"))


def chips(page):
    return page.get_by_role("group", name="digits written").get_by_role("button")


def choose(page, explorer, index):
    explorer.chosen = index
    page.get_by_role("button", name=explorer.utterances[index]["name"]).click()
    return explorer.utterances[index]


def test_every_digit_of_every_utterance_shows_its_weights(visit, explorer):  # noqa: F811
    page = visit("speech")
    for index in (1, 0):
        utterance = choose(page, explorer, index)
        weights = explorer.weights()
        np.testing.assert_allclose(shown(page), weights.sum(axis=0).clip(max=1), atol=1e-4)
        names = [*map(str, utterance["written"]), "end"][: len(weights)]
        assert chips(page).all_inner_texts() == names
        for i in range(len(weights)):
            chips(page).nth(i).hover()
            np.testing.assert_allclose(shown(page), weights[i], atol=1e-4)
            heights = page.locator(".bars rect").evaluate_all("bars => bars.map((bar) => +bar.getAttribute('height'))")
            np.testing.assert_allclose(heights, 100 * weights[i], atol=0.01)
            stretch = json.loads(page.locator(".explorer-body").get_attribute("data-stretch"))
            assert stretch == pytest.approx(explorer.stretch(i), abs=1)
        page.mouse.move(0, 0)
        np.testing.assert_allclose(shown(page), weights.sum(axis=0).clip(max=1), atol=1e-4)
    assert page.get_by_text("Said and written: 5 3 0 8").count() + page.locator(".verdict.wrong").count() == 1


def test_the_spectrogram_and_the_spans_lie_where_they_should(visit, explorer):  # noqa: F811
    page = visit("speech")
    utterance = choose(page, explorer, 0)
    shades = np.frombuffer(base64.b64decode(utterance["frames"]), dtype=np.uint8).reshape(-1, 32)
    alphas = page.locator("canvas").evaluate(
        """(canvas) => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]
            .filter((_, i) => i % 4 === 3)"""
    )
    np.testing.assert_array_equal(np.array(alphas).reshape(32, -1), shades.T[::-1])
    box = page.locator(".picture").bounding_box()
    total = len(explorer.sound())
    for label, digit, (start, stop) in zip(
        page.locator(".span").all(), utterance["said"], utterance["spans"], strict=True
    ):
        assert label.inner_text() == str(digit)
        place = label.bounding_box()
        assert place["x"] - box["x"] == pytest.approx(box["width"] * start / total, abs=2)
        assert place["width"] == pytest.approx(box["width"] * (stop - start) / total, abs=2)
    first = page.locator(".bars rect").first.bounding_box()
    assert first["width"] == pytest.approx(box["width"] * 400 / total, abs=0.5)


def test_sound_is_the_librarys_and_nothing_plays_unasked(visit, explorer):  # noqa: F811
    page = visit("speech")
    page.evaluate(NOTE)
    choose(page, explorer, 1)
    chips(page).nth(0).hover()
    chips(page).nth(0).focus()
    assert page.evaluate("window.played.length") == 0
    page.get_by_role("button", name="Play all").click()
    (played,) = page.evaluate("window.played")
    assert played["sampleRate"] == RATE
    np.testing.assert_allclose(played["samples"], explorer.sound().numpy(), atol=1e-6)
    assert (played["offset"], played["duration"]) == (0, pytest.approx(len(explorer.sound()) / RATE))
    assert "playing" in page.get_by_role("button", name="Play all").get_attribute("class")
    page.get_by_role("button", name="Play all").click()  # a second click stops it
    assert page.locator(".playing").count() == 0
    chips(page).nth(2).click()
    played = page.evaluate("window.played")[1]
    start, stop = explorer.stretch(2)
    assert played["offset"] == pytest.approx(start / RATE, abs=1e-3)
    assert played["duration"] == pytest.approx((stop - start) / RATE, abs=1e-3)
    page.get_by_role("button", name="Play what it heard").click()
    assert page.evaluate("window.played.length") == 3
    page.wait_for_function("() => !document.querySelector('.playing')")  # it ends by itself


def test_without_an_audio_context_the_picture_works(browser, site, explorer):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("delete window.AudioContext; delete window.webkitAudioContext;")
    page.goto(f"{site}/speech.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    explorer.chosen = 0
    chips(page).nth(1).click()
    np.testing.assert_allclose(shown(page), explorer.weights()[1], atol=1e-4)
    assert page.get_by_role("button", name="Play").count() == 0
    assert page.get_by_text("can't play sound").is_visible()
    context.close()


def test_by_keyboard(visit, explorer):  # noqa: F811
    page = visit("speech")
    page.evaluate(NOTE)
    choose(page, explorer, 1)
    weights = explorer.weights()
    chips(page).first.focus()
    for key, index in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", len(weights) - 1), ("Home", 0)]:
        page.keyboard.press(key)
        np.testing.assert_allclose(shown(page), weights[index], atol=1e-4)
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert page.evaluate("window.played.length") == 0
    page.keyboard.press("Enter")
    assert page.evaluate("window.played.length") == 1
    page.keyboard.press("Escape")
    np.testing.assert_allclose(shown(page), weights.sum(axis=0).clip(max=1), atol=1e-4)


def test_by_touch_all_digits_and_reset(visit, explorer):  # noqa: F811
    page = visit("speech", width=360, has_touch=True, is_mobile=True)
    explorer.chosen = 0
    first = explorer.weights()
    chips(page).nth(1).tap()
    np.testing.assert_allclose(shown(page), first[1], atol=1e-4)
    page.get_by_role("button", name="All digits").tap()
    np.testing.assert_allclose(shown(page), first.sum(axis=0).clip(max=1), atol=1e-4)
    page.get_by_role("button", name="Too long").tap()
    chips(page).nth(0).tap()
    page.get_by_role("button", name="Reset").tap()
    np.testing.assert_allclose(shown(page), first.sum(axis=0).clip(max=1), atol=1e-4)


def test_is_spoken_once_the_hand_rests(visit, explorer):  # noqa: F811
    page = visit("speech")
    utterance = choose(page, explorer, 0)
    chips(page).nth(1).click()
    line = page.locator("[aria-live]")
    assert line.count() == 1
    row = explorer.weights()[1]
    time = float(state_times(len(row))[row.argmax()]) / RATE
    digit = utterance["written"][1]
    words = f"{digit}, number 2: largest weight {row.max():.2f} at {time:.2f} s"
    page.wait_for_function("([line, text]) => line.textContent.startsWith(text)", arg=[line.element_handle(), words])
    assert page.locator(".sentence").inner_text().startswith(words)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, explorer, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/speech.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/speech.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    for index in (0, 1):
        utterance = choose(page, explorer, index)
        for i in range(len(utterance["weights"])):
            chips(page).nth(i).focus()
            page.keyboard.press("Home" if i == 0 else "ArrowRight")
            assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=0.5)
    assert_fits(page, width)
    assert page.evaluate(OVERFULL) == []
    context.close()


def test_targets_are_large_enough_for_a_finger(visit):  # noqa: F811
    page = visit("speech", width=360)
    for control in page.locator(".explorer-body :is(button, select, input)").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("speech", theme=theme)
    page.get_by_role("button", name="Too long").click()
    chips(page).nth(1).click()
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 15
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_reduced_motion_and_print(visit):  # noqa: F811
    page = visit("speech", reduced_motion="reduce", theme="dark")
    page.get_by_role("button", name="Play all").click()
    assert page.evaluate("document.getAnimations().length") == 0
    page.emulate_media(media="print")
    assert page.locator(".picture").is_visible()
    assert not page.get_by_role("button", name="Reset").is_visible()


def test_the_end_is_no_digit(explorer):
    assert all(digit < END - 1 for utterance in explorer.utterances for digit in utterance["written"])
