#!/usr/bin/env python3
"""Random messages of every schema and version go to Apache Kafka's own classes and back."""
import os
import pathlib
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402

BUILD = pathlib.Path(harness.BINARY).parent
PROGRAM = BUILD / "tests" / "roundtrip"
COUNT = os.environ.get("ROUNDTRIP_COUNT", "20")
SEED = os.environ.get("ROUNDTRIP_SEED", "7")


def frames(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at)
        name = data[at + 2:at + 2 + length].decode()
        version, size = struct.unpack_from(">hi", data, at + 2 + length)
        at += 8 + length
        yield name, version, data[at:at + size]
        at += size


def ours(*arguments, data=None):
    done = subprocess.run([PROGRAM, *arguments], input=data, capture_output=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"{arguments[0]}: {done.stderr.decode()[:500]}")
    return done.stdout


def java(data):
    folder = harness.peer("java")
    jars = ":".join(str(path) for path in sorted((folder / "lib").glob("*.jar")))
    done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp",
                           f"{folder / 'classes'}:{jars}", "Reencode"], input=data,
                          capture_output=True, timeout=120)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"Java: {done.stderr.decode()[:2000]}")
    return done.stdout


def both_ways():
    if not PROGRAM.exists():
        raise harness.Skip("the program is not built")
    sent = ours("generate", COUNT, SEED)
    back = java(sent)
    wrong = {}
    for one, other in zip(frames(sent), frames(back), strict=True):
        if one != other:
            wrong.setdefault(one[:2], (one[2].hex(), other[2].hex()))
    for (name, version), (wanted, got) in wrong.items():
        print(f"{name} version {version}:\n  ours {wanted}\n  Java {got}", file=sys.stderr)
    if wrong:
        raise AssertionError(f"{len(wrong)} messages differ, the first: {list(wrong)[0]}")
    ours("check", data=back)


if __name__ == "__main__":
    harness.run([("roundtrip__java_encodes_what_it_decoded_to_the_same_bytes", both_ways)])
