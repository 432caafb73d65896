#!/usr/bin/env python3
"""Gives the same command lines to Apache Kafka's tools and to ours and compares the answers.

Cases come from the tables in tools/, in order, each side against a fresh broker of its own: exit
status, stdout and stderr must be equal but for this:

- ports, the folder of the test, ids of 22 characters, times in milliseconds and dates are masked;
  numbers are too where they measure (both perf-tests, metadata-quorum, CRCs, the epoch of features) or
  are given out (producer ids);
- a log line of an error keeps its text, without date and logger; other log lines, those of the client
  library (they begin with the client's id) and stack traces are dropped, and so is the name of an
  exception's class at the start of a line;
- a line that repeats the one before, or its end, counts once, and each side has its own version; that a
  start failed is a line of its own there and "barnabas:" before the reason here;
- of a table of options, and of a usage, the set of option names counts, not their descriptions;
- transactional ids that producer-perf-test has made up are left out of lists, where they are anywhere;
- what is printed in the order of a hash table is sorted (topics, partitions, log directories), and runs of
  blanks in tables of measures are one.

The tools that a family names as CROSSED are also run against the other's broker, and its APACHE_CASES by
both tools against Apache Kafka's alone, since no broker of ours serves what they need.

What differs and is meant to is listed, with its reason, in docs/compatibility.md under "Tools"; a row
there that no case needs any more is a failure.

    tests/conformance/tools.py [TOOL]...      only some tools, with the cases that make their state
"""
import concurrent.futures
import importlib
import pathlib
import re
import shlex
import shutil
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "tools"), str(HERE.parent / "integration")]
import harness  # noqa: E402
import masks  # noqa: E402
import runners  # noqa: E402

FAMILIES = ("storage", "topics", "configs", "records", "files", "cluster", "perf", "transactions",
            "consumer_groups", "server")
