"""Makes sequences of requests from a seed."""
from choices import CONNECTIONS
from maker_groups import Groups
from maker_records import Records
from maker_topics import Topics
from maker_transactions import Transactions

# How often each API is asked.
KINDS = {
    "Produce": 30, "Fetch": 22, "ListOffsets": 8, "DeleteRecords": 3, "OffsetForLeaderEpoch": 2,
    "Metadata": 4, "DescribeTopicPartitions": 2, "CreateTopics": 4, "DeleteTopics": 2, "CreatePartitions": 1,
    "IncrementalAlterConfigs": 5, "AlterConfigs": 1, "DescribeConfigs": 2, "ListConfigResources": 1,
    "DescribeLogDirs": 1, "AlterReplicaLogDirs": 1, "DescribeCluster": 1, "UpdateFeatures": 1, "ElectLeaders": 1,
    "AlterPartitionReassignments": 1, "ListPartitionReassignments": 1,
    "InitProducerId": 8, "AddPartitionsToTxn": 6, "AddOffsetsToTxn": 4, "TxnOffsetCommit": 5, "EndTxn": 10,
    "WriteTxnMarkers": 2, "DescribeProducers": 4, "DescribeTransactions": 3, "ListTransactions": 2,
    "FindCoordinator": 1, "JoinGroup": 14, "SyncGroup": 10, "Heartbeat": 6, "LeaveGroup": 4, "OffsetCommit": 7,
    "OffsetFetch": 6, "OffsetDelete": 4, "DeleteGroups": 2, "ListGroups": 2, "DescribeGroups": 4,
    "ConsumerGroupHeartbeat": 26, "ConsumerGroupDescribe": 4}


class Maker(Topics, Records, Transactions, Groups):
    def __init__(self, seed, served):
        super().__init__(seed)
        self.served = served

    @staticmethod
    def served_by(pair):
        """{api: versions that both serve}"""
        found = {}
        for side in pair:
            names = {side.apis.specs[f"{name}Request"]["apiKey"]: name for name in KINDS}
            for item in side.ask("ApiVersions", 4, {"clientSoftwareName": "a", "clientSoftwareVersion": "1"})["apiKeys"]:
                name = names.get(item["apiKey"])
                if name is not None:
                    versions = set(range(item["minVersion"], item["maxVersion"] + 1)) & set(side.apis.versions(name))
                    found[name] = found.get(name, versions) & versions
        return {name: sorted(versions) for name, versions in found.items() if versions}

    def sequence(self, count):
        kinds = [name for name in KINDS if name in self.served]
        weights = [KINDS[name] for name in kinds]
        steps = [self.step("CreateTopics", self.first_topics())]
        while len(steps) < count:
            if self.chance(0.01):
                steps.append((self.one(*CONNECTIONS), "close"))
            else:
                steps.append(self.step(self.random.choices(kinds, weights)[0]))
        return steps

    def step(self, api, values=None):
        """make_API gives values, or (values, keep), or (values, keep, connection)."""
        version = self.random.choice(self.served[api])
        made = values or getattr(self, f"make_{api}")(version)
        values, *more = made if isinstance(made, tuple) else (made,)
        keep, connection = (*more, *(None, self.one(*CONNECTIONS))[len(more):])
        return connection, api, version, values, keep
