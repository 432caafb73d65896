"""What every Python client is asked to do; each client's program fills in how."""
import os
import sys
import time
import traceback

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 3
RECORDS = 20
TIMESTAMP = 1700000000000
SECONDS = 120  # after which something never comes


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {str(got)[:200]!r}, expected {str(wanted)[:200]!r}")


def wait_for(condition, seconds=SECONDS, what="a condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def records(partition):
    """(key, value, headers, timestamp) of the records that go to a partition."""
    return [(f"key-{partition}-{i}".encode(), f"value {i} ".encode() + b"x" * 100,
             [("one", str(i).encode()), ("two", b"")], TIMESTAMP + 1000 * i)
            for i in range(RECORDS)]


def run(cases):
    """Runs (name, function) pairs; prints one line each and `done`."""
    failed = 0
    for name, function in cases:
        try:
            function()
            print(f"PASS {name}", flush=True)
        except Exception as error:  # every failure of a case is its result
            failed += 1
            traceback.print_exc()
            why = (str(error) or type(error).__name__).splitlines()[0]
            print(f"FAIL {name}: {why}", flush=True)
    print("\ndone", flush=True)
    sys.stdout.flush()
    os._exit(1 if failed else 0)
