"""A log directory that fails: what lies there is asked for while the broker runs on, after a start without the
directory and after one with it. The same starts load what exhausted.py puts into a log."""
import os
import time

import exhausted

from cluster import moves
from data import GOOD, LATEST, fetch, offsets, produce
from topics import topic

NAME, OTHER = "failing", "failing-too"  # what is written to the second makes the broker look at the directory
SECONDS = 120
STORAGE_ERROR = 56


class Deed:
    """For the table of cases, in the place of a request's values."""

    def __init__(self, do):
        self.do = do

    def answers(self, side, version):
        self.do(side)
        return self.do.__name__


def await_leader(side, leader, error=None):
    """Until Metadata names it, and fetches get that error, if one is given, again and again: Apache Kafka publishes
    metadata before it acts on them, and answers otherwise for a moment when it does."""
    deadline, times = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline:
        named = side.ask("Metadata", 9, {"topics": [{"name": NAME}]})
        fetched = side.ask("Fetch", 11, fetch([(0, 0)], NAME))
        fits = named["topics"][0]["partitions"][0]["leaderId"] == leader and \
            error in (None, fetched["responses"][0]["partitions"][0]["errorCode"])
        times = times + 1 if fits else 0
        if times == 5:
            return
        time.sleep(0.05)
    raise AssertionError(f"the leader is not {leader}: {named} {fetched}")


def restart(side):
    side.close()
    side.broker.stop()
    side.broker.start()


def fails(side):
    """Files that are open go on; the next checkpoint cannot be written."""
    path = os.path.join(side.broker.directory, "other")
    os.rename(path, f"{path}-away")
    open(path, "w").close()
    side.ask("Produce", 9, produce(GOOD, OTHER))
    await_leader(side, -1, STORAGE_ERROR)


def starts_without(side):
    restart(side)
    await_leader(side, -1)


def starts_with(side):
    path = os.path.join(side.broker.directory, "other")
    os.remove(path)
    os.rename(f"{path}-away", path)
    restart(side)
    await_leader(side, 1)


TOLD = {
    "Metadata": {"topics": [{"name": NAME}]},
    "DescribeTopicPartitions": {"topics": [{"name": NAME}], "responsePartitionLimit": 10, "cursor": None},
    "DescribeLogDirs": {"topics": [{"topic": NAME, "partitions": [0]}]},
}
# Only while the broker runs on: after a start Apache Kafka answers these with NOT_LEADER_OR_FOLLOWER in one run and
# with KAFKA_STORAGE_ERROR (without the directory) or no error (with it) in another.
SERVED = {
    "Produce": produce(GOOD, NAME),
    "Fetch": fetch([(0, 0)], NAME),
    "ListOffsets": offsets([(0, LATEST)], NAME),
    "OffsetForLeaderEpoch": {"replicaId": -1, "topics": [{"topic": NAME, "partitions": [
        {"partition": 0, "currentLeaderEpoch": -1, "leaderEpoch": 0}]}]},
    "DeleteRecords": {"timeoutMs": 5000, "topics": [
        {"name": NAME, "partitions": [{"partitionIndex": 0, "offset": 0}]}]},
}


def steps(apis):
    # Where a partition is to lie may be said before there is one.
    yield "fixture", "AlterReplicaLogDirs", moves(("other", {NAME: [0], OTHER: [0]})), [2]
    yield "fixture", "CreateTopics", {"topics": [topic(NAME), topic(OTHER)]}, [7]
    yield from exhausted.plant_steps(apis)
    for deed in (fails, starts_without, starts_with):
        yield "fixture", "Metadata", Deed(deed), [9]
        for api, values in ({**TOLD, **SERVED} if deed is fails else TOLD).items():
            yield deed.__name__, api, values, None
        if deed is fails:
            yield "a move", "AlterReplicaLogDirs", moves(("data", {NAME: [0]})), None
        for kind in (0, 1):
            yield f"{deed.__name__}, an election of kind {kind}", "ElectLeaders", {
                "electionType": kind, "timeoutMs": 5000, "topicPartitions": [
                    {"topic": NAME, "partitions": [0]}]}, range(1, 99)
    yield from exhausted.told_steps(apis)
