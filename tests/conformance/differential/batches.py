"""Record batches of every codec, made from a description, and told again without what differs between two brokers."""
import hashlib
import struct
import time
import zlib

import wirecodec as wire

from data import RECORDS

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
TRANSACTIONAL = 0x10
HEADER_BYTES = 61
TIME = int(time.time() * 1000) - 600000  # of the first record; what a broker stamps is far from it


def snappy(data):
    """One block of literals in the framing of Java's library."""
    size = len(data) - 1
    head = bytes([size << 2]) if size < 60 else b"\xf0" + bytes([size]) if size < 256 else \
        b"\xf4" + struct.pack("<H", size)
    length, whole = len(data), bytearray()
    while length > 0x7F:
        whole.append(length & 0x7F | 0x80)
        length >>= 7
    block = bytes(whole) + bytes([length]) + head + data
    return b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(block)) + block


def lz4(data):
    """A frame with one block that is stored as it is; the last byte of the header is its checksum."""
    return b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", len(data) | 1 << 31) + data + bytes(4)


def zstd(data):
    """A frame of one raw block."""
    size = b"\x20" + bytes([len(data)]) if len(data) < 256 else b"\x60" + struct.pack("<H", len(data) - 256)
    return b"\x28\xb5\x2f\xfd" + size + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def gzip(data):
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


PACK = {NONE: bytes, GZIP: gzip, SNAPPY: snappy, LZ4: lz4, ZSTD: zstd}


def batch(records, codec=NONE, producer=-1, epoch=-1, sequence=-1, transactional=False, after_ms=0):
    """records: [(key or None, value)]"""
    stamp = TIME + after_ms
    payload = PACK[codec](b"".join(wire.record(i, value, key) for i, (key, value) in enumerate(records)))
    body = struct.pack(">hiqqqhii", codec | (TRANSACTIONAL if transactional else 0), len(records) - 1, stamp, stamp,
                       producer, epoch, sequence, len(records)) + payload
    tail = struct.pack(">ibI", -1, 2, wire.crc32c(body)) + body
    return struct.pack(">qi", 0, len(tail)) + tail


def made(description, number):
    """The bytes of {"like": label of data.RECORDS} or of {"values": [[key, value]...], "codec": ..., ...}; number(value)
    gives what a reference in it comes to."""
    if "like" in description:
        return RECORDS[description["like"]]
    more = {key: number(description[key]) for key in ("producer", "epoch", "sequence") if key in description}
    return batch([(None if key is None else key.encode(), value.encode()) for key, value in description["values"]],
                 description.get("codec", NONE), transactional=description.get("transactional", False),
                 after_ms=description.get("after_ms", 0), **more)


def told(data, producer):
    """What is in a fetched set of records; producer(id) names it, times are masked by whoever asks."""
    found = []
    while len(data) >= HEADER_BYTES and len(data) >= 12 + struct.unpack(">i", data[8:12])[0]:
        base, size, epoch, magic = struct.unpack(">qiib", data[:17])
        attributes, delta, first, last, producer_id, producer_epoch, sequence, count = struct.unpack(
            ">hiqqqhii", data[21:HEADER_BYTES])
        payload = data[HEADER_BYTES:12 + size]
        if attributes & 7 == GZIP:
            payload = zlib.decompress(payload, wbits=31)
        found.append({"baseOffset": base, "leaderEpoch": epoch, "magic": magic, "attributes": attributes,
                      "lastOffsetDelta": delta, "baseTimestamp": first, "maxTimestamp": last,
                      "producerId": producer(producer_id), "producerEpoch": producer_epoch, "sequence": sequence,
                      "count": count, "crc": wire.crc32c(data[21:12 + size]) == struct.unpack(">I", data[17:21])[0],
                      "payload": payload.hex() if len(payload) < 200 else hashlib.sha1(payload).hexdigest()})
        data = data[12 + size:]
    return found + [f"{len(data)} bytes of a batch"] if data else found
