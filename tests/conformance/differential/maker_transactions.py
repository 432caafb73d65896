"""Random requests of producers, of their transactions, and about them."""
from choices import CLASSIC, IDEMPOTENT, PRODUCERS, Choices
from universe import GROUPS

STATES = ("Empty", "Ongoing", "CompleteCommit", "CompleteAbort", "Dead", "Bogus")


class Transactions(Choices):
    def transactional(self):
        """(who, transactional id, producer id and epoch)"""
        who, told = self.who(*PRODUCERS)
        return who, self.mostly(f"~{who}", "~nobody", "", probability=0.97), told

    def enrolled(self):
        return [{"name": f"~{topic}", "partitions": self.partitions()} for topic in self.topics()]

    def make_InitProducerId(self, version):
        who = self.one(*PRODUCERS, *IDEMPOTENT)
        asked = {"transactionalId": f"~{who}" if who in PRODUCERS else None,
                 "transactionTimeoutMs": self.mostly(60000, 0, 900001, probability=0.97)}
        if self.chance(0.3):
            asked.update(self.who(who)[1])
        return asked, who

    def make_AddPartitionsToTxn(self, version):
        who, id_, told = self.transactional()
        if version <= 3:
            return {"v3AndBelowTransactionalId": id_, "v3AndBelowProducerId": told["producerId"],
                    "v3AndBelowProducerEpoch": told["producerEpoch"], "v3AndBelowTopics": self.enrolled()}
        found = [{"transactionalId": id_, **told, "verifyOnly": self.chance(0.3), "topics": self.enrolled()}]
        other, id_, told = self.transactional()
        if other != who and self.chance(0.2):
            found.append({"transactionalId": id_, **told, "verifyOnly": self.chance(0.3), "topics": self.enrolled()})
        return {"transactions": found}

    def make_AddOffsetsToTxn(self, version):
        _, id_, told = self.transactional()
        return {"transactionalId": id_, **told, "groupId": self.mostly(f"~{self.one(*GROUPS)}", "", probability=0.97)}

    def make_TxnOffsetCommit(self, version):
        _, id_, told = self.transactional()
        group = self.one(*GROUPS)
        asked = {"transactionalId": id_, "groupId": f"~{group}", **told, "topics": [
            {"name": f"~{topic}", "partitions": [
                {"partitionIndex": index, "committedOffset": self.one(0, 3, 7), "committedLeaderEpoch": self.one(-1, 0, 5),
                 "committedMetadata": self.one(None, "", "note")} for index in self.partitions()]}
            for topic in self.topics()]}
        if self.chance(0.5):
            key = f"{group}/{self.member()}"
            newer = group not in CLASSIC
            asked.update({"memberId": f"~{key}" if newer else f"$member:{key}", "generationId": self.mostly(
                f"$at:{key}" if newer else f"$generation:{key}", -1, 7, probability=0.9)})
        return asked

    def make_EndTxn(self, version):
        who, id_, told = self.transactional()
        return {"transactionalId": id_, **told, "committed": self.chance(0.6)}, who

    def make_WriteTxnMarkers(self, version):
        """One marker: Apache Kafka never answers when there is nothing to be written for one of several. Of no later
        coordinator or epoch: behind that one's, Apache Kafka gives the markers of its own up, and the transaction stays."""
        return {"markers": [{
            **self.who(*PRODUCERS, ahead=False)[1], "transactionResult": self.chance(0.5), "coordinatorEpoch": self.one(0, 0, -1),
            "transactionVersion": self.one(0, 1, 2), "topics": [
                {"name": f"~{topic}", "partitionIndexes": self.partitions()} for topic in self.topics()]}]}

    def make_DescribeProducers(self, version):
        return {"topics": [{"name": f"~{topic}", "partitionIndexes": self.partitions()} for topic in self.topics()]}

    def make_DescribeTransactions(self, version):
        return {"transactionalIds": [f"~{who}" for who in self.some(PRODUCERS + ("nobody",), 3)]}

    def make_ListTransactions(self, version):
        asked = {"stateFilters": self.some(STATES, 3) if self.chance(0.4) else [],
                 "producerIdFilters": [f"$pid:{who}" for who in self.some(PRODUCERS)] if self.chance(0.3) else [],
                 "durationFilter": self.mostly(-1, 1 << 40)}
        return {**asked, "transactionalIdPattern": self.mostly(None, "~x.*", "~x[12]")}

    def make_FindCoordinator(self, version):
        key = f"~{self.one(*GROUPS, *PRODUCERS)}"
        return {"key": key, "coordinatorKeys": [key], "keyType": self.mostly(0, 1)}
