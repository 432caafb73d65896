import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client in transactions:
 *  TransactionClient scenario BOOTSTRAP TOPICS | copy BOOTSTRAP SOURCE TARGET COUNT */
public final class TransactionClient {
    private static final int PARTITIONS = 3;

    private interface Case {
        void run() throws Exception;
    }

    private final String bootstrap;
    private static String stopsAt = System.getenv("COPIER_STOPS_AT");
    private boolean copies;
    private int failed;

    private TransactionClient(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("default.api.timeout.ms", "120000");
        settings.put("request.timeout.ms", "15000");
        return settings;
    }

    private KafkaProducer<byte[], byte[]> producer(String name) {
        Properties settings = settings();
        settings.put("transactional.id", name);
        settings.put("transaction.timeout.ms", "30000");
        settings.put("max.block.ms", "120000");
        KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
        return producer;
    }

    private KafkaConsumer<byte[], byte[]> consumer(String group, String isolation) {
        Properties settings = settings();
        settings.put("group.id", group);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", isolation);
        if (copies) { // and is killed: whoever comes after it waits for its session
            settings.put("session.timeout.ms", "6000");
        }
        settings.put("heartbeat.interval.ms", "1000");
        settings.put("max.poll.records", "40");
        if (stopsAt != null) { // one that comes back does not wait for the session of the one before
            settings.put("group.instance.id", "copier");
        }
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static List<TopicPartition> partitions(String topic) {
        return IntStream.range(0, PARTITIONS).mapToObj(i -> new TopicPartition(topic, i))
            .collect(Collectors.toList());
    }

    private static void check(Object got, Object wanted, String what) {
        if (!wanted.equals(got)) {
            throw new AssertionError(what + ": got " + got + ", expected " + wanted);
        }
    }

    private String create(String topic) throws Exception {
        try (Admin admin = Admin.create(settings())) {
            admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1))).all()
                .get(120, TimeUnit.SECONDS);
        }
        return topic;
    }

    /** Once nothing is open any more: a commit is answered before what it ends is. */
    private Map<TopicPartition, Long> ends(String topic) {
        try (KafkaConsumer<byte[], byte[]> committed = consumer("unused", "read_committed");
             KafkaConsumer<byte[], byte[]> all = consumer("unused", "read_uncommitted")) {
            for (;;) {
                Map<TopicPartition, Long> ends = committed.endOffsets(partitions(topic));
                if (ends.equals(all.endOffsets(partitions(topic)))) {
                    return ends;
                }
            }
        }
    }

    private List<String> readAll(String topic, String isolation) {
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> reader = consumer("unused", isolation)) {
            reader.assign(partitions(topic));
            reader.seekToBeginning(partitions(topic));
            Map<TopicPartition, Long> ends = ends(topic);
            while (ends.entrySet().stream().anyMatch(e -> reader.position(e.getKey()) < e.getValue())) {
                for (ConsumerRecord<byte[], byte[]> record : reader.poll(Duration.ofMillis(200))) {
                    values.add(new String(record.value(), StandardCharsets.UTF_8));
                }
            }
        }
        Collections.sort(values);
        return values;
    }

    private static void send(KafkaProducer<byte[], byte[]> writer, String topic, List<String> words) {
        for (int i = 0; i < words.size(); i++) {
            writer.send(new ProducerRecord<>(topic, i % PARTITIONS, null,
                words.get(i).getBytes(StandardCharsets.UTF_8)));
        }
    }

    private void commitsAndAborts(String topic) throws Exception {
        create(topic);
        List<String> wanted = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> writer = producer(topic + "-writer")) {
            for (int i = 10; i < 20; i++) {
                List<String> words = List.of(i + "-0", i + "-1", i + "-2", i + "-3", i + "-4");
                writer.beginTransaction();
                send(writer, topic, words);
                if (i % 3 == 1) {
                    writer.flush();
                    writer.abortTransaction();
                } else {
                    writer.commitTransaction();
                    wanted.addAll(words);
                }
            }
        }
        check(readAll(topic, "read_committed"), wanted, "what is committed");
        check(readAll(topic, "read_uncommitted").size(), 50, "all records");
    }

    private void fencesAZombie(String topic) throws Exception {
        create(topic);
        KafkaProducer<byte[], byte[]> older = producer(topic + "-writer");
        older.beginTransaction();
        send(older, topic, List.of("lost"));
        older.flush();
        try (KafkaProducer<byte[], byte[]> newer = producer(topic + "-writer")) {
            try {
                send(older, topic, List.of("late"));
                older.commitTransaction();
                throw new AssertionError("the older one was not fenced");
            } catch (KafkaException error) {
                Throwable cause = error.getCause() == null ? error : error.getCause();
                check(cause instanceof ProducerFencedException
                    || cause instanceof InvalidProducerEpochException, true, "fenced by " + error);
            }
            newer.beginTransaction();
            send(newer, topic, List.of("kept"));
            newer.commitTransaction();
        }
        older.close(Duration.ZERO);
        check(readAll(topic, "read_committed"), List.of("kept"), "what is committed");
    }

    private static Map<TopicPartition, OffsetAndMetadata> positions(
        KafkaConsumer<byte[], byte[]> reader) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (TopicPartition where : reader.assignment()) {
            offsets.put(where, new OffsetAndMetadata(reader.position(where)));
        }
        return offsets;
    }

    private void sendsOffsets(String source, String target) throws Exception {
        create(source);
        create(target);
        List<String> words = IntStream.range(100, 130).mapToObj(Integer::toString)
            .collect(Collectors.toList());
        Properties plain = settings();
        try (KafkaProducer<byte[], byte[]> filler =
                 new KafkaProducer<>(plain, new ByteArraySerializer(), new ByteArraySerializer())) {
            send(filler, source, words);
        }
        Set<TopicPartition> all = new HashSet<>(partitions(source));
        try (KafkaProducer<byte[], byte[]> writer = producer(target + "-writer");
             KafkaConsumer<byte[], byte[]> reader = consumer(target + "-group", "read_committed")) {
            reader.subscribe(List.of(source));
            for (boolean commits : new boolean[] {false, true}) {
                writer.beginTransaction();
                for (int count = 0; count < 30;) {
                    for (ConsumerRecord<byte[], byte[]> record : reader.poll(Duration.ofMillis(500))) {
                        writer.send(new ProducerRecord<>(target, record.partition(), null,
                            record.value()));
                        count++;
                    }
                }
                writer.sendOffsetsToTransaction(positions(reader), reader.groupMetadata());
                if (commits) {
                    writer.commitTransaction();
                } else {
                    writer.abortTransaction();
                    reader.seekToBeginning(reader.assignment());
                }
                Map<TopicPartition, OffsetAndMetadata> found = reader.committed(all);
                for (TopicPartition where : all) {
                    long offset = found.get(where) == null ? -1 : found.get(where).offset();
                    check(offset, commits ? 10L : -1L, "offset of " + where);
                }
            }
        }
        check(readAll(target, "read_committed"), words, "what is committed");
    }

    /** Where a copier waits until somebody says a line, and then at each transaction's end. */
    private static void step(KafkaProducer<byte[], byte[]> writer, String name) {
        if (name.equals(stopsAt)) {
            stopsAt = "commit";
            writer.flush();
            System.out.println("stopped");
            try {
                System.in.read();
            } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
        }
    }

    private void copy(String source, String target, int count) {
        try (KafkaProducer<byte[], byte[]> writer = producer(source + "-copier");
             KafkaConsumer<byte[], byte[]> reader = consumer(source + "-copiers", "read_committed")) {
            reader.subscribe(List.of(source));
            step(writer, "init");
            Set<TopicPartition> all = new HashSet<>(partitions(source));
            while (reader.committed(all).values().stream()
                .mapToLong(offset -> offset == null ? 0 : offset.offset()).sum() < count) {
                ConsumerRecords<byte[], byte[]> records = reader.poll(Duration.ofMillis(200));
                if (records.isEmpty()) {
                    continue;
                }
                writer.beginTransaction();
                step(writer, "begin");
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    writer.send(new ProducerRecord<>(target, record.partition(), null, record.value()));
                }
                step(writer, "produce");
                writer.sendOffsetsToTransaction(positions(reader), reader.groupMetadata());
                step(writer, "offsets");
                writer.commitTransaction();
                step(writer, "commit");
            }
        }
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

    public static void main(String[] arguments) throws Exception {
        TransactionClient client = new TransactionClient(arguments[1]);
        String topics = arguments[2];
        if (arguments[0].equals("copy")) {
            client.copies = true;
            for (;;) { // whatever happens to it, it begins anew with the same transactional id
                try {
                    client.copy(topics, arguments[3], Integer.parseInt(arguments[4]));
                    System.exit(0);
                } catch (KafkaException error) {
                    System.err.println("once more: " + error);
                    Thread.sleep(100);
                }
            }
        }
        client.run("commits_and_aborts", () -> client.commitsAndAborts(topics + "-outcome"));
        client.run("fences_a_zombie", () -> client.fencesAZombie(topics + "-zombie"));
        client.run("sends_offsets", () -> client.sendsOffsets(topics + "-source", topics + "-target"));
        System.out.println("\ndone");
        System.out.flush();
        System.exit(client.failed > 0 ? 1 : 0);
    }
}
