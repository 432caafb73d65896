#!/usr/bin/env python3
"""Copies the Java suite so that its clusters have one node, whatever a test asks for.

    one_node.py SUITE COPY

Tests that need a second node cannot pass so; the many that only run on three run on one. What a test says stays
as it is: the suite's own starter of clusters is changed, in the four places below, and a suite that does not have
them any more is an error. Files keep their times, so that the copy is compiled again only after a change.
"""
import os
import pathlib
import shutil
import sys

STARTER = "src/org/apache/kafka/common/test/junit/RaftClusterInvocationContext.java"
REPLICATED = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor",
              "transaction.state.log.min.isr", "share.coordinator.state.topic.replication.factor",
              "share.coordinator.state.topic.min.isr", "default.replication.factor", "min.insync.replicas")
CHANGES = (
    ("spec.brokers = config.numBrokers();", "spec.brokers = 1;"),
    ("spec.controllers = config.numControllers();", "spec.controllers = 1;"),
    ("spec.properties = config.serverProperties();",
     "spec.properties = new HashMap<>(config.serverProperties());\n"
     + "".join(f'            spec.properties.put("{key}", "1");\n' for key in REPLICATED)),
    ("        @Override\n        public Type type() {",
     """        @Override
        public void createTopic(String name, int partitions, short replicas, Map<String, String> configs)
            throws InterruptedException {
            ClusterInstance.super.createTopic(name, partitions, (short) 1, configs);
        }

        @Override
        public void createTopic(String name, int partitions, short replicas) throws InterruptedException {
            createTopic(name, partitions, replicas, Map.of());
        }

        @Override
        public Type type() {"""))


def main():
    suite, copy = map(pathlib.Path, sys.argv[1:])
    shutil.copytree(suite, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
    text = (copy / STARTER).read_text()
    for before, after in CHANGES:
        if text.count(before) != 1:
            sys.exit(f"{STARTER} does not have {before!r} once")
        text = text.replace(before, after)
    (copy / STARTER).write_text(text)
    changed = max((suite / STARTER).stat().st_mtime, pathlib.Path(__file__).stat().st_mtime)
    os.utime(copy / STARTER, (changed, changed))


main()
