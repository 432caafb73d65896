#!/usr/bin/env python3
"""@platformatic/kafka (JavaScript) writes, reads, joins groups of both protocols, commits and aborts, and administers."""
import harness


def command():
    folder = harness.peer("platformatic")
    return ["node", str(folder / "client.js")]


if __name__ == "__main__":
    harness.run_client("platformatic", command)
