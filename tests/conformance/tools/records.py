"""kafka-console-producer, kafka-console-consumer, kafka-get-offsets, kafka-delete-records."""
FILES = {
    "delete.json": '{"partitions":[{"topic":"rec","partition":0,"offset":2}],"version":1}',
    "delete-all.json": '{"partitions":[{"topic":"rec3","partition":0,"offset":-1},'
                       '{"topic":"rec3","partition":1,"offset":-1}],"version":1}',
    "delete-far.json": '{"partitions":[{"topic":"rec","partition":0,"offset":999}],"version":1}',
    "delete-unknown.json": '{"partitions":[{"topic":"nope","partition":0,"offset":1}],"version":1}',
    "delete-part.json": '{"partitions":[{"topic":"rec","partition":7,"offset":1}],"version":1}',
    "delete-twice.json": '{"partitions":[{"topic":"rec","partition":0,"offset":1},'
                         '{"topic":"rec","partition":0,"offset":2}],"version":1}',
    "delete-version.json": '{"partitions":[],"version":2}',
    "delete-empty.json": '{"partitions":[],"version":1}',
    "delete-bare.json": '{"partitions":[{"topic":"rec","partition":0,"offset":1}]}',
    "delete-missing.json": '{"partitions":[{"topic":"rec","partition":0}],"version":1}',
    "delete-nolist.json": '{"version":1}',
    "delete-bad.json": "{nonsense",
    "delete-nothing.json": "",
    "delete-comma.json": '{"partitions":[{"topic":"rec","partition":0,"offset":1},],"version":1}',
    "delete-wide.json": '{"partitions":[{"topic":"rec","partition":4294967296,"offset":1}],"version":1}',
    "delete-long.json": '{"partitions":[{"topic":"rec","partition":0,"offset":9007199254740993}],"version":1}',
    "delete-longer.json": '{"partitions":[{"topic":"rec","partition":0,"offset":99999999999999999999}],"version":1}',
    "delete-half.json": '{"partitions":[{"topic":"rec","partition":0,"offset":1.5}],"version":1}',
    "delete-text.json": '{"partitions":[{"topic":"rec","partition":"0","offset":1}],"version":1}',
    "delete-nan.json": '{"partitions":[{"topic":"rec","partition":0,"offset":nan}],"version":1}',
    "delete-hex.json": '{"partitions":[{"topic":"rec","partition":0,"offset":0x1}],"version":1}',
    "delete-null.json": '{"partitions":[{"topic":null,"partition":0,"offset":1}],"version":1}',
    "delete-behind.json": '{"partitions":[],"version":1} x',
    "delete-version2.json": '{"partitions":[],"version":1.9}',
    "reader.properties": "parse.key=true\nkey.separator=:\n",
    "group.properties": "group.id=of-file\n",
    "formatter.properties": "print.key=true\nkey.separator=-\n",
    "deadline.properties": "default.api.timeout.ms=6000\nrequest.timeout.ms=5000\n",
}
S = "--bootstrap-server {server} "
P = S + "--topic rec "
FIXTURES = [("topics", S + "--create --topic rec"),
            ("topics", S + "--create --topic rec3 --partitions 3"),
            ("topics", S + "--create --topic rec-empty"), ("topics", S + "--create --topic typed")]
# Whose cases leave what the cases of a tool read.
NEEDS = {"console-consumer": ["console-producer"], "get-offsets": ["console-producer"],
         "delete-records": ["console-producer"]}
