"""Encodes and decodes any message from the specifications that Apache Kafka's own jar carries.

A message is a dict by the names of the specification; what is missing has its default. Independent
of our schemas and our codec, so that a fault in them shows.
"""
import struct
import sys
import uuid

from specs import load, versions

ZERO_ID = "00000000-0000-0000-0000-000000000000"
NUMBERS = {"int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I",
           "int64": ">q", "float64": ">d"}


def holds(text, version):
    found = versions(text)
    return found is not None and found[0] <= version <= found[1]


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise ValueError(f"{size} bytes wanted at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value


class Message:
    """One specification at one version."""

    def __init__(self, spec, version):
        self.spec, self.version = spec, version
        self.flexible = holds(spec.get("flexibleVersions"), version)
        self.shared = {item["name"]: item["fields"] for item in spec.get("commonStructs", [])}

    def children(self, field, kind):
        found = field.get("fields") or self.shared.get(kind)
        if found is not None:
            self.shared.setdefault(kind, found)
        return found

    def fields(self, fields):
        """(field, tag or None) of this version."""
        for field in fields:
            if not holds(field.get("versions") or field.get("taggedVersions"), self.version):
                continue
            tagged = holds(field.get("taggedVersions"), self.version)
            yield field, field["tag"] if tagged else None

    def default(self, field):
        kind, value = field["type"], field.get("default")
        if value == "null":
            return None
        if kind.startswith("[]"):
            return []
        if kind in NUMBERS:
            return int(str(value), 0) if value not in (None, "") else 0
        if kind == "bool":
            return str(value).lower() == "true"
        return {"string": value or "", "uuid": ZERO_ID, "bytes": b"", "records": None}.get(kind, {})

    # ---- encoding ----

    def encode(self, values):
        return self.encode_struct(self.spec["fields"], values)

    def encode_struct(self, fields, values):
        out, tags = b"", []
        unknown = set(values) - {field["name"] for field in fields}
        if unknown:
            raise KeyError(f"{self.spec['name']}: no field {sorted(unknown)}")
        for field, tag in self.fields(fields):
            value = values.get(field["name"], self.default(field))
            if tag is None:
                out += self.encode_value(field, value)
            elif value != self.default(field):
                tags.append((tag, self.encode_value(field, value)))
        if self.flexible:
            out += uvarint(len(tags))
            for tag, data in sorted(tags):
                out += uvarint(tag) + uvarint(len(data)) + data
        return out

    def encode_size(self, field, size, form):
        compact = self.flexible and field.get("flexibleVersions") != "none"
        if compact:
            return uvarint(0 if size is None else size + 1)
        return struct.pack(form, -1 if size is None else size)

    def encode_value(self, field, value):
        kind = field["type"]
        if not kind.startswith("[]"):
            return self.encode_one(field, kind, value)
        out = self.encode_size(field, None if value is None else len(value), ">i")
        return out + b"".join(self.encode_one(field, kind[2:], item) for item in value or [])

    def encode_one(self, field, kind, value):
        if kind in NUMBERS:
            return struct.pack(NUMBERS[kind], value)
        if kind == "bool":
            return b"\1" if value else b"\0"
        if kind == "uuid":
            return uuid.UUID(value).bytes
        if kind == "string":
            data = None if value is None else value.encode("utf-8", "surrogatepass")
            return self.encode_size(field, None if data is None else len(data), ">h") + (data or b"")
        if kind in ("bytes", "records"):
            return self.encode_size(field, None if value is None else len(value), ">i") + (value or b"")
        if "nullableVersions" in field and not field["type"].startswith("[]"):
            if value is None:
                return b"\xff"
            return b"\1" + self.encode_struct(self.children(field, kind), value)
        return self.encode_struct(self.children(field, kind), value)

    # ---- decoding ----

    def decode(self, cursor):
        return self.decode_struct(self.spec["fields"], cursor)

    def decode_struct(self, fields, cursor):
        out, tagged = {}, {}
        for field, tag in self.fields(fields):
            if tag is None:
                out[field["name"]] = self.decode_value(field, cursor)
            else:
                out[field["name"]] = self.default(field)
                tagged[tag] = field
        if self.flexible:
            for _ in range(cursor.uvarint()):
                tag, size = cursor.uvarint(), cursor.uvarint()
                data = Cursor(cursor.take(size))
                field = tagged[tag]
                out[field["name"]] = self.decode_value(field, data)
        return out

    def decode_size(self, field, cursor, form):
        if self.flexible and field.get("flexibleVersions") != "none":
            return cursor.uvarint() - 1
        return cursor.number(form)

    def decode_value(self, field, cursor):
        kind = field["type"]
        if not kind.startswith("[]"):
            return self.decode_one(field, kind, cursor)
        size = self.decode_size(field, cursor, ">i")
        return None if size < 0 else [self.decode_one(field, kind[2:], cursor) for _ in range(size)]

    def decode_one(self, field, kind, cursor):
        if kind in NUMBERS:
            return cursor.number(NUMBERS[kind])
        if kind == "bool":
            return cursor.take(1) != b"\0"
        if kind == "uuid":
            return str(uuid.UUID(bytes=cursor.take(16)))
        if kind == "string":
            size = self.decode_size(field, cursor, ">h")
            return None if size < 0 else cursor.take(size).decode("utf-8", "replace")
        if kind in ("bytes", "records"):
            size = self.decode_size(field, cursor, ">i")
            return None if size < 0 else cursor.take(size)
        if "nullableVersions" in field and not field["type"].startswith("[]"):
            if cursor.number(">b") < 0:
                return None
        return self.decode_struct(self.children(field, kind), cursor)


def lower_names(fields):
    """Some names begin with a capital letter: here none does."""
    for field in fields:
        field["name"] = field["name"][0].lower() + field["name"][1:]
        lower_names(field.get("fields", []))


class Apis:
    """The requests and responses of a jar, by the name of the API ("Produce")."""

    def __init__(self, jars):
        self.specs = load(jars)
        if not self.specs:
            sys.exit(f"no specifications in {jars}")
        for spec in self.specs.values():
            lower_names(spec.get("fields", []))
            for shared in spec.get("commonStructs", []):
                lower_names(shared["fields"])

    def versions(self, name):
        low, high = versions(self.specs[f"{name}Request"]["validVersions"])
        if self.specs[f"{name}Request"].get("latestVersionUnstable"):
            high -= 1
        return range(low, high + 1)

    def request(self, name, version, correlation_id, values, client_id="differential"):
        spec = self.specs[f"{name}Request"]
        message = Message(spec, version)
        head = struct.pack(">hhi", spec["apiKey"], version, correlation_id)
        head += struct.pack(">h", len(client_id)) + client_id.encode()
        return head + (b"\0" if message.flexible else b"") + message.encode(values)

    def response(self, name, version, data):
        """(correlation id, values)"""
        message = Message(self.specs[f"{name}Response"], version)
        cursor = Cursor(data)
        correlation_id = cursor.number(">i")
        if message.flexible and name != "ApiVersions":
            for _ in range(cursor.uvarint()):
                cursor.uvarint()
                cursor.take(cursor.uvarint())
        values = message.decode(cursor)
        if cursor.at != len(data):
            raise ValueError(f"{len(data) - cursor.at} bytes behind the answer")
        return correlation_id, values
