#!/usr/bin/env python3
"""Sends the same requests to Apache Kafka and to barnabas and compares the answers.

Cases come from the tables in differential/, for every version of an API. Ids, times, ports and paths
are masked. A case counts once for each version. What differs and is meant to is listed, with its
reason, in docs/compatibility.md; a line there that no case needs any more is a failure too.

    tests/conformance/differential.py [API]...      only some APIs
    tests/conformance/differential.py --seeds 1-500    only the random sequences of these seeds, and those that were
                                                       found so (differential/sequences.py)
"""
import argparse
import importlib
import pathlib
import re
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "differential"), str(HERE), str(HERE.parent / "integration")]
import harness  # noqa: E402
import codec  # noqa: E402
import sequences  # noqa: E402
import sides  # noqa: E402

FAMILIES = ("topics", "data", "settings", "cluster", "groups", "races", "consumers",
            "reconciliations", "transactions", "forms")
CONTROLLER_FAMILIES = ("controller",)  # asked on the listener of controllers
LAST_FAMILIES = ("failed",)  # a directory fails and both are started anew
LISTED = HERE.parent.parent / "docs" / "compatibility.md"
SHOWN_DIFFERENCES = 6
SETTLE_ATTEMPTS, SETTLE_SECONDS = 100, 0.5
# Said to both, since the harness says some of them to Apache Kafka only.
SETTINGS = ["auto.create.topics.enable=false", "group.initial.rebalance.delay.ms=0",
            "offsets.topic.num.partitions=3", "group.consumer.assignment.interval.ms=0",
            # Longer than the run: nobody heartbeats.
            "group.consumer.session.timeout.ms=600000", "group.consumer.max.session.timeout.ms=600000",
            "log.flush.offset.checkpoint.interval.ms=300", "group.max.size=4", "group.consumer.max.size=4",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"]


class Listed:
    """The rows "| API | pattern of the difference | why |" of the table of known differences."""

    def __init__(self, text):
        rows = re.findall(r"^\| (\w+) \| `([^`]+)` \| .+ \|$", text, re.M)
        self.rows = [(api, re.compile(pattern)) for api, pattern in rows]
        self.used = set()

    def covers(self, api, difference):
        for i, (name, pattern) in enumerate(self.rows):
            if name == api and pattern.search(difference):
                self.used.add(i)
                return True
        return False

    def silence(self, api, where):
        """Whether it is listed that Apache Kafka does not answer there."""
        return any(name == api and pattern.search(f"{where}: : {sides.SILENT!r}") for name, pattern in self.rows)

    def unused(self, apis):
        return [f"{name}: {pattern.pattern}" for i, (name, pattern) in enumerate(self.rows)
                if i not in self.used and name in apis]


def start(peer):
    broker = harness.Broker(overrides=SETTINGS)
    broker.peer = peer
    broker.overrides.append(f"log.dirs={broker.directory}/data,{broker.directory}/other")
    return broker.start()


def compare(step, version, theirs, ours, listed):
    """Differences of one case that are not listed. Numbers of threads are judged by what is in force, which an accepted
    change is in Apache Kafka only a moment later: such a case is asked again until both agree."""
    found = compare_once(step, version, theirs, ours, listed)
    for _ in range(SETTLE_ATTEMPTS if "threads" in step[0] else 0):
        if not found:
            break
        time.sleep(SETTLE_SECONDS)
        found = compare_once(step, version, theirs, ours, listed)
    return found


def compare_once(step, version, theirs, ours, listed):
    label, api, values, _ = step
    answers = []
    for side in (theirs, ours):
        side.patience = sides.SILENCE_SECONDS if listed.silence(api, f"v{version} {label}") else sides.ANSWER_SECONDS
        try:
            answer = values.answers(side, version) if hasattr(values, "answers") else \
                side.ask(api, version, values)
        except ValueError as error:
            answer = f"an answer that cannot be read: {error}"
        side.learn(answer)
        if label == "fixture" and api == "CreateTopics":
            side.await_topics([item["name"] for item in values["topics"]])
        answers.append((side, answer))
    forms = [side.masked(api, answer) for side, answer in answers]
    found = [f"v{version} {label}: {line}" for line in sides.differences(*forms)]
    return [line for line in found if not listed.covers(api, line)]


def run(apis, families, theirs, ours, listed, words):
    counts, found = {}, {}
    for family in families:
        for step in importlib.import_module(family).steps(apis):
            label, api, _, versions = step
            fixture = label == "fixture"
            if words and api not in words and not fixture:
                continue
            for version in apis.versions(api):
                if versions is not None and version not in versions:
                    continue
                lines = compare(step, version, theirs, ours, listed)
                if not fixture:
                    counts[api] = counts.get(api, 0) + 1
                    found.setdefault(api, []).extend(lines)
    return counts, found


def arguments():
    """(APIs, seeds or None)"""
    parser = argparse.ArgumentParser()
    parser.add_argument("apis", nargs="*")
    parser.add_argument("--seeds", metavar="A-B")
    given = parser.parse_args()
    if given.seeds is None:
        return given.apis, None
    first, last = given.seeds.split("-")
    return given.apis, range(int(first), int(last) + 1)


def main():
    words, seeds = arguments()
    try:
        apis = codec.Apis(harness.peer("java") / "lib")
        brokers = []
        for peer in ("apache", "barnabas"):
            brokers.append(start(peer))
    except harness.Skip as reason:
        print(f"SKIP differential: {reason}")
        return
    except Exception:
        for broker in brokers:
            broker.remove()
        raise
    listed = Listed(LISTED.read_text() if LISTED.exists() else "")
    failed = False
    theirs, ours = (sides.Side(apis, broker) for broker in brokers)
    controllers = [sides.Side(apis, broker, broker.controller_port) for broker in brokers]
    try:
        counts, found = ({}, {}) if seeds is not None else run(apis, FAMILIES, theirs, ours, listed, words)
        if not words:
            failed |= sequences.run((theirs, ours), seeds, listed)
        for families, pair, where in ((CONTROLLER_FAMILIES, controllers, "of a controller"),
                                      (LAST_FAMILIES, (theirs, ours), "of a failed directory"))[:2 if seeds is None else 0]:
            for kind, more in zip((counts, found), run(apis, families, *pair, listed, words)):
                kind.update({f"{api} {where}": value for api, value in more.items()})
        for api, count in counts.items():
            lines = found[api]
            failed |= bool(lines)
            print(f"{'FAIL' if lines else 'PASS'} {api}: {count} answers compared"
                  + (f", {len(lines)} differences" if lines else ""), flush=True)
            for line in lines if words else lines[:SHOWN_DIFFERENCES]:
                print(f"     {line[:600]}")
        for line in [] if seeds is not None else listed.unused(counts):
            failed = True
            print(f"FAIL compatibility: {line} is listed, but no case differs so")
        if not failed:
            print(f"PASS differential: {sum(counts.values())} answers compared in all")
        for side in (ours, controllers[1]):
            side.close()
        ours.broker.end_in_order()
    except Exception:
        failed = True
        traceback.print_exc()
        print("FAIL differential: it ended early")
        print(ours.broker.log()[-2000:], file=sys.stderr)
    finally:
        for side in (theirs, ours, *controllers):
            side.close()
        for broker in brokers:
            broker.remove()
    sys.exit(1 if failed else 0)


main()
