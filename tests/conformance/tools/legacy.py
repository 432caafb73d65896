"""Segments of the formats before batches, as old brokers left them, for kafka-dump-log."""
import gzip
import struct
import zlib

NONE, GZIP, SNAPPY, LZ4 = range(4)
APPEND_TIME = 8


def message(offset, magic, value, key=None, attributes=0, timestamp=1600000000000, crc_holds=True):
    part = lambda data: struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data
    body = struct.pack(">bb", magic, attributes) + (struct.pack(">q", timestamp) if magic == 1 else b"")
    body += part(key) + part(value)
    crc = zlib.crc32(body) ^ (0 if crc_holds else 1)
    return struct.pack(">qiI", offset, len(body) + 4, crc) + body


def packed(data):
    return gzip.compress(data, mtime=0)


def snappy(data):
    """Blocks of literals in the framing of Java clients."""
    block = bytes([len(data) & 127 | 128, len(data) >> 7, 61 << 2]) + struct.pack("<H", len(data) - 1) + data
    return b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(block)) + block


def xxh32(data):
    """Of fewer than 16 bytes."""
    turn = lambda value, bits: (value << bits | value >> 32 - bits) & 0xffffffff
    value = 374761393 + len(data)
    while len(data) >= 4:
        value = turn(value + int.from_bytes(data[:4], "little") * 3266489917 & 0xffffffff, 17) * 668265263
        data = data[4:]
    for byte in data:
        value = turn(value + byte * 374761393 & 0xffffffff, 11) * 2654435761
    value &= 0xffffffff
    value = (value ^ value >> 15) * 2246822519 & 0xffffffff
    value = (value ^ value >> 13) * 3266489917 & 0xffffffff
    return value ^ value >> 16


def lz4(data, old):
    """A frame of one block that is not packed; old: with the checksum that clients of format 0 gave it."""
    magic, descriptor = b"\x04\x22\x4d\x18", b"\x60\x40"
    checksum = xxh32(magic + descriptor if old else descriptor) >> 8 & 255
    return magic + descriptor + bytes([checksum]) + struct.pack("<I", len(data) | 1 << 31) + data + bytes(4)


def three(magic, first=0):
    return (message(first, magic, b"x", timestamp=5) + message(first + 1, magic, b"y", b"k", timestamp=9) +
            message(first + 2, magic, b"z", timestamp=7))


def index(*entries):
    return b"".join(struct.pack(">ii", *entry) for entry in entries)


def times(*entries):
    return b"".join(struct.pack(">qi", *entry) for entry in entries)


LOG = "00000000000000000000"
SEGMENTS = {
    "plain0": message(0, 0, b"a", b"k") + message(1, 0, b"bb") + message(2, 0, None, b"key"),
    "plain1": (message(0, 1, b"a", b"k") + message(1, 1, b"bb", timestamp=1600000000005) +
               message(2, 1, b"app", attributes=APPEND_TIME, timestamp=1600000000009) +
               message(3, 1, b"none", timestamp=-1)),
    "gzip0": message(2, 0, packed(three(0)), attributes=GZIP) + message(3, 0, b"after"),
    "gzip1": message(12, 1, packed(three(1)), attributes=GZIP, timestamp=9) + message(13, 1, b"after"),
    "append": message(2, 1, packed(three(1)), attributes=GZIP | APPEND_TIME, timestamp=99),
    "snappy0": message(2, 0, snappy(three(0)), attributes=SNAPPY),
    "lz0": message(2, 0, lz4(three(0), True), attributes=LZ4),
    "lz1": message(12, 1, lz4(three(1), False), attributes=LZ4, timestamp=9),
    "gaps": (message(12, 1, packed(message(0, 1, b"x") + message(2, 1, b"z")), attributes=GZIP) +
             message(20, 1, b"after")),
    "invalid": message(0, 0, b"a", crc_holds=False) + message(1, 1, b"b", crc_holds=False) + message(2, 1, b"c"),
    "inner": (message(1, 1, packed(message(0, 1, b"x", crc_holds=False) + message(1, 0, b"y")), attributes=GZIP) +
              message(2, 1, b"c")),
    "nothing": message(0, 1, packed(b""), attributes=GZIP) + message(1, 1, b"c"),
    "null": message(1, 1, None, attributes=GZIP) + message(3, 1, b"c"),
    "nested": message(0, 1, packed(message(0, 1, packed(three(1)), attributes=GZIP)), attributes=GZIP),
    "zstd": message(1, 1, b"xx", attributes=4) + message(3, 1, b"c"),
    "codec": message(1, 1, b"xx", attributes=5) + message(3, 1, b"c"),
    "negative": message(1, -1, b"xx") + message(3, 1, b"c"),
    "torn": message(0, 1, b"a") + message(1, 1, b"abcdef")[:-3],
    "short": message(0, 1, packed(message(0, 1, b"x") + struct.pack(">qi", 1, 10) + bytes(10)), attributes=GZIP),
}
FILES = {f"{name}/{LOG}.log": data for name, data in SEGMENTS.items()}
FILES |= {f"plain0/{LOG}.index": index((1, 28), (2, 56)), f"plain0/{LOG}.timeindex": times((-1, 0), (5, 2)),
          f"plain1/{LOG}.index": index((1, 36), (3, 109)),
          f"plain1/{LOG}.timeindex": times((1600000000000, 0), (1600000000005, 1), (1600000000008, 2)),
          f"gzip1/{LOG}.index": index((12, 0), (13, 105)), f"gzip1/{LOG}.timeindex": times((9, 12), (1600000000000, 13))}
LINES = [f"--files {{dir}}/{name}/{LOG}.log --print-data-log" for name in SEGMENTS]
LINES += [f"--files {{dir}}/{name}" for name in FILES if "index" in name]
LINES += [f"--files {{dir}}/gzip1/{LOG}.log{more}" for more in
          ("", " --deep-iteration", " --print-data-log --skip-record-metadata", " --deep-iteration --max-bytes 106")]
