"""kafka-configs."""
from table import lines

FILES = {
    "add.properties": "retention.ms=7000\nmax.message.bytes=2000\n",
    "group.properties": "consumer.session.timeout.ms=48000\nconsumer.assignment.interval.ms=2000\n",
    "bad-add.properties": "bogus=7000\n",
}
S = "--bootstrap-server {server}"
T = S + " --entity-type topics --entity-name conf"
B = S + " --entity-type brokers --entity-name 1"
G = S + " --entity-type groups --entity-name g"
M = S + " --entity-type client-metrics --entity-name m"
FIXTURES = [("topics", S + " --create --topic conf"),
            ("topics", S + " --create --topic conf2 --config retention.ms=9")]
LINES = lines("""
(none)
--help
--version
--bogus
S
S --describe
S --alter
--describe --topic conf
S --describe --alter --topic conf
S --describe --entity-type bogus
S --describe --entity-type topics
T --describe
S --describe --topic conf
S --describe --topic conf2
S --describe --topic missing
T --describe --all
S --describe --entity-type topics --entity-name missing
S --describe --entity-type topics --entity-default
S --describe --entity-name conf
T --alter
T --alter --add-config
T --alter --add-config retention.ms=1000
T --describe
T --alter --add-config retention.ms=2000,cleanup.policy=[compact,delete]
T --describe
T --alter --delete-config retention.ms
T --describe
T --alter --delete-config retention.ms
T --alter --delete-config bogus
T --alter --add-config bogus=1
T --alter --add-config retention.ms=x
T --alter --add-config retention.ms
T --alter --add-config retention.ms=
T --alter --add-config min.insync.replicas=0
T --alter --add-config-file {dir}/add.properties
T --describe
T --alter --add-config-file {dir}/bad-add.properties
T --alter --add-config-file {dir}/missing.properties
T --alter --add-config-file {dir}/add.properties --add-config a=b
T --alter --add-config segment.bytes=1048576 --delete-config max.message.bytes
S --alter --topic conf --delete-config cleanup.policy,segment.bytes
S --alter --topic missing --add-config retention.ms=1
S --alter --entity-type topics --add-config retention.ms=1
S --alter --entity-type topics --entity-default --add-config retention.ms=1
T --alter --add-config retention.ms=1 --all
T --describe --add-config a=b
T --alter --add-config 'retention.ms = 3000'
T --describe
T --alter --add-config 'retention.ms=4000 , segment.ms = 5000000'
T --describe
T --alter --add-config retention.ms=[5000],cleanup.policy=[compact]
T --describe
T --alter --add-config cleanup.policy=[compact,delete],retention.ms=6000
T --describe
T --alter --add-config ,retention.ms=7000
T --alter --add-config retention.ms=7001,
T --alter --add-config retention.ms=7002,,segment.ms=5000001
T --alter --add-config retention.ms=1001,retention.ms=1002
T --describe
T --alter --add-config cleanup.policy=[]
T --alter --add-config cleanup.policy=[delete
T --describe
T --alter --add-config =5
T --alter --add-config 'retention.ms=[1003],[1]'
T --alter --delete-config 'retention.ms, segment.ms'
T --describe
T --alter --add-config retention.ms=1004 --delete-config retention.ms
T --alter --delete-config ,retention.ms
T --alter --delete-config retention.ms,cleanup.policy,segment.ms
T --alter --delete-config retention.ms=1
T --describe
B --describe
S --describe --broker 1
S --describe --broker-defaults
S --describe --entity-type brokers --entity-default
S --describe --entity-type brokers --entity-name 4294967297
S --describe --entity-type brokers
S --describe --broker 9
S --describe --broker x
B --alter --add-config log.cleaner.threads=2
B --alter --delete-config log.cleaner.threads
S --alter --broker-defaults --add-config log.retention.ms=12345
S --alter --broker 1 --add-config bogus.key=1
S --alter --broker 1 --add-config node.id=2
S --alter --broker 1 --add-config log.cleaner.threads=x
S --alter --broker x --add-config log.cleaner.threads=2
S --describe --broker-defaults
S --alter --broker-defaults --delete-config log.retention.ms
S --alter --broker 1 --delete-config log.cleaner.threads
S --describe --broker 1 --all
S --describe --topic conf --broker 1
S --describe --topic conf --entity-type topics
--bootstrap-controller {controller} S --describe --topic conf
S --describe --topic conf --command-config {dir}/missing.properties
S --describe --client-metrics m
S --describe --entity-type users
S --describe --entity-type groups
S --describe --group g
S --describe --ip 127.0.0.1
S --describe --user u --client c
S --describe --client-defaults
S --describe --topic conf --user u
S --describe --broker-logger 1
S --describe --topic conf --topic conf2
S S --describe --topic c
T --alter --add-config retention.ms=1 --add-config segment.ms=2
S --describe --entity-type groups --entity-default
S --describe --entity-type groups --all
S --describe --group g --all
G --alter --add-config consumer.session.timeout.ms=50000
G --describe
S --describe --group g
S --describe --group g --all
S --describe --entity-type groups
S --describe --entity-type groups --all
G --alter --add-config consumer.heartbeat.interval.ms=6000,consumer.session.timeout.ms=51000
G --describe
G --alter --add-config consumer.session.timeout.ms=1
G --alter --add-config consumer.session.timeout.ms=x
G --alter --add-config consumer.session.timeout.ms=
G --alter --add-config bogus=1
G --alter --add-config retention.ms=1
G --alter --add-config share.auto.offset.reset=earliest,share.isolation.level=read_committed
G --alter --add-config share.auto.offset.reset=[latest,earliest]
G --alter --add-config streams.num.standby.replicas=9
G --alter --delete-config bogus
G --alter --delete-config consumer.heartbeat.interval.ms
G --alter --delete-config consumer.heartbeat.interval.ms --add-config streams.num.standby.replicas=1
S --alter --group h --add-config share.session.timeout.ms=46000
S --describe --entity-type groups
S --alter --entity-type groups --add-config consumer.session.timeout.ms=50000
S --alter --entity-type groups --entity-default --add-config consumer.session.timeout.ms=50000
S --alter --group-defaults --add-config consumer.session.timeout.ms=50000
S --alter --group g --entity-type groups --add-config consumer.session.timeout.ms=50000
S --alter --group g --topic conf --add-config consumer.session.timeout.ms=50000
G --alter --add-config-file {dir}/bad-add.properties
G --alter --add-config-file {dir}/group.properties
G --describe
S --alter --group h --delete-config share.session.timeout.ms
S --describe --group h
S --describe --entity-type groups --entity-name i
S --describe --entity-type client-metrics
S --describe --entity-type client-metrics --all
S --describe --entity-type client-metrics --entity-default
M --describe
M --describe --all
M --alter --add-config interval.ms=5000
M --alter --add-config metrics=[org.apache.kafka.consumer.,org.apache.kafka.producer.],match=[client_id=a.*]
M --describe
S --describe --client-metrics m
S --describe --entity-type client-metrics
M --alter --add-config interval.ms=1
M --alter --add-config interval.ms=x
M --alter --add-config match=colour=red
M --alter --add-config match=[client_id=(]
M --alter --add-config bogus=1
M --alter --delete-config metrics
M --describe --all
S --alter --entity-type client-metrics --entity-default --add-config interval.ms=5000
S --alter --entity-type client-metrics --add-config interval.ms=5000
S --alter --client-metrics m --delete-config interval.ms,match
S --describe --client-metrics m
S --describe --entity-type client-metrics
S --describe --entity-type broker-loggers
S --describe --broker-logger 9
S --describe --broker-logger x
T --alter --add-config retention.ms=1=2
T --alter --add-config retention.ms=[1=2]
S --alter --broker-logger 1 --add-config no.such.Logger=INFO
S --alter --entity-type broker-loggers --entity-default --add-config root=INFO
""", T=T, B=B, G=G, M=M, S=S)
CASES = [("configs", line) for line in LINES]
