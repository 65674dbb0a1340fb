"""The commands that stand in the documents, for the tests that run them: tests/chart has an API server, tests/node pods, too.

A command is a line of an indented code block (continued ones joined; one that sets a variable belongs to the next), or a span in
backquotes. A span of a program and a verb is no more than a name: `helm upgrade`.
"""
import os
import re

from support.toyou import TOP

DOCUMENTS = ("README.md", "docs/install.md", "docs/upgrade.md", "docs/monitoring.md", "docs/alerts.md", "charts/toyou/README.md")
PROGRAMS = "curl|docker|helm|install|kubectl"
LINE = r"^ {4}((?:[A-Z]+=.*\n {4})?(?:%s) .*)$" % PROGRAMS
SPAN = r"`((?:%s) (?![a-z]+`)[^`]+)`" % PROGRAMS


def read(document):
    with open(os.path.join(TOP, document), encoding="utf-8") as file:
        return file.read()


def commands():
    """(document, command), in the order of the documents."""
    for document in DOCUMENTS:
        text = re.sub(r"\\\n\s*", "", read(document))
        for line, span in re.findall("%s|%s" % (LINE, SPAN), text, re.MULTILINE):
            yield document, line.replace("\n    ", "\n") or re.sub(r"\s+", " ", span)


def matching(pattern):
    """The commands that a test runs, each once."""
    found = [command for _, command in commands() if re.match(pattern, command)]
    assert found, "no command in the documents is %s" % pattern
    return list(dict.fromkeys(found))
