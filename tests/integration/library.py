#!/usr/bin/env python3
"""`make install`: the library as a C and as a C++ program find it, and the names of the commands."""
import contextlib
import functools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

import harness

BUILD = pathlib.Path(harness.BINARY).resolve().parent
SOURCE = harness.TESTS / "integration" / "library" / "use.c"
COMPILERS = {"c": ["gcc", "-std=c11", "-pedantic", "-x", "c"],
             "cpp": ["g++", "-std=c++11", "-x", "c++"]}


def run(*command, **environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=harness.CLIENT_SECONDS, env=dict(os.environ, **environment))
    assert done.returncode == 0, f"{command[0]}: {(done.stdout + done.stderr)[-600:]}"
    return done.stdout


@contextlib.contextmanager
def installed():
    """Under a DESTDIR, so that nothing may name the prefix it was configured with."""
    if not (BUILD / "cmake_install.cmake").exists():
        raise harness.Skip("BARNABAS_BIN is not in a build folder")
    root = tempfile.mkdtemp(prefix="barnabas-install-")
    try:
        run("cmake", "--install", BUILD, "--prefix", "/opt/barnabas", DESTDIR=root)
        yield pathlib.Path(root) / "opt" / "barnabas"
    finally:
        shutil.rmtree(root)


def need(program):
    if shutil.which(program) is None:
        raise harness.Skip(f"{program} is not installed")


def flags(prefix, *options):
    need("pkg-config")
    found = list(prefix.glob("lib*/**/barnabas.pc"))
    assert len(found) == 1, found
    return shlex.split(run("pkg-config", *options, "barnabas", PKG_CONFIG_PATH=found[0].parent))


def sanitizers():
    """A library that was built with them is of use to a program that was too."""
    found = re.search(r"^BNB_SANITIZE:STRING=(.+)$", (BUILD / "CMakeCache.txt").read_text(), re.M)
    return [f"-fsanitize={found[1]}"] if found else []


def compile_program(prefix, language, static):
    need(COMPILERS[language][0])
    options = flags(prefix, "--cflags", "--libs", *(["--static"] if static else [])) + sanitizers()
    if static:
        options = ["-l:libbarnabas.a" if word == "-lbarnabas" else word
                   for word in options]
    program = prefix / f"use_{language}_{'static' if static else 'shared'}"
    run(*COMPILERS[language], "-Wall", "-Wextra", "-Werror", SOURCE, "-x", "none", "-o", program,
        *options)
    return program


def a_program_produces_and_consumes(language, static, shards):
    with installed() as prefix:
        program = compile_program(prefix, language, static)
        folder = next(prefix.glob("lib*/**/barnabas.pc")).parent.parent
        linked = run("ldd", program, LD_LIBRARY_PATH=str(folder))
        assert ("libbarnabas.so.0 " in linked) != static, linked
        with harness.broker(shards=shards) as broker:
            topic = f"library-{language}-{int(static)}-{shards}"
            text = run(program, broker.bootstrap, topic, LD_LIBRARY_PATH=str(folder))
            assert text.startswith("all there "), text


def declared_names():
    names = set()
    for header in (harness.TESTS.parent / "include" / "barnabas").glob("*.h"):
        names |= set(re.findall(r"BNB_EXPORT[^;]*?\b(bnb_\w+)\(", header.read_text()))
    return names


def exported(*command):
    names = [line.split()[-1] for line in run("nm", *command).splitlines()
             if re.search(r" [A-Z] \w", line)]
    return set(names) - {"_init", "_fini"}


def only_declared_names_are_exported():
    need("nm")
    with installed() as prefix:
        folder = next(prefix.glob("lib*/**/barnabas.pc")).parent.parent
        declared = declared_names()
        assert len(declared) > 40, declared
        for found in (exported("-D", "--defined-only", folder / "libbarnabas.so"),
                      exported("-g", "--defined-only", folder / "libbarnabas.a")):
            assert found == declared, sorted(found ^ declared)


def kafka_names_are_the_commands():
    with installed() as prefix:
        scripts = run(prefix / "bin" / "barnabas", "--list-scripts").split()
        links = {path.name for path in (prefix / "bin").iterdir()} - {"barnabas"}
        assert links == set(scripts) and "kafka-topics.sh" in links, links ^ set(scripts)
        for script in scripts:
            tool = script.removeprefix("kafka-").removesuffix(".sh")
            outputs = []
            for command in ([prefix / "bin" / script], [prefix / "bin" / "barnabas", tool]):
                done = subprocess.run([*command, "--help"], capture_output=True,
                                      timeout=harness.PATIENCE_SECONDS)
                outputs.append((done.returncode, done.stdout, done.stderr))
            assert outputs[0] == outputs[1] and any(outputs[0][1:]), (script, outputs)


def the_link_lists_a_topic():
    with installed() as prefix, harness.broker() as broker:
        command = (prefix / "bin" / "kafka-topics.sh", "--bootstrap-server", broker.bootstrap)
        run(*command, "--create", "--topic", "by-link")
        assert run(*command, "--list").split() == ["by-link"]


CASES = [(f"a_{language}_program_with_the_{'static' if static else 'shared'}_library__"
          f"{shards}_shard{'s' if shards > 1 else ''}",
          functools.partial(a_program_produces_and_consumes, language, static, shards))
         for language in COMPILERS for static in (False, True)
         for shards in harness.shard_counts()]
CASES += [(function.__name__, function)
          for function in (only_declared_names_are_exported, kafka_names_are_the_commands,
                           the_link_lists_a_topic)]

if __name__ == "__main__":
    harness.run(CASES)
