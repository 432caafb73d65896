#!/usr/bin/env python3
"""aiokafka creates, writes, reads, seeks, lists, alters and deletes."""
import harness

PROGRAM = str(harness.TESTS / "peers" / "python" / "aiokafka_client.py")

if __name__ == "__main__":
    harness.run_client("aiokafka",
                       lambda: [str(harness.peer("python") / "bin" / "python"), PROGRAM])
