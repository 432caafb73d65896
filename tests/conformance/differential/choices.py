"""What the parts of a random sequence are chosen from: mostly what a client would say, with a bias to what is nearly right."""
import random

from universe import GROUPS, STRANGER, TOPICS

PARTITIONS = 3
PRODUCERS = ("x0", "x1", "x2")   # transactional ids, too
IDEMPOTENT = ("i0", "i1")
CLASSIC, CONSUMER = GROUPS[:3], GROUPS[3:5]
# Groups with one member of the classic protocol, which may come and go, besides those of the newer one.
MIXED = {"m0": "a", "m1": "c"}
EXPRESSIONS = GROUPS[-1]         # a group that subscribes by expressions
MEMBERS = ("a", "b", "c")        # the last one has an instance
NEXT = "d"                       # of the same instance, under another id
CONNECTIONS = ("one", "two")
SESSIONS = ("s0", "s1")
TOO_LARGE = "m" * 4097           # metadata of a commit


class Choices:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, probability):
        return self.random.random() < probability

    def one(self, *choices):
        return self.random.choice(choices)

    def mostly(self, good, *corners, probability=0.85):
        return good if self.chance(probability) else self.one(*corners)

    def some(self, choices, most=2):
        return self.random.sample(choices, self.random.randint(1, min(most, len(choices))))

    def topic(self):
        return self.mostly(self.one(*TOPICS[:3]), TOPICS[3], "nowhere", probability=0.93)

    def topics(self):
        names = self.some(TOPICS[:3])
        return [self.topic()] if self.chance(0.2) else names

    def partition(self):
        return self.mostly(self.random.randrange(PARTITIONS), PARTITIONS, -1, 77, probability=0.95)

    def partitions(self):
        return sorted({self.partition() for _ in range(self.one(1, 1, 2, 3))})

    def named(self, topic, field="name"):
        """By name, and by id in the versions that have it: mostly the one that the name has now."""
        return {field: f"~{topic}", "topicId": self.mostly(f"$id:{topic}", f"$id:{topic}-1", f"$id:{topic}-9", probability=0.95)}

    def offset(self, topic, partition):
        key = f"{topic}/{max(partition, 0)}"
        return self.one(f"$end:{key}", f"$start:{key}", f"$end:{key}-1", f"$start:{key}+1", f"$end:{key}+1",
                        f"$start:{key}-1", f"$stable:{key}", 0, 2)

    def leader_epoch(self):
        return self.mostly(-1, 0, 0, 0, 1, 5, -2, probability=0.6)

    def who(self, *names, ahead=True):
        who = self.one(*names)
        epoch = self.mostly(f"$epoch:{who}", f"$epoch:{who}+1" if ahead else 0, f"$epoch:{who}-1", 0, probability=0.9)
        return who, {"producerId": self.mostly(f"$pid:{who}", STRANGER, probability=0.97), "producerEpoch": epoch}
