#!/usr/bin/env python3
"""franz-go (Go) creates, writes, reads, seeks, lists, alters and deletes."""
import harness


def command():
    folder = harness.peer("go")
    return [str(folder / "client")]


if __name__ == "__main__":
    harness.run_client("franz_go", command)
