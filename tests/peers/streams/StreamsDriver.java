import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.tests.SmokeTestDriver;

/** StreamsDriver BOOTSTRAP SECONDS KEYS RECORDS: writes for a time, and verifies what applications have made of all of it. */
public final class StreamsDriver {
    private static final String APPLICATION = "SmokeTest";
    private static final Set<TransactionState> ENDED =
        Set.of(TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT);

    public static void main(String[] args) throws Exception {
        int keys = Integer.parseInt(args[2]);
        int records = Integer.parseInt(args[3]);
        Map<String, Set<Integer>> written =
            SmokeTestDriver.generate(args[0], keys, records, Duration.ofSeconds(Integer.parseInt(args[1])));
        System.out.println("WRITTEN");
        // The verifier compares the end of a log with a last stable offset that it asks for later: nobody may write.
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            while (!computed(admin)) {
                Thread.sleep(50);
            }
        }
        System.out.println("COMPUTED");
        var result = SmokeTestDriver.verify(args[0], written, records, true);
        System.out.println(result.result());
        System.exit(result.passed() ? 0 : 1);
    }

    /** Whether the application has read all there is for it, and no transaction is open that would add to it. */
    private static boolean computed(Admin admin) throws Exception {
        if (!admin.listTransactions().all().get().stream().allMatch(transaction -> ENDED.contains(transaction.state()))) {
            return false;
        }
        var sources = admin.listTopics().names().get().stream()
            .filter(name -> name.equals("data") || name.startsWith(APPLICATION) && name.endsWith("-repartition"))
            .collect(Collectors.toSet());
        var partitions = admin.describeTopics(sources).allTopicNames().get().values().stream()
            .flatMap(topic -> topic.partitions().stream().map(part -> new TopicPartition(topic.name(), part.partition())))
            .collect(Collectors.toMap(partition -> partition, partition -> OffsetSpec.latest()));
        var ends = admin.listOffsets(partitions).all().get();
        var read = admin.listConsumerGroupOffsets(APPLICATION).partitionsToOffsetAndMetadata().get();
        return ends.entrySet().stream().allMatch(end -> end.getValue().offset() == 0
            || read.get(end.getKey()) != null && read.get(end.getKey()).offset() == end.getValue().offset());
    }

    private StreamsDriver() {
    }
}
