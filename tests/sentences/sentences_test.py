#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every sentence that partd can print about a failure stands in a test, or in uncovered.txt, which may only shrink.

A sentence is a text in an expression that makes an error, a diagnostic or a complaint. It counts as tested when four
words of it that follow each other, or all between two values where there are fewer, stand in a test. That is a measure
and no proof: it finds what nobody has ever looked at.

    sentences_test.py               the test
    sentences_test.py --list        every sentence, the tested ones with a +
    sentences_test.py --update      writes uncovered.txt anew; read the diff: no line may come
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
SOURCES = TESTS.parent / "partd"
KNOWN = HERE / "uncovered.txt"

# What takes a sentence: results that failed, errors and warnings of files, what a verb says besides its data.
MAKERS = re.compile(
    r"\b(?:fail|fail_errno|usage|refuse|refused|report_unexpected|explain|stop|stopped|end_events|end_badly)\("
    r"|\.(?:error|warning|note|complain|say|wrap|stop)\("
    r"|\bcomplain\(|\bsay\("
    r"|\.(?:message|what|why|effect|holder|problem)\s*(?:\+?=)"
    r"|\bError\{|\bkExpected\s*="
)
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
GAP = re.compile(r"\{[^{}]*\}")
WORDS_TOGETHER = 4
FEWEST_LETTERS = 8  # of a sentence; less is a name


def strip_comments(text):
    """The source without its comments; what looks like one in a string stays."""
    pattern = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    return pattern.sub(lambda found: found.group() if found.group().startswith('"') else " ", text)


def expression(text, begin):
    """What belongs together from there on: to the bracket that closes it, or to the end of the statement."""
    depth, at, in_string = 0, begin, False
    while at < len(text):
        letter = text[at]
        if in_string:
            at += letter == "\\"
            in_string = letter != '"'
        elif letter == '"':
            in_string = True
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth < 0:
                break
        elif depth == 0 and text[begin - 1] == "=" and letter in ",;":
            break
        at += 1
    return text[begin:at]


def joined(code):
    """Literals that follow each other are one."""
    return re.sub(r'(?<!\\)"\s*"', "", code)


def plain(text):
    return re.sub(r"\\(.)", lambda found: " " if found[1] in "nt" else found[1], text)


def sentences_of(path):
    code = joined(strip_comments(path.read_text()))
    for maker in MAKERS.finditer(code):
        for literal in LITERAL.finditer(expression(code, maker.end())):
            text = plain(literal[1]).strip()
            if len(re.sub(r"[^A-Za-z]", "", GAP.sub("", text))) >= FEWEST_LETTERS and len(text.split()) > 1:
                yield text


def pieces(sentence):
    """Of the texts between two values, each run of so many words, or the longest text where all are shorter."""
    fixed = [part.split() for part in GAP.split(sentence)]
    runs = [
        " ".join(words[at : at + WORDS_TOGETHER])
        for words in fixed
        for at in range(len(words) - WORDS_TOGETHER + 1)
    ]
    return runs or [max((" ".join(words) for words in fixed), key=len)]


def tests_text():
    kinds = {".cpp", ".h", ".py", ".sh", ".toml", ".txt"}
    texts = []
    for path in sorted(TESTS.rglob("*")):
        if path.suffix in kinds and path.is_file() and path.parent != HERE:
            text = path.read_text(errors="replace")
            texts.append(plain(joined(text) if path.suffix in {".cpp", ".h", ".py"} else text))
    return " ".join(" ".join(texts).split())


def main(arguments):
    tests = tests_text()
    covered = {
        sentence: any(piece in tests for piece in pieces(sentence))
        for path in sorted(SOURCES.rglob("*.cpp"))
        for sentence in sentences_of(path)
    }
    missing = sorted(sentence for sentence, tested in covered.items() if not tested)
    if "--list" in arguments:
        for sentence in sorted(covered):
            print("+" if covered[sentence] else "-", sentence)
        return 0
    if "--update" in arguments:
        KNOWN.write_text("".join(f"{sentence}\n" for sentence in missing))
        return 0
    known = KNOWN.read_text().splitlines()
    new = sorted(set(missing) - set(known))
    done = sorted(set(known) - set(missing))
    for sentence in new:
        print(f"no test expects: {sentence}")
    for sentence in done:
        print(f"take it out of {KNOWN.name}, it is tested or gone: {sentence}")
    print(f"{len(covered)} sentences, {len(covered) - len(missing)} of them in tests")
    return 1 if new or done or not covered else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
