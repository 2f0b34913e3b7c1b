"""Answers at the end of a chapter: what a page of the website folds away stands on the chapter's last pages."""

import re
from itertools import count

from bs4 import BeautifulSoup, Tag

LABEL = re.compile(r"(?:Question )?\d+\b.*")


def move_answers(body: Tag, name: str) -> None:
    """Put in the place of each folded text a reference to a section of answers, which is added at the end.

    The choices of a question become a list with letters, and what is said of each has the same letter. A folded table
    is no answer, and is unfolded where it stands.
    """
    soup, numbers = BeautifulSoup("", "html.parser"), count(1)
    answers = soup.new_tag("section", id=f"{name}--answers", attrs={"class": "answers"})
    heading = soup.new_tag("h2")
    heading.string = "Answers"
    answers.append(heading)
    for folded in body.find_all("details"):
        if folded.parent is None:  # a choice that moved with the first one
            continue
        if folded.find("table"):
            folded.summary.name = "p"
            folded.unwrap()
            continue
        group = run_of(folded)
        label, place = label_of(folded), f"{name}--answer-{next(numbers)}"
        is_question = label.startswith("Question")
        what = "Answers" if is_question else folded.summary.get_text(strip=True)
        answers.append(answer(soup, place, label, what, group if is_question else [folded]))
        if is_question:
            folded.insert_before(choices(soup, group))
        folded.insert_before(to_answer(place, what))
        for each in group if is_question else [folded]:
            each.extract()
    if len(answers) > 1:
        body.append(answers)


def run_of(folded: Tag) -> list[Tag]:
    """A folded text and those that follow it at once."""
    group = [folded]
    while (after := group[-1].find_next_sibling()) is not None and after.name == "details":
        group.append(after)
    return group


def label_of(folded: Tag) -> str:
    """What an answer belongs to: the numbered paragraph before it, or else the section."""
    for before in folded.find_previous_siblings("p"):
        if before.strong is not None and LABEL.fullmatch(label := before.strong.get_text(strip=True)):
            return label.rstrip(".")
    return folded.find_previous(re.compile("h[1-6]")).get_text()


def choices(soup: BeautifulSoup, group: list[Tag]) -> Tag:
    listed = soup.new_tag("ol", type="a", attrs={"class": "choices"})
    for folded in group:
        choice = folded.summary.extract()
        choice.name = "li"
        listed.append(choice)
    return listed


def to_answer(place: str, what: str) -> Tag:
    text = f'<p class="to-answer"><a class="across" href="#{place}">{what}</a></p>'
    return BeautifulSoup(text, "html.parser").p


def answer(soup: BeautifulSoup, place: str, label: str, what: str, group: list[Tag]) -> Tag:
    block = soup.new_tag("div", id=place, attrs={"class": "answer"})
    title = soup.new_tag("p", attrs={"class": "answer-to"})
    title.string = label if what in ("Answer", "Answers", "Solution") else f"{label}: {what[0].lower()}{what[1:]}"
    block.append(title)
    into = block
    if len(group) > 1:
        into = soup.new_tag("ol", type="a")
        block.append(into)
    for folded in group:
        place = into if len(group) == 1 else soup.new_tag("li")
        place.extend([child for child in list(folded.children) if getattr(child, "name", "") != "summary"])
        if place is not into:
            into.append(place)
    return block