PRODUCER = [
    ("",), ("--help",), ("--version",), ("--bogus",), ("--topic rec",), (S,),
    (P, "one\ntwo\nthree\n"),
    (P + "--sync", "four\n"),
    (P + "--reader-property parse.key=true --reader-property key.separator=:", "k:five\nk2:six\n"),
    (P + "--property parse.key=true --property key.separator=:", "k:seven\n"),
    (P + "--property parse.key=true --reader-property key.separator=:", "k:no\n"),
    (P + "--reader-property parse.key=true --reader-property key.separator=:", "nokey\n"),
    (P + "--reader-property parse.key=true --reader-property ignore.error=true", "nokey2\n"),
    (P + "--reader-config {dir}/reader.properties", "a:eight\n"),
    (P + "--reader-config {dir}/missing.properties", "a:x\n"),
    (P + "--reader-property parse.headers=true", "h1:v1,h2:v2\tnine\n"),
    (P + "--reader-property parse.headers=true", "nothing\n"),
    (S + "--topic typed --reader-property parse.headers=true",
     ",".join(f"h{i}:{i}" for i in range(300)) + "\tmany headers\n"),
    (S + "--topic typed", "one\rtwo\r\nthree\r\rfour\r"),
    (P + "--reader-property parse.headers=true", "badpair\tten\n"),
    (P + "--reader-property parse.key=true --reader-property null.marker=NIL", "NIL\tNIL\n"),
    (P + "--compression-codec", "zipped\n"),
    (P + "--compression-codec zstd", "zstd\n"),
    (P + "--compression-codec bogus", "x\n"),
    (P + "--request-required-acks 1", "acks\n"),
    (P + "--request-required-acks 5", "x\n"),
    (P + "--request-required-acks all --batch-size 100 --timeout 5 --max-memory-bytes 65536", "y\n"),
    (P + "--batch-size x", "x\n"),
    (P + "--command-property client.id=me --command-property linger.ms=1", "z\n"),
    (P + "--producer-property linger.ms=1", "old\n"),
    (P + "--producer-property linger.ms=1 --command-property linger.ms=2", "x\n"),
    (P + "--producer.config {dir}/client.properties", "older\n"),
    (P + "--producer.config {dir}/client.properties --command-config {dir}/client.properties", "x\n"),
    (P + "--command-config {dir}/missing.properties", "x\n"),
    (P + "--command-property bogus", "x\n"), (P + "--reader-property bogus", "noval\n"),
    (P + "--command-property linger.ms=x", "x\n"),
    (P + "--line-reader org.example.Nothing", "x\n"),
    (P + "extra", "x\n"), (P + "--topic rec3", "x\n"), (P + "--timeout 1 --timeout 2", "x\n"),
    (P, ""),
    (S + "--topic missing --max-block-ms 500", "x\n"),
    (S + "--topic bad/name --max-block-ms 500", "x\n"),
    (S + "--topic missing --sync --max-block-ms 500", "x\n"),
    ("--bootstrap-server bad --topic rec", "x\n"),
    (S + "--topic typed", "abcd\nabcdefgh\nab\n?\n\x01\n\x00\n@@@@\n@\x14\x00\x00\x00\x00\x00\x00\n"
        "1-2-3-4-5\n9C1F3C4E-7B1A-4C2D-9D3B-0123456789ab\n"),
] + [(P + f"--{name} 4294967297", "wide\n") for name in (
    "batch-size", "message-send-max-retries", "request-timeout-ms", "socket-buffer-size",
    "retry-backoff-ms", "timeout", "metadata-expiry-ms", "max-memory-bytes")]
