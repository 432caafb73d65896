"""Random requests about topics, their settings and where they lie."""
from choices import PARTITIONS, Choices
from settings import GROUP, TOPIC
from universe import TOPICS

# Values that are good, at bounds and bad. What the log cleaner or a retention would do is left to their own tests.
SETTINGS = {
    "retention.ms": ("-1", "360000000000", "soon"), "max.message.bytes": ("1048588", "1048588", "150", "-1"),
    "compression.type": ("producer", "gzip", "uncompressed", "none"), "retention.bytes": ("-1", "1000000000", "x"),
    "message.timestamp.before.max.ms": ("9223372036854775807", "3600000", "9000000"),
    "message.timestamp.type": ("CreateTime", "LogAppendTime", "Never"), "min.insync.replicas": ("1", "2", "0"),
    "cleanup.policy": ("delete", "compact", "compact,delete", "", "shred"),
    "message.timestamp.after.max.ms": ("3600000", "1", "-1"), "segment.bytes": ("1048576", "1"), "no.such": ("1",),
    "min.compaction.lag.ms": ("0", "9", "x"), "max.compaction.lag.ms": ("9223372036854775807", "8", "0"),
    "segment.jitter.ms": ("0", "-1"), "not.known": ("1",)}
TAKING = ("max.message.bytes", "compression.type", "message.timestamp.type", "cleanup.policy",
          "message.timestamp.before.max.ms", "message.timestamp.after.max.ms")
GROUP_SETTINGS = (("consumer.heartbeat.interval.ms", "5000"), ("consumer.heartbeat.interval.ms", "1"),
                  ("consumer.session.timeout.ms", "45000"), ("consumer.session.timeout.ms", "60000"), ("no.such", "1"))


