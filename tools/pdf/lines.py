"""Lines of code that are longer than a printed line go on in the next one, after a mark."""

from bs4 import BeautifulSoup, NavigableString, Tag

COLUMNS = 100  # of code on a page: `pdf.css` sets its type so that they fit
MARK = "↪ "  # what goes on begins with it


def turns(text: str, columns: int = COLUMNS) -> list[int]:
    """Where a text's long lines are broken: behind a space, if one stands in the line's second half.

    >>> turns("a = bb + cc", columns=6)
    [4, 7]
    """
    found, start = [], 0
    for line in text.split("\n"):
        begin, room = 0, columns
        while len(line) - begin > room:
            space = line.rfind(" ", begin + room // 2, begin + room)
            begin = space + 1 if space >= 0 else begin + room
            found.append(start + begin)
            room = columns - len(MARK)
        start += len(line) + 1
    return found


def turn_long_lines(body: Tag) -> None:
    soup = BeautifulSoup("", "html.parser")
    for code in body.find_all("pre"):
        waiting, start = turns(code.get_text()), 0
        for text in list(code.find_all(string=True)) if waiting else []:
            said, pieces, done = str(text), [], 0
            while waiting and waiting[0] < start + len(said):
                cut = waiting.pop(0) - start
                mark = soup.new_tag("span", attrs={"class": "turn"})
                mark.string = MARK
                pieces += [NavigableString(said[done:cut] + "\n"), mark]
                done = cut
            start += len(said)
            if pieces:
                text.replace_with(*pieces, NavigableString(said[done:]))
