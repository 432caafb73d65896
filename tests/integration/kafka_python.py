#!/usr/bin/env python3
"""kafka-python creates, writes, reads, seeks, lists, alters and deletes."""
import harness

PROGRAM = str(harness.TESTS / "peers" / "python" / "kafka_python_client.py")

if __name__ == "__main__":
    harness.run_client("kafka_python",
                       lambda: [str(harness.peer("python") / "bin" / "python"), PROGRAM])
