"""The files of a directory in the words of Apache Kafka's DumpLogSegments and of our dump-log."""
import collections
import difflib
import itertools
import shutil
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


def compare_run(node, words):
    """Differences of one run of both tools, and the number of lines."""
    node.driver.do("main", TOOL, node.root / "dump", *words)
    out, err = ((node.root / name).read_bytes().decode(errors="surrogateescape")
                for name in ("dump", "dump.err"))
    done = subprocess.run([harness.BINARY, "dump-log", *words], capture_output=True)
    ours = done.stdout.decode(errors="surrogateescape")
    found = difference(words[2:], out.split("\n"), ours.split("\n"))
    ours = done.stderr.decode(errors="surrogateescape")
    found += difference(words[2:], problems(err), problems(ours))
    if (done.returncode != 0) != ("Exception" in err):
        found.append(f"dump-log {words[2:]}: status {done.returncode}")
    return found, out.count("\n") + err.count("\n")


def compare(node):
    """Differences, a line each; how many files were compared, by suffix, and how many lines."""
    groups = collections.defaultdict(list)
    for path in filter(is_readable, node.files()):
        groups[flags_for(path)].append(str(path))
    found, counts, lines = [], collections.Counter(), 0
    for flags, paths in groups.items():
        wrong, more = compare_run(node, ["--files", ",".join(paths), *flags])
        found += wrong
        lines += more
        counts.update(path.rsplit(".", 1)[1] for path in paths)
    return found, counts, lines


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


DAMAGES = {
    "a cut end": (".log", lambda data: data[:-7]),
    "zeros behind": (".log", lambda data: data + bytes(30)),
    "ones behind": (".log", lambda data: data + b"\xff" * 80),
    "a record": (".log", lambda data: flip(data, 91)),
    "an offset": (".index", lambda data: flip(data, 3)),
    "odd bytes": (".index", lambda data: data + b"abc"),
    "a time": (".timeindex", lambda data: flip(data, 7)),
    "an offset of a time": (".timeindex", lambda data: flip(data, 11)),
    "odd bytes behind times": (".timeindex", lambda data: data + b"abc"),
    "a producer": (".snapshot", lambda data: flip(data, 20)),
    "a short snapshot": (".snapshot", lambda data: data[:9]),
    "an empty snapshot": (".snapshot", lambda data: b""),
    "a later snapshot": (".snapshot", lambda data: flip(data, 0)),
}


def compare_damaged(node):
    """The same over the first segment of topic `rolled` with one fault each."""
    source = next(path for path in node.files() if path.parent.name == "rolled-0").parent
    segment = min(source.glob("*.log"))
    found = []
    for name, (suffix, damage) in DAMAGES.items():
        folder = node.root / "damaged" / name.replace(" ", "-")
        shutil.copytree(source, folder)
        path = max(folder.glob("*.snapshot")) if suffix == ".snapshot" else \
            folder / segment.with_suffix(suffix).name
        path.write_bytes(damage(path.read_bytes()))
        wrong, _ = compare_run(node, ["--files", str(path), "--deep-iteration"])
        found += [f"{name}: {line}" for line in wrong]
    return found
