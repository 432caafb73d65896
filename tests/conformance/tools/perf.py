"""kafka-producer-perf-test and kafka-consumer-perf-test."""
FILES = {"payload.txt": "one\ntwo\nthree\n", "nothing.txt": ""}
S = "--bootstrap-server {server} "
FIXTURES = [("topics", S + "--create --topic perf")]
NEEDS = {"consumer-perf-test": ["producer-perf-test"]}
N = "--topic perf --num-records 100 --throughput -1 "
R = N + "--record-size 10 "
PRODUCER = ["", "-h", "--help", "--version", "--bogus", S, S + "--topic perf", S + N, S + R,
            R + "--producer-props bootstrap.servers={server}",
            R + "--command-property bootstrap.servers={server} acks=1",
            R + "--producer-props bootstrap.servers={server} --command-property acks=1", R,
            S + N + "--record-size 0", S + N + "--record-size x", S + N + "--record-size -1",
            S + N + "--payload-monotonic", S + N + "--payload-file {dir}/payload.txt",
            S + N + "--payload-file {dir}/payload.txt --payload-delimiter w",
            S + N + "--payload-file {dir}/payload.txt --payload-delimiter ''",
            S + N + "--payload-file {dir}/nothing.txt", S + N + "--payload-file {dir}/missing.txt",
            S + R + "--payload-monotonic", S + R + "--payload-file {dir}/payload.txt",
            S + "--topic perf --num-records x --throughput -1 --record-size 1",
            S + "--topic perf --num-records 0 --throughput -1 --record-size 1",
            S + "--topic perf --num-records 5 --throughput x --record-size 1",
            S + "--topic perf --num-records 10 --throughput 1000 --record-size 1",
            S + R + "--warmup-records 10", S + R + "--warmup-records 100", S + R + "--warmup-records -1",
            S + R + "--reporting-interval 0", S + R + "--reporting-interval 1000",
            S + R + "--producer.config {dir}/client.properties",
            S + R + "--command-config {dir}/client.properties",
            S + R + "--producer.config {dir}/client.properties --command-config {dir}/client.properties",
            S + R + "--command-config {dir}/missing.properties", S + R + "--command-property bogus",
            S + R + "--command-property acks=9", S + R + "extra", S + R + "--transaction-duration-ms 0",
            S + R + "--num-records", S + R + "--transactional-id tx1",
            S + R + "--transactional-id tx1 --transaction-duration-ms 1", S + R + "--transaction-duration-ms 5",
            S + R + "--transaction-duration-ms x", S + R + "--transaction-duration-ms -1",
            S + R + "--transactional-id", S + R + "--transaction-duration-ms", S + R + "--transactional-id ''",
            S + R + "--command-property transactional.id=tx2",
            S + R + "--transactional-id tx1 --command-property transactional.id=tx2 --warmup-records 10",
            S + R + "--transactional-id tx1 --command-property acks=1",
            S + R + "--transactional-id tx1 --command-property enable.idempotence=false",
            S + R + "--transactional-id tx1 --command-property transaction.timeout.ms=900001",
            S + N + "--transactional-id tx1 --transaction-duration-ms 1 --payload-monotonic",
            S + "--topic perf --num-records 30 --throughput 1000 --record-size 1 --transaction-duration-ms 4"]
M = "--topic perf --num-records 100 "
CONSUMER = ["", "--help", "--version", "--bogus", S, S + "--topic perf", S + M, S + M + "--include perf",
            S + "--num-records 10", S + "--topic perf --messages 50",
            S + "--topic perf --messages 5 --num-records 5", S + M + "--hide-header",
            S + M + "--hide-header --timeout 60000",
            S + M + "--reporting-interval 0", S + M + "--fetch-size x", S + M + "--timeout x",
            S + "--topic perf --num-records x", S + "--topic perf --num-records -5",
            S + "--topic perf --num-records 100000000 --timeout 500",
            S + M + "--date-format bogus", S + M + "--date-format yyyy --hide-header",
            S + M + "--command-config {dir}/client.properties", S + M + "--consumer.config {dir}/client.properties",
            S + M + "--consumer.config {dir}/client.properties --command-config {dir}/client.properties",
            S + M + "--command-config {dir}/missing.properties", S + M + "--command-property bogus",
            S + M + "--command-property client.id=x", S + M + "--from-latest --timeout 300",
            S + M + "--socket-buffer-size x", S + "--include 'per.*' --num-records 10", "--topic perf --num-records 1",
            S + M + "--threads 2", S + M + "--topic perf", S + M + "extra", S + M + "--group g", S + M + "--show-detailed-stats",
            S + M + "--group g2 --hide-header", S + M + "--group g2 --timeout 60000",
            S + M + "--group g3 --command-property group.protocol=consumer",
            S + M + "--command-property group.protocol=bogus",
            S + M + "--command-property group.id=other --command-property enable.auto.commit=false",
            S + "--include 'perf|nothing' --num-records 10 --group g4", S + M + "--group ''",
            S + "--topic nothing --num-records 1 --timeout 500"]
CONSUMER += [S + M + f"--{name} 4294967297" for name in
             ("fetch-size", "reporting-interval", "socket-buffer-size")]
CASES = ([("producer-perf-test", line) for line in PRODUCER]
         + [("consumer-perf-test", line) for line in CONSUMER])
