"""Random requests of groups of both protocols, and of their offsets."""
from choices import CLASSIC, CONSUMER, EXPRESSIONS, MEMBERS, MIXED, NEXT, TOO_LARGE, Choices
from universe import GROUPS, TOPICS

SESSION_MS, REBALANCE_MS = 600000, 600000  # longer than a sequence
STRANGER = "stranger"
VERSION_WITH_INSTANCE = 5
INSTANCE = "instance"
# A topic for each member of a consumer group: which of several gets a partition is not the same each time.
SUBSCRIBED = {**dict(zip(MEMBERS, TOPICS)), NEXT: TOPICS[2]}
STATES = ("Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "Dead", "nonsense")


class Groups(Choices):
    def member(self):
        return self.one(*MEMBERS)

    def classic(self):
        """(group, member's key): now and then of a group of the other protocol, whose members never join it."""
        if self.chance(0.2):
            group = self.one(*MIXED)
            return group, f"{group}/{MIXED[group]}"
        group = self.mostly(self.one(*CLASSIC), *CONSUMER, probability=0.95)
        return group, f"{group}/{self.member()}"

    def instance(self, key):
        static = key[-1] in (MEMBERS[-1], NEXT)
        if static and key.split("/")[0] not in CLASSIC:
            return INSTANCE  # two without would read the same topic
        return self.mostly(INSTANCE if static else None, "another", None, probability=0.97)

    def id_of(self, key):
        static = key.endswith(MEMBERS[-1])
        lost = "" if static or key.split("/")[0] not in MIXED else STRANGER  # it would be a second one
        return self.mostly(f"$member:{key}", lost, STRANGER, probability=0.8 if static else 0.95)

    def make_JoinGroup(self, version):
        """Of no group of the other protocol: who gets what there depends on the random ids of classic members."""
        group, key = self.classic()
        if group in CONSUMER or (MIXED.get(group) == MEMBERS[-1] and version < VERSION_WITH_INSTANCE):
            group = self.one(*CLASSIC)
            key = f"{group}/{self.member()}"
        names = [SUBSCRIBED[key[-1]]] if group in MIXED else self.some(TOPICS[:3])
        subscribed = {"$subscription": [f"~{topic}" for topic in names]}
        ranged, robin = {"name": "range", "metadata": subscribed}, {"name": "roundrobin", "metadata": subscribed}
        return {"groupId": f"~{group}", "sessionTimeoutMs": self.mostly(SESSION_MS, 5999, 1800001, probability=0.98),
                "rebalanceTimeoutMs": REBALANCE_MS, "memberId": self.id_of(key), "groupInstanceId": self.instance(key),
                "protocolType": self.mostly("consumer", "connect", "", probability=0.98),
                "protocols": self.mostly(self.one([ranged], [ranged], [ranged, robin]), [robin], [], [
                    {"name": "other", "metadata": b"x"}], probability=0.95)}, key, key

    def make_SyncGroup(self, version):
        group, key = self.classic()
        return {"groupId": f"~{group}", "generationId": self.mostly(
            f"$generation:{key}", f"$generation:{key}-1", f"$generation:{key}+1", probability=0.95),
            "memberId": self.id_of(key), "groupInstanceId": self.instance(key),
            "protocolType": self.mostly("consumer", "connect", None, probability=0.98),
            "protocolName": self.mostly(f"$protocol:{key}", "other", None, probability=0.98),
            "assignments": {"$assignments": key}}, key, key

    def make_Heartbeat(self, version):
        group, key = self.classic()
        return {"groupId": f"~{group}", "generationId": self.mostly(
            f"$generation:{key}", f"$generation:{key}-1", f"$generation:{key}+1", -1),
            "memberId": self.id_of(key), "groupInstanceId": self.instance(key)}, None, key

    def make_LeaveGroup(self, version):
        group, key = self.classic()
        keys = [key] if self.chance(0.8) else [f"{group}/{member}" for member in self.some(MEMBERS)]
        return {"groupId": f"~{group}", "memberId": self.id_of(key), "members": [
            {"memberId": self.id_of(one), "groupInstanceId": self.instance(one), "reason": self.one(None, "to see")}
            for one in keys]}

    # ---- offsets ----

    def committer(self):
        """(group, member and generation)"""
        group = self.one(*GROUPS)
        key = f"{group}/{self.member()}"
        if self.chance(0.4):
            return group, "", -1
        if group not in CLASSIC and key[-1] != MIXED.get(group):
            return group, f"~{key}", self.mostly(f"$at:{key}", f"$at:{key}-1", f"$at:{key}+1", -1, probability=0.9)
        return group, self.id_of(key), self.mostly(
            f"$generation:{key}", f"$generation:{key}-1", f"$generation:{key}+1", -1, probability=0.9)

    def make_OffsetCommit(self, version):
        group, member, generation = self.committer()
        return {"groupId": f"~{group}", "generationIdOrMemberEpoch": generation, "memberId": member, "topics": [
            {**self.named(topic), "partitions": [
                {"partitionIndex": index, "committedOffset": self.one(0, 1, 5), "committedLeaderEpoch": self.one(-1, 0, 5),
                 "committedMetadata": self.mostly("", None, TOO_LARGE)} for index in self.partitions()]}
            for topic in self.topics()]}

    def make_OffsetFetch(self, version):
        def topics():
            every = version >= 2 and self.chance(0.3)
            return None if every else [{**self.named(topic), "partitionIndexes": self.partitions()} for topic in self.topics()]
        stable = {"requireStable": self.chance(0.6)}
        if version < 8:
            return {"groupId": f"~{self.one(*GROUPS)}", "topics": [
                {key: value for key, value in item.items() if key != "topicId"} for item in asked]
                if (asked := topics()) is not None else None, **stable}
        asked = []
        for group in self.some(GROUPS):
            one = {"groupId": f"~{group}", "topics": topics()}
            if group not in CLASSIC and self.chance(0.5):
                key = f"{group}/{self.member()}"
                one.update({"memberId": f"~{key}", "memberEpoch": self.mostly(f"$at:{key}", f"$at:{key}+1", f"$at:{key}-1")})
            asked.append(one)
        return {"groups": asked, **stable}

    def make_OffsetDelete(self, version):
        return {"groupId": f"~{self.one(*GROUPS)}", "topics": [{"name": f"~{topic}", "partitions": [
            {"partitionIndex": index} for index in self.partitions()]} for topic in self.topics()]}

    # ---- about groups ----

    def groups(self):
        return [f"~{group}" for group in self.some(GROUPS + ("nobody",), 3)]

    def make_DeleteGroups(self, version):
        return {"groupsNames": self.groups()}

    def make_ListGroups(self, version):
        return {"statesFilter": self.some(STATES, 3) if self.chance(0.4) else [],
                "typesFilter": [self.one("classic", "Consumer", "share", "nonsense")] if self.chance(0.3) else []}

    def make_DescribeGroups(self, version):
        return {"groups": self.groups(), "includeAuthorizedOperations": self.chance(0.2)}

    def make_ConsumerGroupDescribe(self, version):
        return {"groupIds": self.groups(), "includeAuthorizedOperations": self.chance(0.2)}

    def make_ConsumerGroupHeartbeat(self, version):
        group = self.one(*CONSUMER, *CONSUMER, *MIXED, *([EXPRESSIONS] if version > 0 else []))
        member = self.one(*MEMBERS[1:]) if group in MIXED else self.one(*MEMBERS, NEXT)
        key = f"{group}/{member if group != 'm0' else 'b'}"
        # One of a group: until one is resolved Apache Kafka takes the member for one that reads what others do.
        expression = {"expression": f"{SUBSCRIBED[member]}.*"} if group == EXPRESSIONS and member == MEMBERS[0] else {}
        return {"$beat": {
            **expression,
            "key": key, "kind": self.mostly("next", "join", "silent", "ahead", "behind", "leave", "away", probability=0.75),
            "names": [SUBSCRIBED[key[-1]]], "changes": self.chance(0.15),
            "instance": self.instance(key), "assignor": self.mostly(None, "range", "uniform", "best", probability=0.9)}}, key
