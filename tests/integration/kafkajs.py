#!/usr/bin/env python3
"""kafkajs (JavaScript) creates, writes, reads, seeks, lists, alters and deletes."""
import harness


def command():
    folder = harness.peer("node")
    return ["node", str(folder / "client.js")]


if __name__ == "__main__":
    harness.run_client("kafkajs", command)
