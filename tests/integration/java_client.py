#!/usr/bin/env python3
"""Apache Kafka's Java client, with its default (idempotent) producer, creates, writes, reads, seeks, lists, alters and deletes."""
import harness


def command():
    folder = harness.peer("java")
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}/classes:{folder}/lib/*", "JavaClient"]


if __name__ == "__main__":
    harness.run_client("java_client", command)