C = P + "--from-beginning --timeout-ms 60000 "
G = P + "--timeout-ms 60000 "
CONSUMER = [
    "", "--help", "--version", "--bogus", S, "--topic rec", P + "--include rec",
    C + "--max-messages 3", C + "--max-messages 0",
    C + "--max-messages 14 --formatter-property print.key=true",
    C + "--max-messages 8 --property print.key=true --property key.separator=:",
    C + "--max-messages 2 --property print.key=true --formatter-property print.key=true",
    C + "--max-messages 10 --formatter-property print.partition=true "
        "--formatter-property print.offset=true --formatter-property print.timestamp=true "
        "--formatter-property print.headers=true --formatter-property print.key=true "
        "--formatter-property print.epoch=true --formatter-property print.delivery=true",
    C + "--max-messages 3 --formatter-property print.value=false --formatter-property print.key=true "
        "--formatter-property null.literal=NIL --formatter-property line.separator=;",
    C + "--max-messages 2 --formatter-config {dir}/formatter.properties",
    C + "--max-messages 2 --formatter-config {dir}/missing.properties",
    C + "--max-messages 2 --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter",
    C + "--max-messages 2 --formatter org.apache.kafka.tools.consumer.LoggingMessageFormatter",
    C + "--max-messages 2 --formatter org.example.Nothing",
    C + "--max-messages 2 --value-deserializer "
        "org.apache.kafka.common.serialization.StringDeserializer",
    C + "--max-messages 2 --key-deserializer org.example.Nothing",
    C + "--max-messages 2 --isolation-level read_committed",
    C + "--max-messages 2 --isolation-level bogus",
    P + "--partition 0 --offset 1 --max-messages 2", P + "--partition 0 --offset earliest --max-messages 1",
    P + "--partition 0 --offset latest --timeout-ms 200", P + "--offset 1", P + "--partition x",
    P + "--partition 0 --offset -5", P + "--partition 0 --offset bogus",
    P + "--partition 0 --from-beginning --offset 1", P + "--partition 0 --from-beginning --max-messages 1",
    P + "--partition 0 --offset 1 --group g", P + "--partition 0 --max-messages 1 --timeout-ms 200",
    P + "--partition 7 --offset earliest --timeout-ms 300",
    S + "--topic rec-empty --from-beginning --timeout-ms 300", P + "--timeout-ms x", P + "--max-messages x",
    C + "--max-messages 1 --command-property client.id=me", C + "--max-messages 1 --consumer-property a=b",
    C + "--max-messages 1 --consumer-property a=b --command-property c=d",
    C + "--max-messages 1 --consumer.config {dir}/client.properties",
    C + "--max-messages 1 --command-config {dir}/missing.properties",
    C + "--max-messages 1 --command-property auto.offset.reset=latest",
    P + "--command-property auto.offset.reset=bogus",
    S + "--include 'rec.*' --partition 0 --max-messages 1", C + "extra --max-messages 1",
    S + "--include '[' --from-beginning --max-messages 1",
    P + "--topic rec3", P + "--partition 0 --partition 1 --max-messages 1",
    "--bootstrap-server bad --topic rec", P + "--skip-message-on-error --from-beginning --max-messages 1",
    # Groups: from where the group was, and what is shown is what is committed.
    C + "--group g1 --max-messages 3", G + "--group g1 --max-messages 2 --formatter-property print.offset=true",
    G + "--command-property group.id=g1 --max-messages 2 --formatter-property print.offset=true",
    P + "--group a --command-property group.id=b", P + "--group a --command-config {dir}/group.properties",
    P + "--group a --command-property group.id=b --command-config {dir}/group.properties",
    P + "--group of-file --command-config {dir}/group.properties --from-beginning --max-messages 1",
    P + "--command-property group.id=a --partition 0", P + "--command-config {dir}/group.properties --partition 0",
    C + "--command-property group.protocol=consumer --max-messages 2",
    C + "--command-property group.protocol=consumer --group g2 --max-messages 3",
    # (Within a second of the last assignment a member gets its partitions with its second heartbeat.)
    P + "--timeout-ms 60000 --command-property group.protocol=Consumer --group g2 --max-messages 2 "
        "--formatter-property print.offset=true",
    C + "--command-property group.protocol=bogus --max-messages 1",
    C + "--command-property group.protocol=consumer --command-property session.timeout.ms=10000",
    C + "--command-property group.protocol=consumer --command-property heartbeat.interval.ms=1000",
    C + "--command-property session.timeout.ms=3100 --max-messages 1",
    C + "--command-property heartbeat.interval.ms=50000 --max-messages 1",
    C + "--command-property enable.auto.commit=true --max-messages 1",
    C + "--command-property enable.auto.commit=true --group g3 --max-messages 1",
    P + "--command-property group.id= --max-messages 1",
    P + "--command-property group.instance.id=i --from-beginning --max-messages 1 --timeout-ms 60000",
    P + "--from-beginning --command-property auto.offset.reset=none",
    P + "--group g4 --command-property auto.offset.reset=none --timeout-ms 60000",
    G + "--command-property auto.offset.reset=by_duration:PT24H --max-messages 2",
    G + "--command-property auto.offset.reset=by_duration:bogus --max-messages 2",
    G + "--command-property auto.offset.reset=by_duration:-PT1H --max-messages 2",
    S + "--include 'rec|nothing' --from-beginning --max-messages 3 --timeout-ms 60000",
    S + "--include 'rec|nothing' --from-beginning --max-messages 3 --timeout-ms 60000 "
        "--command-property group.protocol=consumer",
    S + "--include 'nothing.*' --from-beginning --timeout-ms 500",
    S + "--topic nothing --from-beginning --timeout-ms 500",
]
V = S + "--topic typed --partition 0 --timeout-ms 60000 --value-deserializer "
T = V + "org.apache.kafka.common.serialization."
# Behind the six lines that other cases of the producer leave there.
CONSUMER += [S + "--topic typed --partition 0 --offset 0 --timeout-ms 60000 --max-messages 6 "
             "--formatter-property print.headers=true"]
