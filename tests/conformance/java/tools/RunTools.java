import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.security.Permission;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs one command line tool of Apache Kafka after the other in this JVM.
 *
 * A request on stdin: the number of texts, then each as length and bytes: the class, what the tool
 * reads from its stdin, its arguments. The answer on stdout: the exit status, then stdout and stderr
 * of the tool, each as length and bytes.
 */
public class RunTools {
    private static final int SECONDS = 120;
    private static final int HOOK_SECONDS = 60;
    static final int TOO_LATE = 124;

    /** Thrown where the tool asked for the end of the process. */
    private static final class Ended extends Error {
        Ended(int status) {
            super("exit " + status, null, false, false);
        }
    }

    /** Keeps what is written until the tool has ended. */
    private static final class Kept extends ByteArrayOutputStream {
        private boolean closed;

        @Override
        public synchronized void write(byte[] bytes, int from, int size) {
            if (!closed) {
                super.write(bytes, from, size);
            }
        }

        @Override
        public synchronized void write(int one) {
            if (!closed) {
                super.write(one);
            }
        }

        @Override
        public synchronized void close() {
            closed = true;
        }
    }

    /** One invocation. */
    private static final class Run {
        final Kept out = new Kept();
        final Kept err = new Kept();
        final List<Runnable> hooks = new ArrayList<>();
        Integer status;
        boolean over;

        synchronized void end(int asked) {
            if (status == null) {
                status = asked;
            }
            notifyAll();
        }

        /** As System.exit: does not return. What unwinds afterwards is not heard any more. */
        synchronized void exit(int asked) {
            end(asked);
            try {
                while (!over) {
                    wait();
                }
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
            throw new Ended(asked);
        }

        synchronized void close() {
            out.close();
            err.close();
            over = true;
            notifyAll();
        }

        synchronized boolean await(long millis) throws InterruptedException {
            long until = System.currentTimeMillis() + millis;
            while (status == null && System.currentTimeMillis() < until) {
                wait(Math.max(1, until - System.currentTimeMillis()));
            }
            return status != null;
        }
    }

    private static volatile Run newest;
    /** A thread belongs to the invocation that started it; those of the JVM to the newest. */
    private static final InheritableThreadLocal<Run> OWN = new InheritableThreadLocal<>();

    private static Run current() {
        Run own = OWN.get();
        return own != null ? own : newest;
    }

    private static void exit(int status) {
        current().exit(status);
    }

    /** Writes to the invocation that the thread belongs to. */
    private static PrintStream routed(Function<Run, OutputStream> which) {
        return new PrintStream(new OutputStream() {
            @Override
            public void write(int one) throws IOException {
                which.apply(current()).write(one);
            }

            @Override
            public void write(byte[] bytes, int from, int size) throws IOException {
                which.apply(current()).write(bytes, from, size);
            }
        }, true, StandardCharsets.UTF_8);
    }

    private static void main(Run run, String name, String[] arguments) {
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
            run.end(0);
        } catch (InvocationTargetException failed) {
            if (!(failed.getCause() instanceof Ended)) {
                System.err.print("Exception in thread \"main\" ");
                failed.getCause().printStackTrace();
                run.end(1);
            }
        } catch (ReflectiveOperationException wrong) {
            wrong.printStackTrace();
            run.end(TOO_LATE);
        }
    }

    private static void runHooks(Run run) throws InterruptedException {
        for (Runnable hook : new ArrayList<>(run.hooks)) {
            Thread thread = new Thread(hook);
            thread.setDaemon(true);
            thread.start();
            thread.join(HOOK_SECONDS * 1000L);
        }
    }

    private static void answer(DataOutputStream to, String name, byte[] input, String[] arguments)
            throws IOException, InterruptedException {
        Run run = new Run();
        newest = run;
        System.setIn(new ByteArrayInputStream(input));
        OWN.set(run);
        Thread thread = new Thread(() -> main(run, name, arguments), "main");
        thread.setDaemon(true);
        thread.start();
        if (!run.await(SECONDS * 1000L)) {
            for (StackTraceElement where : thread.getStackTrace()) {
                System.err.println("still at " + where);
            }
            run.end(TOO_LATE);
            thread.interrupt();
        }
        runHooks(run);
        run.close();
        to.writeInt(run.status);
        for (byte[] text : List.of(run.out.toByteArray(), run.err.toByteArray())) {
            to.writeInt(text.length);
            to.write(text);
        }
        to.flush();
    }

    private static byte[] text(DataInputStream from) throws IOException {
        byte[] bytes = new byte[from.readInt()];
        from.readFully(bytes);
        return bytes;
    }

    @SuppressWarnings("removal")
    public static void main(String[] unused) throws Exception {
        DataInputStream from = new DataInputStream(System.in);
        DataOutputStream to = new DataOutputStream(System.out);
        Exit.setExitProcedure((status, message) -> exit(status));
        Exit.setHaltProcedure((status, message) -> exit(status));
        Exit.setShutdownHookAdder((name, hook) -> current().hooks.add(hook));
        newest = new Run();
        System.setOut(routed(run -> run.out));
        System.setErr(routed(run -> run.err));
        System.setSecurityManager(new SecurityManager() {
            @Override
            public void checkExit(int status) {
                RunTools.exit(status);
            }

            @Override
            public void checkPermission(Permission permission) {
            }

            @Override
            public void checkPermission(Permission permission, Object context) {
            }
        });
        try {
            while (true) {
                int count = from.readInt();
                String name = new String(text(from), StandardCharsets.UTF_8);
                byte[] input = text(from);
                String[] arguments = new String[count - 2];
                for (int i = 0; i < arguments.length; i++) {
                    arguments[i] = new String(text(from), StandardCharsets.UTF_8);
                }
                answer(to, name, input, arguments);
            }
        } catch (EOFException end) {
            Runtime.getRuntime().halt(0);
        }
    }
}
