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
    **{f"broker, {name}": altered(BROKER, "1", change(name, value)) for name, value in (
        ("sasl.kerberos.min.time.before.relogin", "58000"), ("sasl.jaas.config", "a"),
        ("sasl.enabled.mechanisms", "PLAIN"), ("ssl.protocol", "TLSv1.2"), ("ssl.cipher.suites", "a,b"),
        ("ssl.engine.factory.class", "org.apache.kafka.common.security.ssl.DefaultSslEngineFactory"),
        ("ssl.key.password", "a"), ("ssl.keystore.key", "a"), ("ssl.keystore.type", "PKCS12"),
        ("ssl.truststore.location", "/a"))},
    "broker, no cleaners": altered(BROKER, "1", change("log.cleaner.threads", "0")),
    "all brokers, too little for a cleaner": altered(BROKER, "", change("log.cleaner.dedupe.buffer.size", "1048576")),
    "broker, too little for two cleaners": altered(BROKER, "1", change("log.cleaner.threads", "2"), change(
        "log.cleaner.dedupe.buffer.size", "2097153")),
    # A number of threads may be halved or doubled at once.
    **{f"{'broker' if who else 'all brokers'}, {name}: {value}": altered(BROKER, who, change(name, value))
       for name, default in (("num.io.threads", 8), ("num.network.threads", 3), ("num.replica.fetchers", 1),
                             ("num.recovery.threads.per.data.dir", 2), ("background.threads", 10),
                             ("log.cleaner.threads", 1), ("remote.log.reader.threads", 10),
                             *((f"remote.log.manager.{name}.thread.pool.size", 10)
                               for name in ("copier", "expiration", "follower")))
       for who in ("", "1")
       for value in (str(2 * default + 1), str(2 * default), str(default // 2 - 1), str(default), "x")},
    **{f"broker, {name}: no value": altered(BROKER, "1", change(name, None, DELETE))
       for name in ("num.io.threads", "num.network.threads", "log.cleaner.threads")},
    "all brokers, cleaners, a third is the broker's": altered(BROKER, "1", change("log.cleaner.threads", "2")),
    "all brokers, no cleaners for the rest": altered(BROKER, "", change("log.cleaner.threads", "0")),
    "all brokers, as before": altered(BROKER, "", change("log.cleaner.threads", None, DELETE)),
    "broker, cleaners, as before": altered(BROKER, "1", change("log.cleaner.threads", None, DELETE)),
    "all brokers, a password": altered(BROKER, "", change("sasl.jaas.config", "a")),
    **{f"{'broker' if who else 'all brokers'}, {name} of a listener": altered(
        BROKER, who, change(f"listener.name.other.{name}", value))
       for who in ("", "1") for name, value in (("ssl.keystore.type", "JKS"), ("max.connections", "90"),
                                                ("num.network.threads", "2"), ("no.such", "1"))},
    "another broker": altered(BROKER, "7", change("log.retention.ms", "5")),
    "no number": altered(BROKER, "one", change("log.retention.ms", "5")),
    "unknown type": altered(UNKNOWN, "x", change("a", "b")),
    "resource twice": altered(TOPIC, "settings", change("retention.ms", "1")) * 2,
    "nothing": [],
}


# Groups and client metrics: what they may have, and what is listed while they have it.
RESOURCES = {
    "group": altered(GROUP, "set-group", change("consumer.session.timeout.ms", "50000")),
    "group, two": altered(GROUP, "set-group", change("consumer.heartbeat.interval.ms", "6000"),
                          change("consumer.session.timeout.ms", "55000")),
    "group, share": altered(GROUP, "other-group", change("share.session.timeout.ms", "50000"),
                            change("share.auto.offset.reset", "earliest")),
    "group, share, rubbish": altered(GROUP, "other-group", change("share.auto.offset.reset", "never")),
    "group, share, duration": altered(GROUP, "other-group",
                                      change("share.auto.offset.reset", "by_duration:PT1H")),
    "group, share, bad duration": altered(GROUP, "other-group",
                                          change("share.auto.offset.reset", "by_duration:1h")),
    "group, isolation": altered(GROUP, "other-group", change("share.isolation.level", "read_committed")),
    "group, streams": altered(GROUP, "other-group", change("streams.num.standby.replicas", "1")),
    "group, too many standbys": altered(GROUP, "other-group", change("streams.num.standby.replicas", "3")),
    "group, session below": altered(GROUP, "set-group", change("consumer.session.timeout.ms", "44999")),
    "group, session above": altered(GROUP, "set-group", change("consumer.session.timeout.ms", "600001")),
    "group, heartbeat below": altered(GROUP, "set-group", change("consumer.heartbeat.interval.ms", "4999")),
    "group, heartbeat above": altered(GROUP, "set-group", change("consumer.heartbeat.interval.ms", "15001")),
    "group, assignment above": altered(GROUP, "set-group", change("consumer.assignment.interval.ms", "15001")),
    "group, assignment negative": altered(GROUP, "set-group", change("consumer.assignment.interval.ms", "-1")),
    "group, locks below": altered(GROUP, "set-group", change("share.partition.max.record.locks", "99")),
    "group, delivery above": altered(GROUP, "set-group", change("share.delivery.count.limit", "11")),
    "group, lock duration above": altered(GROUP, "set-group", change("share.record.lock.duration.ms", "60001")),
    "group, heartbeat over session": altered(GROUP, "set-group", change("share.heartbeat.interval.ms", "15000"),
                                             change("share.session.timeout.ms", "45000")),
    "group, not a number": altered(GROUP, "set-group", change("consumer.session.timeout.ms", "long")),
    "group, empty value": altered(GROUP, "set-group", change("consumer.session.timeout.ms", "")),
    "group, null": altered(GROUP, "set-group", change("consumer.session.timeout.ms", None)),
    "group, unknown key": altered(GROUP, "set-group", change("no.such", "1")),
    "group, a topic's key": altered(GROUP, "set-group", change("retention.ms", "1")),
    "group, append": altered(GROUP, "set-group", change("consumer.session.timeout.ms", "1", APPEND)),
    "group, no change": altered(GROUP, "set-group"),
    "group, twice the key": altered(GROUP, "set-group", change("consumer.session.timeout.ms", "50000"),
                                    change("consumer.session.timeout.ms", "50001")),
    "group, empty name": altered(GROUP, "", change("consumer.session.timeout.ms", "50000")),
    "group, a strange name": altered(GROUP, "a group/with ä", change("consumer.session.timeout.ms", "50000")),
    "group, gone": altered(GROUP, "set-group", change("consumer.session.timeout.ms", None, DELETE),
                           change("consumer.heartbeat.interval.ms", None, DELETE)),
    "group, gone already": altered(GROUP, "set-group", change("consumer.session.timeout.ms", None, DELETE)),
    "group, unknown key gone": altered(GROUP, "set-group", change("no.such", None, DELETE)),
    "metrics": altered(METRICS, "subscription", change("interval.ms", "5000"),
                       change("metrics", "org.apache.kafka.consumer.,org.apache.kafka.producer."),
                       change("match", "client_id=a.*,client_software_name=java")),
    "metrics, all": altered(METRICS, "everything", change("metrics", "*")),
    "metrics, none": altered(METRICS, "nothing", change("metrics", "")),
    "metrics, append": altered(METRICS, "subscription", change("metrics", "org.apache.kafka.share.", APPEND)),
    "metrics, subtract": altered(METRICS, "subscription",
                                 change("metrics", "org.apache.kafka.share.", SUBTRACT)),
    "metrics, interval below": altered(METRICS, "subscription", change("interval.ms", "99")),
    "metrics, interval above": altered(METRICS, "subscription", change("interval.ms", "3600001")),
    "metrics, interval rubbish": altered(METRICS, "subscription", change("interval.ms", "often")),
    "metrics, unknown selector": altered(METRICS, "subscription", change("match", "colour=red")),
    "metrics, selector without value": altered(METRICS, "subscription", change("match", "client_id")),
    "metrics, bad expression": altered(METRICS, "subscription", change("match", "client_id=(")),
    "metrics, selector with two equals signs": altered(METRICS, "subscription", change("match", "client_id=a=b")),
    "metrics, selector with an empty value": altered(METRICS, "subscription", change("match", "client_id=")),
    "metrics, selector with spaces": altered(METRICS, "subscription", change("match", " client_id = a , client_source_port=1")),
    "metrics, null": altered(METRICS, "subscription", change("interval.ms", None)),
    "metrics, unknown key": altered(METRICS, "subscription", change("no.such", "1")),
    "metrics, no change": altered(METRICS, "subscription"),
    "metrics, empty name": altered(METRICS, "", change("interval.ms", "5000")),
    "metrics, gone": altered(METRICS, "subscription", change("interval.ms", None, DELETE),
                             change("metrics", None, DELETE), change("match", None, DELETE)),
    "metrics, gone already": altered(METRICS, "subscription", change("interval.ms", None, DELETE)),
    "logger, empty name": altered(LOGGER, "", change("root", "INFO")),
    "logger, no number": altered(LOGGER, "one", change("root", "INFO")),
    "logger, another broker": altered(LOGGER, "7", change("root", "INFO")),
    "logger, unknown": altered(LOGGER, "1", change("no.such.logger", "INFO")),
    "logger, no change": altered(LOGGER, "1"),
}
LISTS = {
    "topics": [TOPIC],
    "brokers": [BROKER],
    "loggers": [LOGGER],
    "groups": [GROUP],
    "client metrics": [METRICS],
    "brokers and topics": [BROKER, TOPIC],
    "a type twice": [BROKER, BROKER],
    "every type": [GROUP, METRICS, LOGGER, BROKER, TOPIC],
    "nothing": [],
    "any": [UNKNOWN],
    "type 0": [0],
    "a negative type": [-1],
    "the largest type": [127],
    "an unknown one among others": [TOPIC, 64],
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
    for label, resources in RESOURCES.items():
        yield f"{label}, only checked", "IncrementalAlterConfigs", \
            {"resources": resources, "validateOnly": True}, None
        yield label, "IncrementalAlterConfigs", {"resources": resources}, None
        yield f"after {label}", "ListConfigResources", {"resourceTypes": [GROUP, METRICS]}, [1]
        yield f"after {label}", "DescribeConfigs", \
            {"resources": [told(resources[0]["resourceType"], resources[0]["resourceName"])],
             "includeSynonyms": True}, [4] if resources[0]["resourceType"] != LOGGER else []
    for label, types in LISTS.items():
        yield label, "ListConfigResources", {"resourceTypes": types}, [1]
    yield "client metrics only", "ListConfigResources", {}, [0]
    for label, resources in RESOURCES.items():
        if not any(word in label for word in ("append", "subtract")):
            for check in (True, False):
                yield f"{label}{', only checked' if check else ''}", "AlterConfigs", \
                    {"resources": plain(resources), "validateOnly": check}, None
            yield f"{label}, after AlterConfigs", "ListConfigResources", {"resourceTypes": [GROUP, METRICS]}, [1]
