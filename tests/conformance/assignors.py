#!/usr/bin/env python3
"""Random groups go to the assignors of Apache Kafka's coordinator and to ours."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402

PROGRAM = pathlib.Path(harness.BINARY).parent / "tests" / "assignors"
COUNT = os.environ.get("ASSIGNORS_COUNT", "2000")
SEED = os.environ.get("ASSIGNORS_SEED", "7")


def same_placement():
    if not PROGRAM.exists():
        raise harness.Skip("the program is not built")
    folder = harness.peer("java")
    jars = ":".join(str(path) for path in sorted((folder / "lib").glob("*.jar")))
    cases = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp",
                            f"{folder / 'classes'}:{jars}", "Assignors", COUNT, SEED],
                           capture_output=True, timeout=120)
    if cases.returncode != 0 or cases.stderr:
        raise AssertionError(f"Java: {cases.stderr.decode()[:2000]}")
    done = subprocess.run([PROGRAM], input=cases.stdout, capture_output=True, timeout=120)
    lines = done.stdout.decode().splitlines()
    print("\n".join(lines[-20:]), file=sys.stderr)
    if done.returncode != 0 or lines[-1:] != [f"{6 * int(COUNT)} cases, 0 differ"]:
        raise AssertionError(lines[-1] if lines else done.stderr.decode()[:500])


if __name__ == "__main__":
    harness.run([("assignors__members_get_what_apache_kafka_gives_them", same_placement)])
