import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.ConsumerGroupPartitionAssignor;
import org.apache.kafka.coordinator.group.api.assignor.GroupAssignment;
import org.apache.kafka.coordinator.group.api.assignor.SubscribedTopicDescriber;
import org.apache.kafka.coordinator.group.api.assignor.SubscriptionType;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;

/** Random groups whose members and topics come and go, and what Apache Kafka's assignors make of
 * each: COUNT groups from SEED. A case is a line "case NAME TOPICS MEMBERS", a line "topic ID COUNT"
 * for each topic, and for each member "member ID INSTANCE|- TOPIC,...|-", the assignment that it had
 * and the one that it is to get, each as "T:P,P T:P,P" after "had" and "gets". */
public class Assignors {
    private static final class Member {
        String id;
        String instance;
        Set<Integer> topics = new TreeSet<>();
        Map<Integer, Set<Integer>> has = new LinkedHashMap<>();
    }

    private final Random random;
    private final StringBuilder out = new StringBuilder();

    private Assignors(long seed) {
        random = new Random(seed);
    }

    public static void main(String[] arguments) {
        Assignors cases = new Assignors(Long.parseLong(arguments[1]));
        for (int i = 0; i < Integer.parseInt(arguments[0]); i++) {
            cases.group();
        }
        System.out.print(cases.out);
    }

    /** A group through some changes, each of which is a case. */
    private void group() {
        ConsumerGroupPartitionAssignor assignor =
            random.nextBoolean() ? new UniformAssignor() : new RangeAssignor();
        boolean mixed = random.nextInt(2) == 0;
        // In the order in which the assignors walk a set of them.
        Set<Uuid> set = new HashSet<>();
        int count = 1 + random.nextInt(6);
        while (set.size() < count) {
            set.add(new Uuid(random.nextLong(), random.nextLong()));
        }
        List<Uuid> topics = new ArrayList<>(set);
        int[] counts = new int[count];
        for (int i = 0; i < count; i++) {
            counts[i] = random.nextInt(4) == 0 ? random.nextInt(200) : random.nextInt(12);
        }
        List<Member> members = new ArrayList<>();
        Set<Integer> everybody = subscription(count);
        for (int step = 0; step < 6; step++) {
            int joining = step == 0 ? 1 + random.nextInt(12) : random.nextInt(3);
            while (members.size() > 1 && random.nextInt(2) == 0) {
                members.remove(random.nextInt(members.size()));
            }
            for (int i = 0; i < joining; i++) {
                Member member = new Member();
                member.id = "m" + random.nextInt(1000000);
                member.instance = random.nextInt(4) == 0 ? "i" + random.nextInt(1000000) : null;
                member.topics = mixed ? subscription(count) : everybody;
                members.add(random.nextInt(members.size() + 1), member);
            }
            if (random.nextInt(3) == 0) {
                counts[random.nextInt(count)] += random.nextInt(5);
            }
            if (random.nextInt(4) == 0) {
                everybody = subscription(count);
                for (Member member : members) {
                    member.topics = mixed ? subscription(count) : everybody;
                }
            }
            once(assignor, topics, counts, members);
        }
    }

    private Set<Integer> subscription(int count) {
        Set<Integer> topics = new TreeSet<>();
        for (int i = 0; i < count; i++) {
            if (random.nextInt(3) > 0) {
                topics.add(i);
            }
        }
        return topics;
    }

    private void once(ConsumerGroupPartitionAssignor assignor, List<Uuid> topics, int[] counts,
                      List<Member> members) {
        Map<String, MemberSubscriptionAndAssignmentImpl> spec = new LinkedHashMap<>();
        Map<Uuid, Map<Integer, String>> inverted = new HashMap<>();
        boolean same = true;
        for (Member member : members) {
            Map<Uuid, Set<Integer>> had = new LinkedHashMap<>();
            member.has.forEach((topic, partitions) -> {
                had.put(topics.get(topic), partitions);
                for (int partition : partitions) {
                    inverted.computeIfAbsent(topics.get(topic), key -> new HashMap<>())
                        .put(partition, member.id);
                }
            });
            Set<Uuid> subscribed = new LinkedHashSet<>();
            member.topics.forEach(topic -> subscribed.add(topics.get(topic)));
            same &= member.topics.equals(members.get(0).topics);
            spec.put(member.id, new MemberSubscriptionAndAssignmentImpl(Optional.empty(),
                Optional.ofNullable(member.instance), subscribed,
                new Assignment(Collections.unmodifiableMap(had))));
        }
        GroupAssignment result = assignor.assign(new GroupSpecImpl(spec,
            same ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS, inverted),
            new SubscribedTopicDescriber() {
                public int numPartitions(Uuid topic) {
                    return counts[topics.indexOf(topic)];
                }

                public Set<String> racksForPartition(Uuid topic, int partition) {
                    return Set.of();
                }
            });
        tell(assignor.name(), topics, counts, members, result);
    }

    private void tell(String name, List<Uuid> topics, int[] counts, List<Member> members,
                      GroupAssignment result) {
        out.append("case ").append(name).append(' ').append(topics.size()).append(' ')
            .append(members.size()).append('\n');
        for (int i = 0; i < topics.size(); i++) {
            out.append("topic ").append(topics.get(i)).append(' ').append(counts[i]).append('\n');
        }
        for (Member member : members) {
            out.append("member ").append(member.id).append(' ')
                .append(member.instance == null ? "-" : member.instance).append(' ')
                .append(member.topics.isEmpty() ? "-" : list(member.topics)).append("\nhad");
            tell(member.has);
            member.has = new LinkedHashMap<>();
            if (result.members().containsKey(member.id)) {
                Map<Uuid, Set<Integer>> gets = result.members().get(member.id).partitions();
                for (int i = 0; i < topics.size(); i++) {
                    Set<Integer> partitions = gets.getOrDefault(topics.get(i), Set.of());
                    if (!partitions.isEmpty()) {
                        member.has.put(i, new TreeSet<>(partitions));
                    }
                }
            }
            out.append("gets");
            tell(member.has);
        }
    }

    private void tell(Map<Integer, Set<Integer>> partitions) {
        partitions.forEach((topic, numbers) ->
            out.append(' ').append(topic).append(':').append(list(numbers)));
        out.append('\n');
    }

    private static String list(Set<Integer> numbers) {
        return Arrays.toString(numbers.toArray()).replaceAll("[\\[\\] ]", "");
    }
}
