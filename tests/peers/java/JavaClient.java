import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client with its default producer through the scenario: JavaClient BOOTSTRAP TOPICS */
public final class JavaClient {
    private static final int PARTITIONS = 3;
    private static final int RECORDS = 20;
    private static final long TIMESTAMP = 1700000000000L;
    private static final Duration WAIT = Duration.ofSeconds(120);

    private interface Case {
        void run() throws Exception;
    }

    private final String bootstrap;
    private final String topics;
    private final Admin admin;
    private int failed;

    private JavaClient(String bootstrap, String topics) {
        this.bootstrap = bootstrap;
        this.topics = topics;
        this.admin = Admin.create(settings());
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("default.api.timeout.ms", "120000");
        settings.put("request.timeout.ms", "15000");
        return settings;
    }

    private static void check(Object got, Object wanted, String what) {
        if (!wanted.equals(got)) {
            throw new AssertionError(what + ": got " + got + ", expected " + wanted);
        }
    }

    private static void await(BooleanSupplier condition, String what) throws InterruptedException {
        long deadline = System.nanoTime() + WAIT.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("waited for " + what);
            }
            Thread.sleep(20);
        }
    }

    private static <T> T get(Future<T> future) throws Exception {
        return future.get(WAIT.toSeconds(), TimeUnit.SECONDS);
    }

    private String create(String name) throws Exception {
        String topic = topics + "-" + name;
        get(admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1))).all());
        return topic;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String describe(byte[] key, byte[] value, Iterable<Header> headers, long time) {
        StringBuilder text = new StringBuilder(new String(key, StandardCharsets.UTF_8));
        text.append('=').append(new String(value, StandardCharsets.UTF_8)).append('@').append(time);
        for (Header header : headers) {
            text.append(' ').append(header.key()).append('=')
                .append(header.value() == null ? "null"
                                               : new String(header.value(), StandardCharsets.UTF_8));
        }
        return text.toString();
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, int partition, int i) {
        ProducerRecord<byte[], byte[]> record =
            new ProducerRecord<>(topic, partition, TIMESTAMP + 1000L * i,
                                 bytes("key-" + partition + "-" + i),
                                 bytes("value " + i + " " + "x".repeat(100)));
        record.headers().add("one", bytes(Integer.toString(i))).add("two", null);
        return record;
    }

    private void produce(String topic, String codec) throws Exception {
        Properties settings = settings();
        settings.put("compression.type", codec);
        settings.put("linger.ms", "20");
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                 settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int partition = 0; partition < PARTITIONS; partition++) {
                for (int i = 0; i < RECORDS; i++) {
                    sent.add(producer.send(record(topic, partition, i)));
                }
            }
            for (int i = 0; i < sent.size(); i++) {
                check(get(sent.get(i)).offset(), (long) (i % RECORDS), "offset");
            }
        }
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        Properties settings = settings();
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(),
                                   new ByteArrayDeserializer());
    }

    private static List<ConsumerRecord<byte[], byte[]>> read(
        KafkaConsumer<byte[], byte[]> reader, int count) {
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        long deadline = System.nanoTime() + WAIT.toNanos();
        while (found.size() < count) {
            reader.poll(Duration.ofMillis(500)).forEach(found::add);
            if (System.nanoTime() > deadline) {
                throw new AssertionError(found.size() + " of " + count + " records");
            }
        }
        return found;
    }

    private void roundTrip(String codec) throws Exception {
        String topic = create(codec);
        produce(topic, codec);
        for (int partition = 0; partition < PARTITIONS; partition++) {
            try (KafkaConsumer<byte[], byte[]> reader = consumer()) {
                reader.assign(List.of(new TopicPartition(topic, partition)));
                List<ConsumerRecord<byte[], byte[]>> found = read(reader, RECORDS);
                for (int i = 0; i < RECORDS; i++) {
                    ConsumerRecord<byte[], byte[]> got = found.get(i);
                    ProducerRecord<byte[], byte[]> sent = record(topic, partition, i);
                    check(describe(got.key(), got.value(), got.headers(), got.timestamp()),
                          describe(sent.key(), sent.value(), sent.headers(), sent.timestamp()),
                          "record " + i);
                }
            }
        }
    }

    private void seeks() throws Exception {
        String topic = create("seek");
        produce(topic, "none");
        TopicPartition where = new TopicPartition(topic, 1);
        try (KafkaConsumer<byte[], byte[]> reader = consumer()) {
            reader.assign(List.of(where));
            reader.seek(where, 15);
            check(read(reader, 5).get(0).offset(), 15L, "from 15");
            reader.seek(where, 3);
            check(read(reader, 1).get(0).offset(), 3L, "after seek");
        }
    }

    private long offset(String topic, OffsetSpec spec) throws Exception {
        TopicPartition where = new TopicPartition(topic, 0);
        return get(admin.listOffsets(Map.of(where, spec)).partitionResult(where)).offset();
    }

    private void listsOffsets() throws Exception {
        String topic = create("offsets");
        produce(topic, "gzip");
        check(offset(topic, OffsetSpec.earliest()), 0L, "earliest");
        check(offset(topic, OffsetSpec.latest()), (long) RECORDS, "latest");
        check(offset(topic, OffsetSpec.maxTimestamp()), (long) RECORDS - 1, "max timestamp");
        check(offset(topic, OffsetSpec.forTimestamp(TIMESTAMP + 3500)), 4L, "by time");
        check(offset(topic, OffsetSpec.forTimestamp(TIMESTAMP + 90000)), -1L, "after the last");
    }

    private void deletesRecords() throws Exception {
        String topic = create("delete");
        produce(topic, "none");
        TopicPartition where = new TopicPartition(topic, 0);
        check(get(admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(7)))
                      .lowWatermarks().get(where)).lowWatermark(), 7L, "low watermark");
        check(offset(topic, OffsetSpec.earliest()), 7L, "earliest");
    }

    private String setting(ConfigResource resource) {
        try {
            return get(admin.describeConfigs(List.of(resource)).all()).get(resource)
                .get("retention.ms").value();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private void altersConfigs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, create("configs"));
        check(setting(topic), "604800000", "default");
        ConfigEntry entry = new ConfigEntry("retention.ms", "123456");
        get(admin.incrementalAlterConfigs(
            Map.of(topic, List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET)))).all());
        await(() -> setting(topic).equals("123456"), "retention.ms");
        get(admin.incrementalAlterConfigs(
            Map.of(topic, List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.DELETE)))).all());
        await(() -> setting(topic).equals("604800000"), "the default");
    }

    private void describesCluster() throws Exception {
        check(get(admin.describeCluster().nodes()).size(), 1, "nodes");
        check(get(admin.describeCluster().clusterId()).length(), 22, "cluster id");
    }

    private int partitions(String topic) {
        try {
            return get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic)
                .partitions().size();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private void addsPartitions() throws Exception {
        String topic = create("grown");
        get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
        await(() -> partitions(topic) == 5, "five partitions");
    }

    private boolean listed(String topic) {
        try {
            return get(admin.listTopics().names()).contains(topic);
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private void deletesTopics() throws Exception {
        String topic = create("gone");
        get(admin.deleteTopics(Collections.singleton(topic)).all());
        await(() -> !listed(topic), "deletion");
    }

    private KafkaConsumer<byte[], byte[]> member(String topic) {
        Properties settings = settings();
        settings.put("group.id", topic);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        KafkaConsumer<byte[], byte[]> member = new KafkaConsumer<>(settings,
            new ByteArrayDeserializer(), new ByteArrayDeserializer());
        member.subscribe(List.of(topic));
        return member;
    }

    private static void poll(List<KafkaConsumer<byte[], byte[]>> members, Set<String> found) {
        for (KafkaConsumer<byte[], byte[]> member : members) {
            for (ConsumerRecord<byte[], byte[]> record : member.poll(Duration.ofMillis(100))) {
                found.add(record.partition() + " " + record.offset());
            }
        }
    }

    private void produceAll(String topic) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings(),
                new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int partition = 0; partition < PARTITIONS; partition++) {
                for (int i = 0; i < RECORDS; i++) {
                    producer.send(new ProducerRecord<>(topic, partition, null, new byte[] {(byte) i}));
                }
            }
        }
    }

    /** Two members share the partitions, commit, and a third goes on where they stopped. */
    private void consumesInAGroup() throws Exception {
        String topic = create("group");
        Set<String> found = new HashSet<>();
        List<KafkaConsumer<byte[], byte[]>> members = List.of(member(topic), member(topic));
        await(() -> {
            poll(members, found);
            return members.stream().noneMatch(member -> member.assignment().isEmpty())
                && members.stream().mapToInt(member -> member.assignment().size()).sum()
                == PARTITIONS;
        }, "both to have partitions");
        produceAll(topic);
        await(() -> {
            poll(members, found);
            return found.size() == PARTITIONS * RECORDS;
        }, "all records");
        for (KafkaConsumer<byte[], byte[]> member : members) {
            member.commitSync();
        }
        members.forEach(KafkaConsumer::close);
        produceAll(topic);
        Set<String> later = new HashSet<>();
        try (KafkaConsumer<byte[], byte[]> last = member(topic)) {
            await(() -> {
                poll(List.of(last), later);
                return later.size() >= PARTITIONS * RECORDS;
            }, "the new records");
        }
        later.retainAll(found);
        check(later, Set.of(), "records read again");
        check(get(admin.describeClassicGroups(List.of(topic)).all()).get(topic).state().toString(),
            "Empty", "state");
    }

    private void run(String name, Case work) {
        try {
            work.run();
            System.out.println("PASS " + name);
        } catch (Throwable error) {
            failed++;
            error.printStackTrace();
            String text = Optional.ofNullable(error.getMessage()).orElse(error.toString());
            System.out.println("FAIL " + name + ": " + text.split("\n")[0]);
        }
    }

    public static void main(String[] arguments) {
        JavaClient client = new JavaClient(arguments[0], arguments[1]);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            client.run("round_trip_" + codec, () -> client.roundTrip(codec));
        }
        client.run("seeks", client::seeks);
        client.run("lists_offsets", client::listsOffsets);
        client.run("deletes_records", client::deletesRecords);
        client.run("alters_configs", client::altersConfigs);
        client.run("adds_partitions", client::addsPartitions);
        client.run("describes_cluster", client::describesCluster);
        client.run("deletes_topics", client::deletesTopics);
        client.run("consumes_in_a_group", client::consumesInAGroup);
        System.out.println("\ndone");
        System.out.flush();
        System.exit(client.failed > 0 ? 1 : 0);
    }
}
