import java.time.Duration;
import java.util.Map;
import java.util.Set;

import org.apache.kafka.streams.tests.SmokeTestDriver;

/** StreamsDriver BOOTSTRAP SECONDS KEYS RECORDS: writes for a time, and then verifies what applications made of it. */
public final class StreamsDriver {
    public static void main(String[] args) throws Exception {
        int keys = Integer.parseInt(args[2]);
        int records = Integer.parseInt(args[3]);
        Map<String, Set<Integer>> written =
            SmokeTestDriver.generate(args[0], keys, records, Duration.ofSeconds(Integer.parseInt(args[1])));
        System.out.println("WRITTEN");
        var result = SmokeTestDriver.verify(args[0], written, records, true);
        System.out.println(result.result());
        System.exit(result.passed() ? 0 : 1);
    }

    private StreamsDriver() {
    }
}
