import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

/**
 * Reads frames from standard input (see roundtrip.c), decodes each with Apache Kafka's own message
 * class, encodes it again and writes the frame to standard output.
 */
public final class Reencode {
    private static final Pattern CLASS =
        Pattern.compile("(org/apache/kafka/.*(?:message|metadata|generated))/(\\w+)\\.class");

    private static Map<String, Class<?>> classes() throws Exception {
        Map<String, Class<?>> found = new HashMap<>();
        for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (!new File(path).getName().startsWith("kafka-")) {
                continue;
            }
            try (JarFile jar = new JarFile(path)) {
                for (var entry : Collections.list(jar.entries())) {
                    Matcher match = CLASS.matcher(entry.getName());
                    if (!match.matches()) {
                        continue;
                    }
                    String name = match.group(1).replace('/', '.') + "." + match.group(2);
                    Class<?> type =
                        Class.forName(name, false, Reencode.class.getClassLoader());
                    if (Message.class.isAssignableFrom(type) && !type.isInterface()) {
                        found.put(match.group(2), type);
                    }
                }
            }
        }
        return found;
    }

    private static byte[] reencode(Class<?> type, short version, byte[] bytes) throws Exception {
        Message message = (Message) type.getDeclaredConstructor().newInstance();
        ByteBufferAccessor reader = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
        message.read(reader, version);
        if (reader.remaining() > 0) {
            throw new IllegalStateException(reader.remaining() + " bytes left");
        }
        ByteBufferAccessor written = MessageUtil.toByteBufferAccessor(message, version);
        byte[] again = new byte[written.buffer().remaining()];
        written.buffer().get(again);
        return again;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Class<?>> classes = classes();
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
        while (true) {
            String name;
            try {
                name = in.readUTF();
            } catch (EOFException end) {
                break;
            }
            short version = in.readShort();
            byte[] bytes = in.readNBytes(in.readInt());
            byte[] again = bytes;
            Class<?> type = classes.getOrDefault(name + "Data", classes.get(name));
            if (type == null) {
                System.err.println(name + ": no class");
                continue;
            }
            try {
                again = reencode(type, version, bytes);
            } catch (Exception error) {
                System.err.println(name + " version " + version + ": " + error);
                again = new byte[0];
            }
            out.writeUTF(name);
            out.writeShort(version);
            out.writeInt(again.length);
            out.write(again);
        }
        out.flush();
    }
}
