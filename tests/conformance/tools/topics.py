"""kafka-topics."""
from table import lines

FILES = {
    "empty.properties": "",
    "client.properties": "client.id=tester\nrequest.timeout.ms=5000\n",
}
S = "--bootstrap-server {server}"
LINES = lines("""
(none)
--help
--version
--bogus
--list
--create
--bootstrap-server
S
S --list
S --list --create --topic a
S --create
S --create --topic
S --create --topic plain
S --create --topic plain
S --create --topic plain --if-not-exists
S --create --topic three --partitions 3 --replication-factor 1
--bootstrap-server={server} --create --topic=set --config retention.ms=1000 --config cleanup.policy=compact
S --create --topic with.dot
S --create --topic with_score
S --create --topic bad/name
S --create --topic ..
S --create --topic ''
S --create --topic zero --partitions 0
S --create --topic neg --partitions -1
S --create --topic text --partitions x
S --create --topic rf --replication-factor 0
S --create --topic rf --replication-factor 2
S --create --topic rf --replication-factor 99999
S --create --topic c --config bogus=1
S --create --topic c --config retention.ms=x
S --create --topic c --config nopair
S --create --topic c --config =1
S --create --topic c --config min.insync.replicas=0
S --create --topic ra --replica-assignment 1,1
S --create --topic rb --replica-assignment 1:1
S --create --topic rb --replica-assignment 9
S --create --topic rb --replica-assignment 1,1:2
S --create --topic rb --replica-assignment x
S --create --topic rb --replica-assignment 1 --partitions 1
S --create --topic rb --replica-assignment 1 --replication-factor 1
S --create --topic rb --if-exists
S --list --if-not-exists
S --create --topic rb --delete-config x
S --delete --config a=b --topic plain
S --describe --partitions 3
S --list --topic plain
S --list --topic 't.*'
S --list --topic nothing
S --list --exclude-internal
S --list --command-config {dir}/client.properties
S --list --command-config {dir}/missing.properties
S --li
S --describe --topic plain
S --describe --topic set
S --describe --topic 'three|set'
S --describe --topic three,plain
S --describe --topic missing
S --describe --topic missing --if-exists
S --describe
S --describe --topic '['
S --list --topic '*'
S --describe --topic-id bogus
S --describe --topic-id AAAAAAAAAAAAAAAAAAAAAA
S --describe --topic-id aaaaaaaaaaaaaaaaaaaaaQ
S --list --topic-id aaaaaaaaaaaaaaaaaaaaaQ
S --describe --topics-with-overrides
S --describe --under-replicated-partitions
S --describe --unavailable-partitions
S --describe --under-min-isr-partitions
S --describe --at-min-isr-partitions
S --describe --under-replicated-partitions --unavailable-partitions
S --describe --topics-with-overrides --under-min-isr-partitions
S --list --under-min-isr-partitions
S --list --topics-with-overrides
S --describe --partition-size-limit-per-response 1
S --describe --partition-size-limit-per-response x
S --describe --exclude-internal
S --alter --topic plain
S --alter --topic plain --partitions 1
S --alter --topic plain --partitions 0
S --alter --topic plain --partitions 2
S --alter --topic missing --partitions 2
S --alter --partitions 2
S --alter --topic missing --partitions 2 --if-exists
S --alter --topic plain --partitions 3 --replica-assignment 1,1,1
S --alter --topic plain --partitions 4 --replica-assignment 1,1
S --alter --topic plain --replication-factor 1 --partitions 5
S --delete
S --delete --topic missing
S --delete --topic missing --if-exists
S --create --topic gone
S --delete --topic gone
S --delete --topic gone
S --create --topic many-a
S --create --topic many-b
S --list --topic 'm\\w+-a'
S --list --topic 'many-\\D'
S --list --topic 'many-\\d'
S --list --topic '(?i)MANY-A'
S --list --topic 'man.*?-b'
S --list --topic '"many-a"'
S --list --topic 'many-a, many-b'
S --list --topic 'many-(?:a|b)'
S --list --topic 'many-a|'
S --list --topic '(many-a'
S --delete --topic 'many-.*'
S --create --topic wide --partitions 4294967297
S --create --topic wide --partitions ' 2'
S --create --topic wide --partitions +2
S --create --topic wide --replication-factor 4294967297
S --create --topic wide --replica-assignment 4294967297
S --alter --topic plain --partitions 4294967299
S --describe --topic plain --partition-size-limit-per-response 4294967297
S --list --topic ''
S --list
S --list extra words
S --list --list
S --list=x
S -list
S -- --list
S --create --topic a --topic b
S --describe --topic plain --topic set
S --create --topic a --partitions 1 --partitions 2
--bootstrap-server bad --list
--bootstrap-server '' --list
""", S=S)
CASES = [("topics", line) for line in LINES]