CONSUMER += [T + line for line in (
    "IntegerDeserializer --offset 6 --max-messages 2", "IntegerDeserializer --offset 6 --max-messages 2 "
    "--skip-message-on-error", "ShortDeserializer --offset 8 --max-messages 2", "LongDeserializer --offset 7 "
    "--max-messages 2", "FloatDeserializer --offset 6 --max-messages 2", "FloatDeserializer --offset 12 --max-messages 1",
    "DoubleDeserializer --offset 7 --max-messages 2 --skip-message-on-error",
    "DoubleDeserializer --offset 13 --max-messages 1", "BooleanDeserializer --offset 10 --max-messages 2",
    "BooleanDeserializer --offset 9 --max-messages 2", "BooleanDeserializer --offset 6 --max-messages 1",
    "UUIDDeserializer --offset 6 --max-messages 1", "UUIDDeserializer --offset 14 --max-messages 2",
    "VoidDeserializer --offset 6 --max-messages 1", "StringDeserializer --offset 6 --max-messages 1",
    "BytesDeserializer --offset 9 --max-messages 2", "ByteBufferDeserializer --offset 6 --max-messages 1",
    "IntegerDeserializer --offset 6 --formatter-property print.key=true --max-messages 1",
    "IntegerDeserializer --offset 6 --formatter-property print.key=true --max-messages 1 "
    "--key-deserializer org.apache.kafka.common.serialization.LongDeserializer")] + [
    V + "IntegerDeserializer --max-messages 1 --offset 6",
    P + "--partition 4294967296 --offset 0 --timeout-ms 300", C + "--max-messages 4294967297",
    C + "--max-messages ' 1'", P + "--timeout-ms 4294967297000 --from-beginning --max-messages 1",
    P + "--timeout-ms 99999999999999999999", P + "--partition 0 --offset 99999999999999999999",
] + [S + "--topic " + topic + " --from-beginning --timeout-ms 60000 --max-messages 3 --formatter "
     "org.apache.kafka.tools.consumer." + name for topic, name in
     (("typed", "OffsetsMessageFormatter"), ("typed", "GroupMetadataMessageFormatter"),
      ("__consumer_offsets", "TransactionLogMessageFormatter"))]
OFFSETS = [
    "", "--help", "--version", "--bogus", S, "--topic rec", P, S + "--topic 'rec.*'",
    S + "--topic nope", S + "--topic '['", S + "--topic rec3 --partitions 0,2",
    S + "--topic rec3 --partitions x", S + "--topic rec3 --partitions 9", S + "--partitions 0 --topic rec.*",
    S + "--topic-partitions rec:0", S + "--topic-partitions rec3:0-2", S + "--topic-partitions rec3:1-",
    S + "--topic-partitions rec3:-1", S + "--topic-partitions rec3,rec", S + "--topic-partitions :0",
    S + "--topic-partitions rec3:x", S + "--topic-partitions rec3:2-1", S + "--topic-partitions rec:0 --topic rec",
    S + "--topic-partitions rec:0 --partitions 0", P + "--time earliest", P + "--time -2", P + "--time -1",
    P + "--time latest", P + "--time 0", P + "--time 1", P + "--time 9999999999999", P + "--time bogus",
    P + "--time -3", P + "--time max-timestamp", P + "--time earliest-local", P + "--time latest-tiered",
    P + "--time earliest-pending-upload", P + "--time -7", P + "--exclude-internal-topics",
    P + "--command-config {dir}/client.properties", P + "--command-config {dir}/missing.properties",
    "--bootstrap-server bad --topic rec", P + "extra",
    P + "--topic rec3", P + "--time 1 --time 2",
    S + "--topic-partitions rec:4294967296", S + "--topic-partitions rec:99999999999999999999",
    S + "--topic rec --partitions 4294967296", S + "--topic 'rec\\d'", S + "--topic-partitions 'rec\\d:0'",
    S + "--topic-partitions rec3:0-4294967296", S + "--topic rec3 --partitions 0-2", S + "--topic rec3 --partitions 0,x",
    S + "--topic rec3 --partitions 0,,2", S + "--topic-partitions '\"rec3\":0'", S + "--topic-partitions 'rec 3:0'", P + "--time 99999999999999999999",
]
D = S + "--offset-json-file {dir}/"
DELETE = ["", "--help", "--version", "--bogus", S, "--offset-json-file {dir}/delete.json",
          D + "delete.json", D + "delete.json", D + "delete-all.json", D + "delete-far.json",
          D + "delete-unknown.json --command-config {dir}/deadline.properties",
          D + "delete-part.json --command-config {dir}/deadline.properties",
          D + "delete-twice.json", D + "delete-version.json",
          D + "delete-empty.json", D + "delete-bare.json", D + "delete-missing.json", D + "delete-nolist.json",
          D + "delete-bad.json", D + "delete-nothing.json", S + D + "delete.json", D + "missing.json",
          D + "delete.json --command-config {dir}/missing.properties"]
DELETE += [D + f"delete-{name}.json" for name in ("comma", "wide", "long", "longer", "half", "text", "nan", "hex",
                                                  "null", "behind", "version2")]
CASES = ([("console-producer", *case) for case in PRODUCER]
         + [("console-consumer", line) for line in CONSUMER]
         + [("get-offsets", line) for line in OFFSETS]
         + [("delete-records", line) for line in DELETE]
         + [("get-offsets", P + "--time earliest"), ("console-consumer", C + "--max-messages 1")])
