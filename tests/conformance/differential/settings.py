"""Settings: told and altered, of topics, brokers and what is neither."""
from topics import topic

TOPIC, BROKER, LOGGER, METRICS, GROUP, UNKNOWN = 2, 4, 8, 16, 32, 1
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def told(kind, name, keys=None):
    return {"resourceType": kind, "resourceName": name, "configurationKeys": keys}


TELLINGS = {
    "topic": [told(TOPIC, "settings")],
    "own settings": [told(TOPIC, "own-settings")],
    "some keys": [told(TOPIC, "own-settings", ["retention.ms", "cleanup.policy", "no.such"])],
    "no keys": [told(TOPIC, "settings", [])],
    "unknown topic": [told(TOPIC, "unknown-topic")],
    "bad topic name": [told(TOPIC, "bad name")],
    "empty topic name": [told(TOPIC, "")],
    "broker": [told(BROKER, "1", ["num.io.threads", "log.retention.ms", "min.insync.replicas",
                                  "compression.type", "log.segment.bytes", "advertised.listeners",
                                  "sasl.jaas.config", "ssl.keystore.password", "node.id", "num.partitions",
                                  "log.cleaner.threads", "message.max.bytes", "no.such"])],
    "all brokers": [told(BROKER, "")],
    "another broker": [told(BROKER, "7")],
    "no number": [told(BROKER, "one")],
    "unknown type": [told(UNKNOWN, "x")],
    "client metrics": [told(METRICS, "nobody")],
    "group": [told(GROUP, "nobody")],
    "two": [told(TOPIC, "settings", ["retention.ms"]), told(TOPIC, "unknown-topic")],
    "nothing": [],
}


def change(name, value, operation=SET):
    return {"name": name, "configOperation": operation, "value": value}


def altered(kind, name, *changes):
    return [{"resourceType": kind, "resourceName": name, "configs": list(changes)}]


CHANGES = {
    "set": altered(TOPIC, "settings", change("retention.ms", "1000")),
    "set and delete": altered(TOPIC, "settings", change("retention.ms", None, DELETE),
                              change("segment.bytes", "2000000")),
    "bad value": altered(TOPIC, "settings", change("retention.ms", "soon")),
    "out of bounds": altered(TOPIC, "settings", change("segment.bytes", "1")),
    "null": altered(TOPIC, "settings", change("retention.ms", None)),
    "unknown key": altered(TOPIC, "settings", change("no.such", "1")),
    "empty key": altered(TOPIC, "settings", change("", "1")),
    "same key twice": altered(TOPIC, "settings", change("retention.ms", "1"), change("retention.ms", "2")),
    "append": altered(TOPIC, "settings", change("cleanup.policy", "compact", APPEND)),
    "append again": altered(TOPIC, "settings", change("cleanup.policy", "compact", APPEND)),
    "subtract": altered(TOPIC, "settings", change("cleanup.policy", "delete", SUBTRACT)),
    "subtract what is not there": altered(TOPIC, "settings", change("cleanup.policy", "delete", SUBTRACT)),
    "append to no list": altered(TOPIC, "settings", change("retention.ms", "5", APPEND)),
    "append rubbish": altered(TOPIC, "settings", change("cleanup.policy", "shred", APPEND)),
    "unknown operation": altered(TOPIC, "settings", change("retention.ms", "5", 9)),
    "unknown topic": altered(TOPIC, "unknown-topic", change("retention.ms", "5")),
    "bad topic name": altered(TOPIC, "bad name", change("retention.ms", "5")),
    "no change": altered(TOPIC, "settings"),
    "broker": altered(BROKER, "1", change("log.retention.ms", "77777777")),
    "all brokers": altered(BROKER, "", change("log.cleaner.delete.retention.ms", "66666666")),
    "broker, bad value": altered(BROKER, "1", change("log.retention.ms", "soon")),
    "broker, read only": altered(BROKER, "1", change("node.id", "5")),
    "broker, unknown key": altered(BROKER, "1", change("no.such", "5")),
    "another broker": altered(BROKER, "7", change("log.retention.ms", "5")),
    "no number": altered(BROKER, "one", change("log.retention.ms", "5")),
    "unknown type": altered(UNKNOWN, "x", change("a", "b")),
    "resource twice": altered(TOPIC, "settings", change("retention.ms", "1")) * 2,
    "nothing": [],
}


def plain(resources):
    """The same for AlterConfigs, which only sets."""
    return [{**resource, "configs": [{"name": item["name"], "value": item["value"]}
                                     for item in resource["configs"]]} for resource in resources]


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [
        topic("settings"), topic("own-settings", 1, 1, (("retention.ms", "1234"),
                                                        ("cleanup.policy", "compact,delete")))]}, [7]
    for label, resources in TELLINGS.items():
        yield label, "DescribeConfigs", {"resources": resources, "includeSynonyms": True}, None
        yield f"{label}, no synonyms", "DescribeConfigs", {"resources": resources}, [4]
    yield "every broker setting", "DescribeConfigs", \
        {"resources": [told(BROKER, "1")], "includeSynonyms": True}, [4]
    yield "with documentation", "DescribeConfigs", \
        {"resources": [told(TOPIC, "settings", ["retention.ms"])], "includeDocumentation": True}, [3, 4]
    for label, resources in CHANGES.items():
        for check in (True, False):
            yield f"{label}{', only checked' if check else ''}", "IncrementalAlterConfigs", \
                {"resources": resources, "validateOnly": check}, None
        yield f"after {label}", "DescribeConfigs", \
            {"resources": [told(TOPIC, "settings", ["retention.ms", "segment.bytes", "cleanup.policy"]),
                           told(BROKER, "1", ["log.retention.ms", "log.cleaner.delete.retention.ms"])],
             "includeSynonyms": True}, [4]
    for label, resources in CHANGES.items():
        if "append" not in label and "subtract" not in label and "operation" not in label:
            for check in (True, False):
                yield f"{label}{', only checked' if check else ''}", "AlterConfigs", \
                    {"resources": plain(resources), "validateOnly": check}, None
