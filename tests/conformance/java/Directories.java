import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Scanner;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Fills brokers and says what they hold, through the Java clients, and runs Java tools, all in one
 * JVM. Commands come on standard input, one a line, words separated by tabs; each is answered with
 * "ok" or "error: why".
 */
public final class Directories {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final int WAIT_SECONDS = 120;

    private static Properties client(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("request.timeout.ms", "60000");
        settings.put("default.api.timeout.ms", "120000");
        // Batches end where the program says, not with the time: Apache Kafka does not come back from every
        // death of logs whose indexes have room for four entries.
        settings.put("linger.ms", "1000");
        return settings;
    }

    private static KafkaProducer<String, String> producer(String bootstrap, String codec) {
        Properties settings = client(bootstrap);
        settings.put("compression.type", codec);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String... more) {
        Properties settings = client(bootstrap);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("fetch.max.wait.ms", "10");
        for (int i = 0; i < more.length; i += 2) {
            settings.put(more[i], more[i + 1]);
        }
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(),
            new ByteArrayDeserializer());
    }

    private static NewTopic topic(String name, int partitions, String... settings) {
        Map<String, String> configs = new TreeMap<>();
        for (int i = 0; i < settings.length; i += 2) {
            configs.put(settings[i], settings[i + 1]);
        }
        return new NewTopic(name, partitions, (short) 1).configs(configs);
    }

    /** topics BOOTSTRAP */
    private static void topics(String[] words) throws Exception {
        List<NewTopic> wanted = new ArrayList<>();
        for (String codec : CODECS) {
            wanted.add(topic("codec-" + codec, 2));
        }
        wanted.add(topic("compact", 1, "cleanup.policy", "compact", "min.cleanable.dirty.ratio",
            "0.01", "delete.retention.ms", "1", "segment.ms", "100"));
        wanted.add(topic("rolled", 1, "index.interval.bytes", "1", "segment.index.bytes", "48"));
        wanted.add(topic("stamped", 1, "message.timestamp.type", "LogAppendTime"));
        wanted.add(topic("recoded", 1, "compression.type", "zstd", "max.message.bytes", "2000000"));
        wanted.add(topic("shortened", 1));
        wanted.add(topic("sequence", 2, "index.interval.bytes", "1"));
        wanted.add(topic("transactions", 2, "index.interval.bytes", "1", "segment.index.bytes",
            "48"));
        wanted.add(topic("binary", 1));
        wanted.add(topic("gone", 1));
        wanted.add(topic("torn", 1));
        try (Admin admin = Admin.create(client(words[1]))) {
            admin.createTopics(wanted).all().get();
            admin.deleteTopics(List.of("gone")).all().get();
            admin.createTopics(List.of(topic("gone", 1))).all().get();
        }
    }

    private static ProducerRecord<String, String> record(String topic, Integer partition, int round,
                                                         int number) {
        String key = number % 5 == 4 ? null : "key-" + number % 7;
        String value = number % 11 == 10 ? null : topic + "-" + round + "-" + number + "-"
            + "x".repeat(number % 40);
        ProducerRecord<String, String> made = new ProducerRecord<>(topic, partition,
            System.currentTimeMillis() - 1000 + number, key, value);
        if (number % 3 == 0) {
            made.headers().add("round", Integer.toString(round).getBytes());
            made.headers().add("empty", null);
        }
        return made;
    }

    /** records BOOTSTRAP ROUND */
    private static void records(String[] words) throws Exception {
        int round = Integer.parseInt(words[2]);
        for (String codec : CODECS) {
            try (var producer = producer(words[1], codec)) {
                for (int i = 0; i < 60; i++) {
                    producer.send(record("codec-" + codec, i % 2, round, i));
                    if (i % 20 == 19) {
                        producer.flush();
                    }
                }
            }
        }
        try (var producer = producer(words[1], "none")) {
            for (int i = 0; i < 40; i++) {
                producer.send(record("rolled", 0, round, i));
                producer.send(record("stamped", 0, round, i));
                producer.send(record("recoded", 0, round, i));
                producer.send(record("shortened", 0, round, i));
                producer.send(record("gone", 0, round, i));
                if (i % 2 == 1) {
                    producer.flush();
                }
            }
        }
        binary(words[1], round);
        try (Admin admin = Admin.create(client(words[1]))) {
            admin.deleteRecords(Map.of(new TopicPartition("shortened", 0),
                RecordsToDelete.beforeOffset(7L + 30L * round))).all().get();
        }
    }

    /** Values that are no text, half of them nearly: leads and continuations of UTF-8. */
    private static void binary(String bootstrap, int round) {
        Random random = new Random(round);
        try (var producer = new KafkaProducer<>(client(bootstrap), new ByteArraySerializer(),
            new ByteArraySerializer())) {
            for (int i = 0; i < 40; i++) {
                byte[] value = new byte[200];
                random.nextBytes(value);
                for (int j = 0; j < value.length && i % 2 == 0; j++) {
                    boolean lead = random.nextInt(3) == 0;
                    value[j] = (byte) (lead ? value[j] | 0xe0 : value[j] & 0x3f | 0x80);
                }
                producer.send(new ProducerRecord<>("binary", 0, null, null, value));
            }
        }
    }

    /** compacted BOOTSTRAP ROUND PAUSE_MS: many versions of few keys, some deleted */
    private static void compacted(String[] words) throws Exception {
        try (var producer = producer(words[1], "lz4")) {
            for (int i = 0; i < 60; i++) {
                String value = i % 6 == 5 ? null : "version-" + words[2] + "-" + i;
                producer.send(new ProducerRecord<>("compact", 0, System.currentTimeMillis(),
                    "key-" + i % 9, value));
                if (i % 20 == 19) {
                    producer.flush();
                    Thread.sleep(Long.parseLong(words[3]));
                }
            }
        }
    }

    private static void transaction(KafkaProducer<String, String> producer, int number,
                                    boolean commit) {
        producer.beginTransaction();
        for (int i = 0; i < 6; i++) {
            producer.send(new ProducerRecord<>("transactions", i % 2, "key-" + i,
                (commit ? "committed-" : "aborted-") + number + "-" + i));
        }
        producer.flush();
        if (commit) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    /** transactions BOOTSTRAP ID: by turns committed and aborted */
    private static void transactions(String[] words) {
        Properties settings = client(words[1]);
        settings.put("transactional.id", words[2]);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(),
            new StringSerializer())) {
            producer.initTransactions();
            for (int i = 0; i < 4; i++) {
                transaction(producer, i, i % 2 == 0);
            }
        }
    }

    private static void commit(String bootstrap, String group, String protocol) {
        try (var consumer = consumer(bootstrap, "group.id", group, "group.protocol", protocol)) {
            consumer.subscribe(List.of("codec-gzip"));
            long deadline = System.currentTimeMillis() + WAIT_SECONDS * 1000L;
            while (consumer.poll(Duration.ofMillis(100)).isEmpty()) {
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException(group + " reads nothing");
                }
            }
            consumer.commitSync();
        }
    }

    /** groups BOOTSTRAP: offsets of a classic and of a consumer group */
    private static void groups(String[] words) {
        commit(words[1], "group-classic", "classic");
        commit(words[1], "group-consumer", "consumer");
    }

    /** share BOOTSTRAP: a share group that acknowledges what it was given, in each of the ways */
    private static void share(String[] words) throws Exception {
        try (Admin admin = Admin.create(client(words[1]))) {
            admin.incrementalAlterConfigs(Map.of(
                new ConfigResource(ConfigResource.Type.GROUP, "group-share"),
                List.of(set("share.auto.offset.reset", "earliest")))).all().get();
        }
        Properties settings = client(words[1]);
        settings.put("group.id", "group-share");
        settings.put("share.acknowledgement.mode", "explicit");
        try (var consumer = new KafkaShareConsumer<>(settings, new ByteArrayDeserializer(),
            new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("codec-lz4"));
            AcknowledgeType[] ways = {AcknowledgeType.ACCEPT, AcknowledgeType.RELEASE,
                AcknowledgeType.REJECT};
            long deadline = System.currentTimeMillis() + WAIT_SECONDS * 1000L;
            for (int given = 0; given == 0;) {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    consumer.acknowledge(record, ways[given++ % ways.length]);
                }
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException("the share group reads nothing");
                }
            }
            consumer.commitSync();
        }
    }

    /** facts BOOTSTRAP: SCRAM, ACLs, quotas, dynamic settings */
    private static void facts(String[] words) throws Exception {
        try (Admin admin = Admin.create(client(words[1]))) {
            admin.alterUserScramCredentials(List.of(
                new UserScramCredentialUpsertion("alice", new ScramCredentialInfo(
                    ScramMechanism.SCRAM_SHA_256, 4096), "secret"),
                new UserScramCredentialUpsertion("bob", new ScramCredentialInfo(
                    ScramMechanism.SCRAM_SHA_512, 5000), "hidden"))).all().get();
            admin.createAcls(List.of(acl(ResourceType.TOPIC, "codec-", PatternType.PREFIXED,
                    AclOperation.READ, AclPermissionType.ALLOW),
                acl(ResourceType.GROUP, "*", PatternType.LITERAL, AclOperation.DESCRIBE,
                    AclPermissionType.DENY))).all().get();
            admin.alterClientQuotas(List.of(
                new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("user", "alice")),
                    List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 123456.0))),
                new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("ip", "10.1.2.3")),
                    List.of(new ClientQuotaAlteration.Op("connection_creation_rate", 12.0))),
                new ClientQuotaAlteration(
                    new ClientQuotaEntity(java.util.Collections.singletonMap("client-id", null)),
                    List.of(new ClientQuotaAlteration.Op("request_percentage", 75.0)))))
                .all().get();
        }
    }

    private static AclBinding acl(ResourceType type, String name, PatternType pattern,
                                  AclOperation operation, AclPermissionType permission) {
        return new AclBinding(new ResourcePattern(type, name, pattern),
            new AccessControlEntry("User:alice", "*", operation, permission));
    }

    private static AlterConfigOp set(String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    }

    /** settings BOOTSTRAP: of the default broker, broker 1, a topic, a group, a subscription */
    private static void settings(String[] words) throws Exception {
        try (Admin admin = Admin.create(client(words[1]))) {
            admin.incrementalAlterConfigs(Map.of(
                new ConfigResource(ConfigResource.Type.BROKER, ""),
                List.of(set("log.retention.ms", "700000000"), set("log.cleaner.threads", "1")),
                new ConfigResource(ConfigResource.Type.BROKER, "1"),
                List.of(set("max.connections.per.ip", "5000"), set("message.max.bytes", "1500000")),
                new ConfigResource(ConfigResource.Type.GROUP, "group-consumer"),
                List.of(set("consumer.session.timeout.ms", "50000")),
                new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "subscription"),
                List.of(set("interval.ms", "60000"), set("match", "client_id=none")),
                new ConfigResource(ConfigResource.Type.TOPIC, "codec-zstd"),
                List.of(set("retention.ms", "800000000"), set("retention.bytes", "123456789"))))
                .all().get();
        }
    }

    /** compaction BOOTSTRAP on|off: of topic `compact` */
    private static void compaction(String[] words) throws Exception {
        boolean on = words[2].equals("on");
        try (Admin admin = Admin.create(client(words[1]))) {
            admin.incrementalAlterConfigs(Map.of(
                new ConfigResource(ConfigResource.Type.TOPIC, "compact"),
                List.of(set("min.cleanable.dirty.ratio", on ? "0.01" : "1.0"),
                    set("segment.ms", on ? "100" : "900000000")))).all().get();
        }
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : "'" + new String(bytes, StandardCharsets.UTF_8) + "'";
    }

    private static void print(PrintStream out, ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder(record.topic() + "-" + record.partition() + " "
            + record.offset() + " " + record.timestampType() + " " + record.timestamp() + " "
            + text(record.key()) + " " + text(record.value()));
        for (Header header : record.headers()) {
            line.append(' ').append(header.key()).append('=').append(text(header.value()));
        }
        out.println(line);
    }

    /** read BOOTSTRAP ISOLATION FILE: every record of every topic, sorted by partition */
    private static void read(String[] words) throws Exception {
        try (var out = new PrintStream(words[3], StandardCharsets.UTF_8);
             var consumer = consumer(words[1], "isolation.level", words[2],
                 "exclude.internal.topics", "false")) {
            Map<String, TopicPartition> partitions = new TreeMap<>();
            consumer.listTopics().values().forEach(list -> list.forEach(info -> partitions.put(
                info.topic() + "-" + info.partition(),
                new TopicPartition(info.topic(), info.partition()))));
            for (TopicPartition partition : partitions.values()) {
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                long end = consumer.endOffsets(List.of(partition)).get(partition);
                long deadline = System.currentTimeMillis() + WAIT_SECONDS * 1000L;
                while (consumer.position(partition) < end) {
                    consumer.poll(Duration.ofMillis(100)).forEach(record -> print(out, record));
                    if (System.currentTimeMillis() > deadline) {
                        throw new IllegalStateException(partition + ": not read to its end " + end);
                    }
                }
                out.println(partition + " ends at " + end);
            }
        }
    }

    private static void printAll(PrintStream out, String title, Iterable<?> items) {
        TreeSet<String> lines = new TreeSet<>();
        items.forEach(item -> lines.add(title + ": " + item));
        lines.forEach(out::println);
    }

    /** facts-of BOOTSTRAP FILE: what is not of topics */
    private static void factsOf(String[] words) throws Exception {
        try (var out = new PrintStream(words[2], StandardCharsets.UTF_8);
             Admin admin = Admin.create(client(words[1]))) {
            printAll(out, "scram", admin.describeUserScramCredentials().all().get().values());
            printAll(out, "acl", admin.describeAcls(AclBindingFilter.ANY).values().get());
            printAll(out, "quota", admin.describeClientQuotas(ClientQuotaFilter.all())
                .entities().get().entrySet());
            printAll(out, "group", admin.listGroups().all().get());
            for (String group : List.of("group-classic", "group-consumer")) {
                printAll(out, group, admin.listConsumerGroupOffsets(group)
                    .partitionsToOffsetAndMetadata().get().entrySet());
            }
            printAll(out, "transaction", admin.listTransactions().all().get());
        }
    }

    /** main CLASS FILE ARGUMENT...: a tool, what it prints in FILE and FILE.err */
    private static void tool(String[] words) throws Exception {
        PrintStream out = System.out;
        PrintStream err = System.err;
        try (var file = new PrintStream(words[2], StandardCharsets.UTF_8);
             var errors = new PrintStream(words[2] + ".err", StandardCharsets.UTF_8)) {
            System.setOut(file);
            System.setErr(errors);
            Method main = Class.forName(words[1]).getMethod("main", String[].class);
            try {
                main.invoke(null, (Object) Arrays.copyOfRange(words, 3, words.length));
            } catch (InvocationTargetException error) {
                errors.println("Exception in thread \"main\" " + error.getCause());
            }
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    private static void run(String[] words) throws Exception {
        switch (words[0]) {
            case "topics" -> topics(words);
            case "records" -> records(words);
            case "compacted" -> compacted(words);
            case "compaction" -> compaction(words);
            case "transactions" -> transactions(words);
            case "groups" -> groups(words);
            case "share" -> share(words);
            case "facts" -> facts(words);
            case "settings" -> settings(words);
            case "read" -> read(words);
            case "facts-of" -> factsOf(words);
            case "main" -> tool(words);
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private static void exitIsAnError() {
        Exit.setExitProcedure((status, message) -> {
            if (status != 0) {
                throw new IllegalStateException("exit status " + status + " " + message);
            }
        });
    }

    public static void main(String[] arguments) {
        PrintStream answers = System.out;
        exitIsAnError();
        try (Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8)) {
            while (lines.hasNextLine()) {
                String[] words = lines.nextLine().split("\t");
                try {
                    run(words);
                    answers.println("ok");
                } catch (Throwable error) {
                    error.printStackTrace();
                    Throwable why = error.getCause() == null ? error : error.getCause();
                    answers.println("error: " + why.toString().replace('\n', ' '));
                }
                answers.flush();
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
