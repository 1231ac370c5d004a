"""Plain lines of what was pasted: no markup, no prompts, one sign for a minus.

Nothing here touches a digit, a point or an exponent. A sign that may be a minus is one
only where it stands directly before a number.
"""

import html
import re

QUOTES = str.maketrans({c: '"' for c in "“”„‟«»″"} | {c: "'" for c in "‘’‚‛′´"})
BLANKS = str.maketrans({c: " " for c in "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"})
NOTHING = str.maketrans(dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad"))
MINUS = re.compile(r"[\u2212\u2010-\u2013\ufe63\uff0d](?=[0-9.]|inf\b|nan\b)")
ROW = re.compile(r"<tr\b.*?(?:</tr\s*>|(?=<tr\b)|\Z)", re.DOTALL | re.IGNORECASE)
CELL = re.compile(r"</t[dh]\s*>", re.IGNORECASE)
BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|table|pre)\s*>", re.IGNORECASE)
TAG = re.compile(r"</?[A-Za-z][^<>\n]*>")
FRONT = re.compile(
    r"""\s*(?: >+ | \.\.\.\s | (?:In|Out)\s*\[[\d\s]*\]\s*: | \#+\s |
        [-*•+·]\s+(?=[^\s\d.\[(|+-]) | \d{1,2}[.)]\s+(?=[A-Za-z"'*`_]) )""",
    re.VERBOSE,
)
EMPHASIS = re.compile(r"(?<![^\s(|])_{2,3}(?=\w)|(?<=[\w\])])_{2,3}(?!\w)|`+|\*+")
CODE = re.compile(
    r"\s*(?:print\s*\(|import\s|from\s+\w|def\s+\w|return\b|assert\b|"
    r"for\s+\w+\s+in\b|[\w.]*\.assert_|np\.random\.seed|\w[\w\[\]'\"]*\s*=\s*np\.random\.)"
)
COMMENT = re.compile(r"^[ \t]*(?:#+|>+)(?=[ \t]|$)", re.MULTILINE)  # tables in them
RULE = re.compile(r"[\s|:+=-]*")  # the line below the head of a table


def plain_lines(text: str) -> list[str]:
    """The lines that may hold numbers, as far as that goes without understanding them.

    >>> plain_lines("> **gradients[“dba”][4]** = −1.4")
    ['gradients["dba"][4]  = -1.4']
    """
    text = html.unescape(text).translate(QUOTES).translate(BLANKS).translate(NOTHING)
    text = text.replace('\\"', '"').replace("\\'", "'").replace("…", "...")
    text = re.sub(r"\r\n?|[\u2028\u2029\v\f]", "\n", text)
    if "\n" not in text.strip():
        text = text.replace("\\n", "\n")
    text = MINUS.sub("-", text)
    text = COMMENT.sub("", text)
    text = ROW.sub(lambda row: _table_row(row[0]), text)
    text = TAG.sub(" ", BREAK.sub("\n", text)).replace("\t", " | ")
    text = re.sub(r"\b(?:np|numpy|jnp)\.shape\(([^()]*)\)", r"\1.shape", text)
    return [_plain(line) for line in text.split("\n")]


def _table_row(row: str) -> str:
    """A row of an html table as one line, its cells apart."""
    return CELL.sub(" | ", " ".join(row.split())) + "\n"


def _plain(line: str) -> str:
    if CODE.match(line) or RULE.fullmatch(line):
        return ""
    while (front := FRONT.match(line)) and front.end():
        line = line[front.end() :]
        if CODE.match(line):
            return ""
    return EMPHASIS.sub(" ", line).strip()
