"""What two tools printed, in comparable form. The rules are in the docstring of ../tools.py."""
import difflib
import json
import re

LOG_LINE = re.compile(r"^\[\d{4}-\d\d-\d\d [\d:,]+\] (\w+) (.*?)(?: \([\w.$]+\))?$")
CLIENT_LOG = re.compile(r"\[\w+ clientId=")
TRACE_LINE = re.compile(r"^\s*(at [\w.$/<>]+\(|at java\.|\.\.\. \d+ more|Caused by: )")
EXCEPTION = re.compile(r'^(?:Exception in thread "main" )?((?:[a-z]\w*\.)+[A-Z][\w$]*(?:Exception|Error)'
                       r"(?:: |$))+")
TABLE = re.compile(r"^Option(?: \(\* = required\))?\s+Description *$", re.M)
OPTION = re.compile(r"(?<![\w-])-{1,2}[A-Za-z][\w.-]*")
EVERYWHERE = [
    (re.compile(r"(?<![\w-])(?!(?:[A-Z][a-z]+)+(?![\w-]))\w[\w-]{21}(?![\w-])"), "UUID"),
    (re.compile(r"\b1[0-9]{12}\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[:.,]\d{3}\b"), "DATE"),
]
# What Java prints of a set, in any order.
SET = re.compile(r"((?:options|scenarios|states are|types are): )(.*)")
NUMBER = (re.compile(r"-?\b\d+(\.\d+)?\b|NaN|-?Infinity|-?inf|-?nan"), "N")
BY_TOOL = {
    "consumer-groups": [
        (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "ID"),
        (re.compile(r" \(attempted merging values .*\)"), ""),
        (SET, lambda m: m[1] + " ".join(sorted(re.findall(r"[\w-]+", m[2]))))],
    "dump-log": [(re.compile(r"(crc|[pP]roducerId): \d+"), r"\1: N")],
    "transactions": [(re.compile(r"^performance-producer-.*\n?", re.M), ""),
                     NUMBER, (re.compile(r" +\t"), "\t"), (re.compile(r" {2,}"), " ")],
    "metadata-quorum": [NUMBER, (re.compile(r" +\t"), "\t"), (re.compile(r" {2,}"), " ")],
    "features": [(re.compile(r"Epoch: \d+"), "Epoch: N")],
    "producer-perf-test": [(re.compile(r"(?<=sent, ).*"), lambda m: NUMBER[0].sub("N", m[0]))],
    "consumer-perf-test": [(re.compile(r"^(?:DATE|\d{4}), .*", re.M), lambda m: NUMBER[0].sub("N", m[0]))],
    "cluster": [(re.compile(r" +"), " ")],
    "server-start": [(re.compile(r"^Exiting Kafka due to fatal exception\n|^barnabas: |requirement failed: ", re.M), "")],
}
# What is printed in the order of a hash table; of groups, those whose members are.
GROUPS = {"storage": re.compile(r"Formatting (.*)"), "topics": re.compile(r"\t?Topic: (\S+)"),
          "configs": re.compile(r"(?:Dynamic|All) configs for ((?:topic|group|client-metric) \S+)"),
          "delete-records": re.compile(r"partition: (\S+)"),
          "consumer-groups": re.compile(r"((?:preparing-a|new-two-c|mixed-a) .*)")}


def _without_logs(text):
    """Log lines of errors keep their first line without date and logger; others go, and so does the exception
    that the client logs."""
    kept, of_client = [], False
    for line in text.splitlines():
        found = LOG_LINE.match(line)
        if of_client and line.startswith("org.apache.kafka.common.errors."):
            of_client = False
            continue
        of_client = bool(found and CLIENT_LOG.match(found[2]))
        if found:
            if found[1] in ("ERROR", "FATAL") and not CLIENT_LOG.match(found[2]):
                kept.append(found[2])
        elif not TRACE_LINE.match(line):
            kept.append(line)
    kept = [EXCEPTION.sub("", line).rstrip() for line in kept]
    return [line for i, line in enumerate(kept)
            if line == "" or i == 0 or not kept[i - 1].endswith(line)]


def _usage(text):
    """A table of options, or the usage of a tool with commands, is the set of its option names."""
    found = TABLE.search(text)
    if found:
        names = {match[0] for line in text[found.start():].splitlines()
                 for match in [OPTION.match(line.replace("* --", "--"))] if match}
        return text[:found.start()] + f"OPTIONS {' '.join(sorted(names))}"
    found = re.search(r"^usage: (\S+)", text, re.M)
    if found:
        block = re.split(rf"^{re.escape(found[1])}: ", text[found.start():], flags=re.M)
        synopsis, _, rest = block[0].partition("\n\n")
        names = set(OPTION.findall(synopsis))
        for line in re.findall(r"^  (-.*)", rest, re.M):
            names |= set(OPTION.findall(line.split("  ")[0]))
        choices = set(re.findall(r"\{([\w,-]+)\}", synopsis))
        told = [f"{found[1]}: {' '.join(part.split()).replace('-- ', '--')}" for part in block[1:]]
        told = [part.partition(" Did you mean: ")[0] for part in told]
        return "\n".join([text[:found.start()] + f"USAGE {found[1]} {' '.join(sorted(names))} "
                          f"{sorted(choices)}", *told])
    return text


def _sorted_groups(pattern, lines):
    """Runs of groups, each with a first line that has its name, are sorted by the name."""
    made, run = [], []
    for line in lines:
        found = pattern.match(line)
        if found:
            run.append((found[1], [line]))
        elif run and line[:1].isspace():
            run[-1][1].append(line)
        else:
            made += [text for _, group in sorted(run) for text in group] + [line]
            run = []
    return made + [text for _, group in sorted(run) for text in group]


def _sorted_json(line):
    if not line.startswith("{"):
        return line
    try:
        tree = json.loads(line)
    except ValueError:
        return line
    for broker in tree.get("brokers", []):
        for folder in broker.get("logDirs", []):
            folder["partitions"].sort(key=lambda one: one["partition"])
    return json.dumps(tree, sort_keys=True)


def shape(tool, text, names):
    """The lines to compare. names: what is this side's own, with its word: {path: "DIR"}."""
    for name, word in names.items():
        text = re.sub(rf"(?<![\d.]){re.escape(name)}(?!\d)" if name[0].isdigit() else re.escape(name),
                      word, text)
    text = _usage("\n".join(_without_logs(text)))
    for pattern, word in EVERYWHERE + BY_TOOL.get(tool, []):
        text = pattern.sub(word, text)
    lines = text.splitlines()
    if tool in GROUPS:
        lines = _sorted_groups(GROUPS[tool], lines)
    return [_sorted_json(line) for line in lines] if tool == "log-dirs" else lines


def differences(theirs, ours):
    """Of two (status, out, err), where out and err are lists of lines."""
    found = []
    if theirs[0] != ours[0]:
        found.append(f"status: {theirs[0]} != {ours[0]}")
    for name, left, right in (("stdout", theirs[1], ours[1]), ("stderr", theirs[2], ours[2])):
        matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
        for what, a, b, c, d in matcher.get_opcodes():
            if what != "equal":
                found.append(f"{name}: {left[a:b]} != {right[c:d]}")
    return found