LISTED = HERE.parent.parent / "docs" / "compatibility.md"
SHOWN_DIFFERENCES = 12
SETTINGS = ["auto.create.topics.enable=false",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"]


class Listed:
    """The rows "| tool | pattern of the difference | why |" under "Tools"."""

    def __init__(self, text):
        section = text.partition("\n## Tools\n")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| ([\w-]+) \| `([^`]+)` \| .+ \|$", section, re.M)
        self.rows = [(tool, re.compile(pattern)) for tool, pattern in rows]
        self.used = set()

    def covers(self, tool, difference):
        for i, (name, pattern) in enumerate(self.rows):
            if name == tool and pattern.search(difference):
                self.used.add(i)
                return True
        return False

    def unused(self, tools):
        return [f"{name}: {pattern.pattern}" for i, (name, pattern) in enumerate(self.rows)
                if i not in self.used and name in tools]


class Side:
    """A broker, the tools to go with it, and a folder with the files that cases name."""

    def __init__(self, peer, make_runner, files, settings=()):
        self.folder = tempfile.mkdtemp(prefix="barnabas-tools-")
        self.broker = harness.Broker(overrides=[*SETTINGS, *settings])
        self.broker.overrides.append("controller.quorum.bootstrap.servers="
                                     f"127.0.0.1:{self.broker.controller_port}")
        self.broker.peer = peer
        self.runner = None
        self.make_runner = make_runner
        self.files = files

    def start(self):
        self.runner = self.make_runner(self.folder)
        self.broker.start()
        self.words = {"server": self.broker.bootstrap, "dir": self.folder,
                      "controller": f"127.0.0.1:{self.broker.controller_port}",
                      "data": f"{self.broker.directory}/data", "dead": "127.0.0.1:1"}
        for name, text in self.files.items():
            path = pathlib.Path(self.folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else self.fill(text).encode())
        version = self.runner.run("topics", ["--version"], "")[1].strip()
        self.names = {version: "VERSION", self.words["data"]: "DATA", self.folder: "DIR",
                      str(self.broker.port): "PORT", str(self.broker.controller_port): "PORT",
                      "java [options] kafka.Kafka": "SERVER-START",
                      "barnabas server-start [-daemon]": "SERVER-START"}

    def fill(self, text):
        return re.sub(r"\{(\w+)\}", lambda found: self.words.get(found[1], found[0]), text)

    def answer(self, case):
        tool, line, *text = case
        if callable(line):
            line(self.broker)
            return 0, "", ""
        words = [self.fill(word) for word in shlex.split(line)]
        status, out, err = self.runner.run(tool, words, text[0] if text else "")
        return (status, masks.shape(tool, out, self.names), masks.shape(tool, err, self.names))

    def answers(self, cases):
        self.start()
        return [self.answer(case) for case in cases]

    def remove(self):
        if self.runner is not None:
            self.runner.close()
        self.broker.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def families(crossed=False):
    made = [importlib.import_module(name) for name in FAMILIES]
    return [family for family in made if hasattr(family, "CROSSED") == crossed]


def chosen_cases(of, words):
    """The cases of families and their files; with words only of these tools, and what they need."""
    wanted = set(words)
    for family in of:
        for tool, needed in getattr(family, "NEEDS", {}).items():
            wanted |= set(needed) if tool in words else set()
    cases, files = [], {}
    for family in of:
        files.update(getattr(family, "FILES", {}))
        cases += getattr(family, "FIXTURES", [])
        cases += [case for case in family.CASES if not words or case[0] in wanted]
    return cases, files


def compare(cases, theirs, ours, listed, some, where=""):
    """Prints a verdict for each tool; the number of cases and whether all are equal. some: not all
    cases were run, so that what is listed may not be needed."""
    counts, found = {}, {}
    for case, left, right in zip(cases, theirs, ours, strict=True):
        tool = case[0]
        counts[tool] = counts.get(tool, 0) + 1
        for line in masks.differences(left, right):
            line = f"{tool} {case[1]}: {line}"
            if not listed.covers(tool, line):
                found.setdefault(tool, []).append(line)
    for tool, count in counts.items():
        lines = found.get(tool, [])
        print(f"{'FAIL' if lines else 'PASS'} {tool}: {count} command lines compared{where}"
              + (f", {len(lines)} differences" if lines else ""), flush=True)
        for line in lines if some else lines[:SHOWN_DIFFERENCES]:
            print(f"     {line[:1000]}")
    for line in listed.unused(counts) if not some else ():
        found["listed"] = [line]
        print(f"FAIL compatibility: {line} is listed, but no case differs so")
    return sum(counts.values()), not found


def answers_of(sides):
    """Of (side, cases), all at once."""
    with concurrent.futures.ThreadPoolExecutor(len(sides)) as pool:
        return list(pool.map(lambda pair: pair[0].answers(pair[1]), sides))


class Sides:
    """What is running, to be ended in any case."""

    def __init__(self):
        self.all = []

    def make(self, peer, files, settings=(), tools=None):
        make_runner = runners.Java if (tools or peer) == "apache" else lambda _: runners.Ours()
        self.all.append(Side(peer, make_runner, files, settings))
        return self.all[-1]

    def end(self):
        for side in self.all:
            if side.broker.peer == "barnabas":
                side.broker.end_in_order()
        self.remove()

    def remove(self):
        for side in self.all:
            side.remove()
        self.all = []


def run_plain(words, sides, listed):
    """(number of cases, whether all are equal) of each comparison."""
    cases, files = chosen_cases(families(), words)
    if not cases or (words and not any(case[0] in words for case in cases)):
        return []
    theirs, ours = answers_of([(sides.make("apache", files), cases), (sides.make("barnabas", files), cases)])
    sides.end()
    return [compare(cases, theirs, ours, listed, bool(words))]


def run_crossed(family, words, sides, listed):
    """The same of a family whose tools are also run against the other's broker."""
    cases, files = chosen_cases([family], words)
    alone = [case for case in family.APACHE_CASES if not words or case[0] in words]
    if not any(isinstance(case[1], str) for case in cases):
        return []
    settings = family.SETTINGS
    theirs, ours = answers_of([(sides.make("apache", files, settings), cases + alone),
                               (sides.make("barnabas", files, settings), cases)])
    sides.end()
    there, here = answers_of([(sides.make("apache", files, settings, "barnabas"), cases + alone),
                              (sides.make("barnabas", files, settings, "apache"), cases)])
    sides.end()
    return [compare(cases, theirs[:len(cases)], ours, listed, bool(words)),
            compare(cases + alone, theirs, there, listed, True, " by ours against Apache Kafka"),
            compare(cases, theirs[:len(cases)], here, listed, True, " by Apache Kafka's against ours")]


def main():
    words, sides, failed = sys.argv[1:], Sides(), True
    listed = Listed(LISTED.read_text() if LISTED.exists() else "")
    try:
        verdicts = run_plain(words, sides, listed)
        for family in families(crossed=True):
            verdicts += run_crossed(family, words, sides, listed)
        failed = not all(equal for _, equal in verdicts)
        if not failed:
            print(f"PASS tools: {sum(count for count, _ in verdicts)} command lines compared in all")
    except harness.Skip as reason:
        failed = False
        print(f"SKIP tools: {reason}")
    except Exception:
        traceback.print_exc()
        print("FAIL tools: it ended early")
    finally:
        sides.remove()
    sys.exit(1 if failed else 0)


main()
