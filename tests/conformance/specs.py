"""Reads the JSON message specifications that Apache Kafka's jars carry into the terms of ours."""
import json
import pathlib
import re
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAST = 32767
KINDS = {"request": "request", "response": "response", "header": "header", "data": "data",
         "metadata": "metadata", "coordinator-key": "coordinator-key",
         "coordinator-value": "coordinator-value"}


def snake(name):
    name = name.replace("KRaft", "Kraft")
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


def versions(text):
    """(first, last), or None for the empty set."""
    if text in (None, "none"):
        return None
    if text.endswith("+"):
        return int(text[:-1]), LAST
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def within(inner, outer):
    if inner is None or outer is None:
        return None
    low, high = max(inner[0], outer[0]), min(inner[1], outer[1])
    return (low, high) if low <= high else None


def load(jars):
    """{name: specification} of every message in the jars."""
    found = {}
    for jar in sorted(pathlib.Path(jars).glob("kafka*.jar")):
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if not re.search(r"(^|/)message/\w+\.json$|common/metadata/\w+\.json$", name):
                    continue
                text = archive.read(name).decode()
                text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
                text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda m: m.group(1) or "", text)
                text = re.sub(r",(\s*[\]}])", r"\1", re.sub(r"/\*.*?\*/", "", text, flags=re.S))
                spec = json.loads(text)
                found[spec["name"]] = spec
    return found


def default_of(field, kind, array, null):
    value = field.get("default")
    if array or kind in ("bytes", "records") or kind not in NUMBERS | {"string", "uuid", "bool"}:
        return "null" if value == "null" else "zero"
    if kind == "string":
        return "null" if value == "null" else (value or "")
    if kind == "bool":
        return str(value).lower() == "true" if value is not None else False
    if kind == "uuid":
        return "zero"
    if kind == "float64":
        return float(value or 0)
    return int(str(value), 0) if value not in (None, "") else 0


NUMBERS = {"int8", "int16", "uint16", "int32", "uint32", "int64", "float64"}


def facts_of_spec(spec):
    """{path: facts} of all fields, by the names of our schemas."""
    valid = versions(spec["validVersions"])
    flexible = versions(spec.get("flexibleVersions"))
    shared = {struct["name"]: struct for struct in spec.get("commonStructs", [])}
    known, out = {}, {}

    def walk(fields, path, outer):
        for order, field in enumerate(fields):
            kind = field["type"]
            array = kind.startswith("[]")
            kind = kind[2:] if array else kind
            # A field that is always tagged need not say more than that.
            present = within(versions(field.get("versions") or field["taggedVersions"]), outer)
            if present is None:
                continue
            tagged = within(versions(field.get("taggedVersions")), present)
            null = within(versions(field.get("nullableVersions")), present)
            own = within(versions(field.get("flexibleVersions")), present) \
                if "flexibleVersions" in field else "message"
            struct = field.get("fields") or known.get(kind)
            if struct is None and kind in shared:
                struct = shared[kind]["fields"]
            if struct is not None:
                known.setdefault(kind, struct)
            name = f"{path}{snake(field['name'])}"
            out[name] = {
                "type": ("[]" if array else "") + ("struct" if struct is not None else kind),
                "versions": present, "tagged": tagged,
                "tag": field["tag"] if tagged else None, "null": null,
                "default": default_of(field, kind, array, null),
                "ignorable": bool(field.get("ignorable", False)),
                "never_compact": own is None and flexible is not None, "order": order}
            if struct is not None:
                walk(struct, name + ".", present)

    if valid is not None:
        walk(spec["fields"], "", valid)
    return out


def generator():
    """dev/gen_protocol as a module, for its reading of our schemas."""
    source = (ROOT / "dev" / "gen_protocol").read_text().rsplit("\nmain()", 1)[0]
    module = type(sys)("gen_protocol")
    exec(compile(source, "dev/gen_protocol", "exec"), module.__dict__)
    return module


def our_messages():
    module = generator()
    messages = {}
    for path in sorted((ROOT / "schemas").glob("*.schema")):
        for message in module.read(path):
            messages[message.name] = message
    return messages


def facts_of_ours(message):
    valid = message.versions
    out = {}

    def pair(span, outer):
        return within(span if span[0] <= span[1] else None, outer)

    def default(field, kind):
        value = field.default
        if field.array or kind in ("struct", "bytes", "records"):
            return "null" if value == "null" else "zero"
        if kind == "string":
            return "null" if value == "null" else ("" if value in (None, "empty") else value)
        if kind == "bool":
            return value == "true"
        if kind == "uuid":
            return "zero"
        if kind == "float64":
            return float(value or 0)
        return int(value, 0) if value is not None else 0

    def walk(fields, path, outer):
        for order, field in enumerate(fields):
            present = pair(field.versions, outer)
            if present is None:
                continue
            kind = "struct" if field.struct is not None else field.type
            tagged = pair(field.tagged, present)
            name = path + field.name
            out[name] = {
                "type": ("[]" if field.array else "") + kind, "versions": present,
                "tagged": tagged, "tag": field.tag if tagged else None,
                "null": pair(field.null, present), "default": default(field, kind),
                "ignorable": field.ignorable, "never_compact": field.never_compact,
                "order": order}
            if field.struct is not None:
                walk(field.struct.fields, name + ".", present)

    if valid[0] <= valid[1]:
        walk(message.fields, "", valid)
    return out
