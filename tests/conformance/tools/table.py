"""Command lines as text: one a line, short names for what they share."""


def lines(text, **short):
    """The command lines of a table; a word that is a name of short stands for its text, and
    `(none)` for a command without words."""
    found = []
    for line in text.strip().splitlines():
        words = [short.get(word, word) for word in line.split(" ")]
        found.append("" if line == "(none)" else " ".join(words))
    return found