class Topics(Choices):
    def first_topics(self):
        return {"topics": [self.new_topic(name) for name in TOPICS[:3]], "timeoutMs": 30000}

    def new_topic(self, name, **more):
        configs = [{"name": "cleanup.policy", "value": "compact"}] if name == TOPICS[2] else []
        return {"name": f"~{name}", "numPartitions": PARTITIONS, "replicationFactor": 1, "assignments": [],
                "configs": configs, **more}

    def make_CreateTopics(self, version):
        made = [self.new_topic(name, numPartitions=self.mostly(PARTITIONS, 1, 0, -1, 5),
                               replicationFactor=self.mostly(1, -1, 2, 0))
                for name in self.some(TOPICS + ("nowhere",))]
        for item in made:
            if item["name"] == "~nowhere":
                item["name"] = self.one("", "bad name", "~" + "n" * 250)
            if self.chance(0.15):
                item["configs"] = [{"name": key, "value": value} for key, value in self.settings(TOPIC).items()]
            if self.chance(0.1):
                item.update({"numPartitions": -1, "replicationFactor": -1, "assignments": [
                    {"partitionIndex": index, "brokerIds": [self.mostly(1, 7)]}
                    for index in range(self.one(1, PARTITIONS))]})
        return {"topics": made, "timeoutMs": 30000, "validateOnly": self.chance(0.1)}

    def make_DeleteTopics(self, version):
        names = self.some(TOPICS, 2)
        by_id = self.chance(0.5)
        return {"topicNames": [f"~{name}" for name in names], "timeoutMs": 30000, "topics": [
            {"name": None, "topicId": self.named(name)["topicId"]} if by_id else {"name": f"~{name}"} for name in names]}

    def make_CreatePartitions(self, version):
        return {"topics": [{"name": f"~{name}", "count": self.one(PARTITIONS, PARTITIONS + 1, PARTITIONS + 1, 2, 0),
                            "assignments": self.mostly(None, [{"brokerIds": [1]}], [{"brokerIds": [9]}])}
                           for name in self.topics()], "timeoutMs": 30000, "validateOnly": self.chance(0.2)}

    def make_Metadata(self, version):
        topics = [{"name": f"~{name}"} for name in self.topics()]
        if version >= 10 and self.chance(0.3):
            topics = [{"name": None, "topicId": self.named(name)["topicId"]} for name in self.topics()]
        return {"topics": None if version >= 1 and self.chance(0.2) else topics,
                "allowAutoTopicCreation": self.chance(0.5), "includeTopicAuthorizedOperations": self.chance(0.3),
                "includeClusterAuthorizedOperations": self.chance(0.3)}

    # ---- settings ----

    def setting(self):
        """Mostly what changes how a log takes records."""
        name = self.one(*(SETTINGS if self.chance(0.5) else TAKING))
        return name, self.one(*SETTINGS[name][:2]) if self.chance(0.6) else self.one(*SETTINGS[name])

    def settings(self, kind, least=1):
        """Some of a resource: of several that are wrong, the first one is told."""
        count = self.one(least, 1, 1, 2, 4)
        return dict(self.setting() if kind == TOPIC else self.one(*GROUP_SETTINGS) for _ in range(count))

    def resources(self):
        return [(TOPIC, f"~{topic}") for topic in self.topics()] if self.chance(0.85) else [
            self.one((GROUP, "~c0"), (GROUP, "~g0"), (TOPIC, ""), (TOPIC, "bad name"), (GROUP, ""))]

    def make_IncrementalAlterConfigs(self, version):
        found = []
        for kind, name in self.resources():
            changes = [(key, self.mostly(0, 1, 2, 3, probability=0.7), value)
                       for key, value in self.settings(kind).items()]
            found.append({"resourceType": kind, "resourceName": name, "configs": [
                {"name": key, "configOperation": operation, "value": None if operation == 1 else value}
                for key, operation, value in changes]})
        return {"resources": found, "validateOnly": self.chance(0.15)}

    def make_AlterConfigs(self, version):
        return {"resources": [{"resourceType": kind, "resourceName": name, "configs": [
            {"name": key, "value": value} for key, value in self.settings(kind, least=0).items()]} for kind, name in self.resources()], "validateOnly": self.chance(0.15)}

    def make_DescribeConfigs(self, version):
        return {"resources": [{"resourceType": kind, "resourceName": name, "configurationKeys": self.mostly(
            sorted(SETTINGS) if kind == TOPIC else None, None, [], ["no.such"])} for kind, name in self.resources()],
            "includeSynonyms": self.chance(0.3)}

    def make_ListConfigResources(self, version):
        return {"resourceTypes": self.some((TOPIC, GROUP, 16, 99), 2) if self.chance(0.7) else [TOPIC]}

    # ---- where they lie ----

    def make_DescribeTopicPartitions(self, version):
        asked = {"topics": [{"name": f"~{topic}"} for topic in self.some(TOPICS, 3)], "responsePartitionLimit": self.one(
            2000, 1, 4)}
        if self.chance(0.4):
            asked["cursor"] = {"topicName": f"~{self.topic()}", "partitionIndex": self.one(0, 1, 5)}
        return asked

    def placed(self, name, field, value):
        return [{name: f"~{topic}", field: value()} for topic in self.topics()]

    def make_DescribeLogDirs(self, version):
        return {"topics": None if self.chance(0.5) else self.placed("topic", "partitions", self.partitions)}

    def make_AlterReplicaLogDirs(self, version):
        """Nothing that is there is moved: what Apache Kafka's threads do meanwhile shows in many answers."""
        there = self.chance(0.5)
        return {"dirs": [{"path": self.one("$dir:0", "$dir:1") if there else self.one("/nowhere", ""), "topics": [
            {"name": "~nowhere" if there else f"~{self.topic()}", "partitions": self.partitions()}]}]}

    def make_DescribeCluster(self, version):
        return {"includeClusterAuthorizedOperations": self.chance(0.3), "endpointType": self.mostly(1, 2, 9),
                "includeFencedBrokers": self.chance(0.3)}

    def make_UpdateFeatures(self, version):
        feature = "no.such" if version == 0 else self.one("no.such", "metadata.version", "group.version",
                                                          "transaction.version")
        return {"validateOnly": True, "timeoutMs": 30000, "featureUpdates": [
            {"feature": feature, "maxVersionLevel": self.one(0, 1, 2, 99), "upgradeType": self.one(1, 1, 2, 3, 9)}]}

    def make_ElectLeaders(self, version):
        return {"electionType": 0 if version == 0 else self.one(0, 1), "timeoutMs": 30000,
                "topicPartitions": self.placed("topic", "partitions", self.partitions)}

    def make_AlterPartitionReassignments(self, version):
        return {"timeoutMs": 30000, "topics": self.placed("name", "partitions", lambda: [
            {"partitionIndex": index, "replicas": self.one([1], None, [], [9], [1, 1])} for index in self.partitions()])}

    def make_ListPartitionReassignments(self, version):
        return {"timeoutMs": 30000, "topics": None if self.chance(0.3) else
                self.placed("name", "partitionIndexes", self.partitions)}
