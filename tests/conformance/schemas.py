#!/usr/bin/env python3
"""Compares every schema with the message specifications that Apache Kafka's jars carry."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
import specs  # noqa: E402

FACTS = ("type", "versions", "tagged", "tag", "null", "default", "ignorable", "never_compact")


def message_differences(spec, ours):
    """Yields what differs between the two heads of a message."""
    pairs = [("kind", spec["type"], ours.kind),
             ("key", spec.get("apiKey"), ours.key),
             ("listeners", sorted(spec.get("listeners", [])), sorted(filter(None, ours.listeners))),
             ("latest unstable", bool(spec.get("latestVersionUnstable")), ours.latest_unstable)]
    valid = specs.versions(spec["validVersions"])
    own = ours.versions if ours.versions[0] <= ours.versions[1] else None
    pairs.append(("versions", valid, own))
    flexible = specs.versions(spec.get("flexibleVersions"))
    if valid is not None:
        pairs.append(("flexible", flexible[0] if flexible else specs.LAST, ours.flexible))
    for what, wanted, got in pairs:
        if spec["type"] not in ("request", "response") and what in ("key", "listeners", "kind"):
            continue
        if what == "listeners" and spec["type"] != "request":
            continue
        if wanted != got:
            yield f"{what}: {got}, Apache Kafka has {wanted}"


def field_differences(spec, ours):
    theirs, mine = specs.facts_of_spec(spec), specs.facts_of_ours(ours)
    for path in sorted(set(theirs) | set(mine)):
        if path not in theirs or path not in mine:
            yield f"{path}: only in {'ours' if path in mine else 'Apache Kafka'}"
            continue
        for fact in FACTS:
            if theirs[path][fact] != mine[path][fact]:
                yield f"{path}: {fact} {mine[path][fact]}, Apache Kafka has {theirs[path][fact]}"
    yield from order_differences(theirs, mine)


def order_differences(theirs, mine):
    """The order counts for the fields that are on the wire without a tag."""
    for facts in (theirs, mine):
        for path in facts:
            facts[path]["parent"] = path.rpartition(".")[0]
    for parent in {facts["parent"] for facts in theirs.values()}:
        orders = [[path for path, fact in sorted(facts.items(), key=lambda item: item[1]["order"])
                   if fact["parent"] == parent and fact["tagged"] is None]
                  for facts in (theirs, mine)]
        if orders[0] != orders[1]:
            yield f"order of the fields of {parent or 'the message'}"


def compare():
    theirs = specs.load(harness.peer("java") / "lib")
    ours = specs.our_messages()
    if len(theirs) < 200:
        raise AssertionError(f"only {len(theirs)} specifications in the jars")
    wrong = [f"{name}: missing" for name in sorted(set(theirs) - set(ours))]
    wrong += [f"{name}: Apache Kafka has none" for name in sorted(set(ours) - set(theirs))]
    for name in sorted(set(theirs) & set(ours)):
        wrong += [f"{name}: {text}" for text in message_differences(theirs[name], ours[name])]
        wrong += [f"{name}: {text}" for text in field_differences(theirs[name], ours[name])]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        raise AssertionError(f"{len(wrong)} differences, the first: {wrong[0]}")


if __name__ == "__main__":
    harness.run([("schemas__say_what_the_jars_of_apache_kafka_say", compare)])
