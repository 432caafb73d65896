import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/** A member of a group, as tests/integration/library/member.c: the same arguments, the same lines. */
public class PlainMember {
    private static volatile boolean stopped;

    private static void print(String what, Collection<TopicPartition> partitions) {
        String names = new TreeSet<>(partitions.stream().map(TopicPartition::toString)
            .collect(Collectors.toList())).stream().collect(Collectors.joining(","));
        System.out.println(names.isEmpty() ? what : what + " " + names);
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        long end = System.currentTimeMillis() + 1000 * Long.parseLong(arguments[1]);
        for (int i = 2; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            if (!pair[0].startsWith(".")) {
                settings.put(pair[0], pair[1]);
            }
        }
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings,
            new StringDeserializer(), new StringDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopped = true;
            consumer.wakeup();
            try {
                main.join();
            } catch (InterruptedException ignored) {
                return;
            }
        }));
        ConsumerRebalanceListener listener = new ConsumerRebalanceListener() {
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                print("revoked", partitions);
            }

            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                print("assigned", partitions);
            }

            public void onPartitionsLost(Collection<TopicPartition> partitions) {
                print("lost", partitions);
            }
        };
        if (arguments[0].startsWith("^")) {
            consumer.subscribe(Pattern.compile(arguments[0].substring(1)), listener);
        } else {
            consumer.subscribe(List.of(arguments[0]), listener);
        }
        try {
            while (!stopped && System.currentTimeMillis() < end) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    System.out.println("record " + record.topic() + " " + record.partition() + " "
                        + record.offset() + " " + record.value());
                }
            }
        } catch (WakeupException ended) {
            stopped = true;
        }
        consumer.close();
        System.out.println("closed");
    }
}
