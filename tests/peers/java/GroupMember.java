import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Members of a group, led from outside: GroupMember BOOTSTRAP. Each line of input is a command:
 *   join NAME PROTOCOL GROUP INSTANCE|- names:T,T|regex:EXPRESSION|pattern:EXPRESSION [KEY=VALUE...]
 *   leave NAME | kill NAME (goes without a word)
 * It prints a line for all that happens:
 *   assigned NAME T-P,T-P | revoked NAME .. | lost NAME .. | record NAME T-P OFFSET VALUE
 *   owns NAME T-P,.. (after each change) | left NAME | error NAME TEXT
 */
public final class GroupMember {
    private static final Duration POLL = Duration.ofMillis(100);

    private static final class Member extends Thread implements ConsumerRebalanceListener {
        private final String name;
        private final KafkaConsumer<String, String> consumer;
        private volatile boolean leaving;
        private volatile boolean silent;

        Member(String name, Properties settings, String subscription) {
            this.name = name;
            this.consumer = new KafkaConsumer<>(settings, new StringDeserializer(),
                                                new StringDeserializer());
            String what = subscription.substring(subscription.indexOf(':') + 1);
            if (subscription.startsWith("names:")) {
                consumer.subscribe(List.of(what.split(",")), this);
            } else if (subscription.startsWith("regex:")) {
                consumer.subscribe(new SubscriptionPattern(what), this);
            } else {
                consumer.subscribe(Pattern.compile(what), this);
            }
        }

        @Override
        public void run() {
            try {
                while (!leaving && !silent) {
                    for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                        say("record", record.topic() + "-" + record.partition() + " "
                                          + record.offset() + " " + record.value());
                    }
                }
                if (!silent) {
                    consumer.close();
                    say("left", "");
                }
            } catch (WakeupException e) {
                say("left", "silently");
            } catch (RuntimeException e) {
                say("error", e.getClass().getSimpleName() + ": " + e.getMessage());
                consumer.close(Duration.ofSeconds(1));
            }
        }

        private void say(String what, String text) {
            synchronized (System.out) {
                System.out.println(what + " " + name + " " + text.replace('\n', ' '));
                System.out.flush();
            }
        }

        private static String list(Collection<TopicPartition> partitions) {
            TreeSet<String> names = new TreeSet<>();
            for (TopicPartition partition : partitions) {
                names.add(partition.toString());
            }
            return String.join(",", names);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            say("assigned", list(partitions));
            say("owns", list(consumer.assignment()));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            say("revoked", list(partitions));
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            say("lost", list(partitions));
        }
    }

    private static Properties settings(String bootstrap, String[] words) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.protocol", words[2]);
        settings.put("group.id", words[3]);
        settings.put("auto.offset.reset", "earliest");
        settings.put("auto.commit.interval.ms", "500");
        settings.put("metadata.max.age.ms", "1000");
        settings.put("reconnect.backoff.max.ms", "200");
        if (!words[4].equals("-")) {
            settings.put("group.instance.id", words[4]);
        }
        for (int i = 6; i < words.length; i++) {
            settings.put(words[i].substring(0, words[i].indexOf('=')),
                         words[i].substring(words[i].indexOf('=') + 1));
        }
        return settings;
    }

    private static Member find(List<Member> members, String name) {
        for (Member member : members) {
            if (member.name.equals(name)) {
                return member;
            }
        }
        throw new IllegalArgumentException("no member " + name);
    }

    public static void main(String[] arguments) throws Exception {
        List<Member> members = new ArrayList<>();
        java.io.BufferedReader input = new java.io.BufferedReader(
            new java.io.InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.trim().split(" ");
            if (words[0].equals("join")) {
                Member member = new Member(words[1], settings(arguments[0], words), words[5]);
                member.setDaemon(true);
                members.add(member);
                member.start();
            } else if (words[0].equals("leave")) {
                Member member = find(members, words[1]);
                members.remove(member);
                member.leaving = true;
            }
        }
        for (Member member : members) {
            member.leaving = true;
        }
        for (Member member : members) {
            member.join(5000);
        }
        System.exit(0);
    }
}
