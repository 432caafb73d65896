"""The files of a directory in the words of Apache Kafka's DumpLogSegments and of our dump-log."""
import collections
import difflib
import itertools
import subprocess

import harness

TOOL = "org.apache.kafka.tools.DumpLogSegments"
SHOWN_LINES = 8


def flags_of(path):
    topic = path.parent.name.rsplit("-", 1)[0]
    if path.suffix == ".checkpoint" or topic == "__cluster_metadata":
        return ("--cluster-metadata-decoder",)
    return {"__consumer_offsets": ("--offsets-decoder",),
            "__transaction_state": ("--transaction-log-decoder",),
            "__share_group_state": ("--share-group-state-decoder",)}.get(
                topic, ("--print-data-log", "--deep-iteration"))


def flags_for(path):
    return flags_of(path) if path.suffix in (".log", ".checkpoint") else ()


def is_readable(path):
    """Apache Kafka's tool gives up at an index with room taken ahead over a log without records."""
    log = path.with_suffix(".log")
    return not (path.suffix == ".index" and path.stat().st_size and log.exists()
                and not log.stat().st_size)


def problems(text):
    """What a tool tells at its end, by file: Apache Kafka has the files in no order."""
    blocks = []
    for line in text.split("\n"):
        if blocks and line.startswith(("  ", "Indexed offset")):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return [line for block in sorted(blocks) for line in block]


def difference(words, left, right):
    if left == right:
        return []
    lines = difflib.unified_diff(left, right, "Apache Kafka", "ours", n=1, lineterm="")
    return [f"{' '.join(words)}: {line[:900]}" for line in itertools.islice(lines, SHOWN_LINES)]


def compare(node):
    """Differences, a line each; how many files were compared, by suffix, and how many lines."""
    groups = collections.defaultdict(list)
    for path in filter(is_readable, node.files()):
        groups[flags_for(path)].append(str(path))
    found, counts, lines = [], collections.Counter(), 0
    for flags, paths in groups.items():
        words = ["--files", ",".join(paths), *flags]
        theirs = node.root / "dump"
        node.driver.do("main", TOOL, theirs, *words)
        out, err = ((node.root / name).read_bytes().decode(errors="surrogateescape")
                    for name in ("dump", "dump.err"))
        done = subprocess.run([harness.BINARY, "dump-log", *words], capture_output=True)
        if done.returncode != 0:
            found.append(f"dump-log {flags}: status {done.returncode}: {done.stderr[-300:]}")
        ours = done.stdout.decode(errors="surrogateescape")
        found += difference(flags, out.split("\n"), ours.split("\n"))
        ours = done.stderr.decode(errors="surrogateescape")
        found += difference(flags, problems(err), problems(ours))
        counts.update(path.rsplit(".", 1)[1] for path in paths)
        lines += out.count("\n") + err.count("\n")
    return found, counts, lines
