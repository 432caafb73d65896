#!/usr/bin/env python3
"""kcat (librdkafka) creates topics by producing, and reads back what it produced."""
import functools
import json
import shutil
import subprocess
import uuid

import harness

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
TOPICS = f"kcat{uuid.uuid4().hex[:8]}"


def kcat(broker, *arguments, text=None):
    if shutil.which("kcat") is None:
        raise harness.Skip("kcat is not installed")
    done = subprocess.run(["kcat", "-b", broker.bootstrap, *arguments], input=text,
                          capture_output=True, text=True, timeout=harness.PATIENCE_SECONDS)
    if done.returncode != 0:
        raise AssertionError(f"kcat {arguments} exited {done.returncode}: {done.stderr[-300:]}")
    return done.stdout


def read(broker, topic, *arguments):
    return kcat(broker, "-C", "-t", topic, "-p", "0", "-e", "-q", *arguments)


def check(got, wanted):
    if got != wanted:
        raise AssertionError(f"{str(got)[:200]!r}, not {str(wanted)[:200]!r}")


def round_trip(broker, codec):
    topic = f"{TOPICS}-{codec}"
    lines = [f"key{i}:value {i} " + "x" * 50 for i in range(200)]
    kcat(broker, "-P", "-t", topic, "-K:", "-z", codec, "-H", "one=1", "-H", "two=2",
         text="\n".join(lines) + "\n")
    records = [json.loads(line) for line in read(broker, topic, "-o", "beginning", "-J")
               .splitlines()]
    check([f"{record['key']}:{record['payload']}" for record in records], lines)
    check([record["offset"] for record in records], list(range(200)))
    check(records[7]["headers"], ["one", "1", "two", "2"])
    if not all(record["ts"] > 1600000000000 for record in records):
        raise AssertionError(f"timestamp {records[0]['ts']}")


def seeks(broker):
    topic = f"{TOPICS}-seek"
    kcat(broker, "-P", "-t", topic, text="".join(f"{i}\n" for i in range(100)))
    check(read(broker, topic, "-o", "90").split(), [str(i) for i in range(90, 100)])
    check(read(broker, topic, "-o", "-3").split(), ["97", "98", "99"])
    check(read(broker, topic, "-o", "10", "-c", "2").split(), ["10", "11"])


def lists_offsets(broker):
    topic = f"{TOPICS}-times"
    kcat(broker, "-P", "-t", topic, text="a\nb\nc\n")
    check(kcat(broker, "-Q", "-t", f"{topic}:0:-1").split()[-1], "3")
    check(kcat(broker, "-Q", "-t", f"{topic}:0:-2").split()[-1], "0")
    check(kcat(broker, "-Q", "-t", f"{topic}:0:1").split()[-1], "0")


def idempotent(broker):
    topic = f"{TOPICS}-idempotent"
    kcat(broker, "-P", "-t", topic, "-X", "enable.idempotence=true",
         text="".join(f"{i}\n" for i in range(1000)))
    check(read(broker, topic, "-o", "beginning").split(), [str(i) for i in range(1000)])


def group(broker, topic, *arguments):
    return kcat(broker, "-G", f"{topic}-group", topic, "-e", "-q", "-X", "auto.offset.reset=earliest",
                *arguments).split()


def consumes_in_a_group(broker):
    topic = f"{TOPICS}-group"
    kcat(broker, "-P", "-t", topic, text="".join(f"{i}\n" for i in range(50)))
    check(group(broker, topic), [str(i) for i in range(50)])
    check(group(broker, topic), [])
    kcat(broker, "-P", "-t", topic, text="more\n")
    check(group(broker, topic), ["more"])


def describes_cluster(broker):
    data = json.loads(kcat(broker, "-L", "-J"))
    check(len(data["brokers"]), 1)
    check(data["brokers"][0]["name"], broker.bootstrap)


def with_shards(shards):
    with harness.broker(shards=shards) as broker:
        describes_cluster(broker)
        for codec in CODECS:
            round_trip(broker, codec)
        seeks(broker)
        lists_offsets(broker)
        idempotent(broker)
        consumes_in_a_group(broker)


def survives_kill():
    broker = harness.own_broker()
    try:
        broker.start()
        kcat(broker, "-P", "-t", "kept", "-X", "acks=all", text="one\ntwo\n")
        broker.kill()
        broker.start()
        check(read(broker, "kept", "-o", "beginning"), "one\ntwo\n")
        check(group(broker, "kept"), ["one", "two"])
        kcat(broker, "-P", "-t", "kept", "-X", "acks=all", text="three\n")
        broker.kill()
        broker.start()
        check(group(broker, "kept"), ["three"])
    finally:
        broker.remove()


if __name__ == "__main__":
    harness.run(
        [(f"kcat__reads_back_what_it_wrote_with_{shards}_shards",
          functools.partial(with_shards, shards)) for shards in harness.shard_counts()] +
        [("kcat__acknowledged_records_survive_kill", survives_kill)])
