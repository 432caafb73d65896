package org.slf4j.impl;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Arrays;

import org.slf4j.ILoggerFactory;
import org.slf4j.Logger;
import org.slf4j.Marker;
import org.slf4j.helpers.FormattingTuple;
import org.slf4j.helpers.MessageFormatter;
import org.slf4j.spi.LoggerFactoryBinder;

/** Logs errors, and only them, on stderr in the form that Apache Kafka's tools are set up for. */
public final class StaticLoggerBinder implements LoggerFactoryBinder {
    public static String REQUESTED_API_VERSION = "1.6.99";
    private static final StaticLoggerBinder SINGLETON = new StaticLoggerBinder();

    public static StaticLoggerBinder getSingleton() {
        return SINGLETON;
    }

    private static Object log(String logger, Method method, Object[] given) {
        String name = method.getName();
        if (name.equals("getName")) {
            return logger;
        }
        if (method.getReturnType() == boolean.class) {
            return name.equals("isErrorEnabled");
        }
        if (name.equals("error")) {
            int from = given[0] instanceof Marker ? 1 : 0;
            Object[] rest = given.length > from + 1 && given[from + 1] instanceof Object[]
                ? (Object[]) given[from + 1]
                : Arrays.copyOfRange(given, from + 1, given.length);
            FormattingTuple text = MessageFormatter.arrayFormat((String) given[from], rest);
            System.err.println("[2000-01-01 00:00:00,000] ERROR " + text.getMessage() + " (" + logger
                + ")");
            if (text.getThrowable() != null) {
                text.getThrowable().printStackTrace();
            }
        }
        return null;
    }

    @Override
    public ILoggerFactory getLoggerFactory() {
        return name -> (Logger) Proxy.newProxyInstance(Logger.class.getClassLoader(),
            new Class<?>[] {Logger.class}, (proxy, method, given) -> log(name, method, given));
    }

    @Override
    public String getLoggerFactoryClassStr() {
        return StaticLoggerBinder.class.getName();
    }
}
