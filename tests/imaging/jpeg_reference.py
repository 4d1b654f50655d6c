"""JPEG lossless and sequential JPEG of 8 or 12 bits, decoded straight from ITU-T T.81: short, slow, and no library's.

What `mediml.imaging` decodes with GDCM is compared with this. Figures and tables are those of the recommendation.
"""

import struct

import numpy as np

# Figure A.6.
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))


class Bits:
    """Bits of the entropy-coded segment, with stuffed zeros taken out (B.1.1.5)."""

    def __init__(self, data):
        data = data.replace(b"\xff\x00", b"\xff")
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)
        self.string = f"{self.value:0{self.left}b}" if data else ""
        self.place = 0

    def take(self, count):
        bits = self.string[self.place : self.place + count].ljust(count, "1")
        self.place += count
        return int(bits, 2) if count else 0

    def symbol(self, codes):
        for length in range(1, 17):
            value = codes.get(self.string[self.place : self.place + length])
            if value is not None:
                self.place += length
                return value
        raise ValueError("no such code")

    def difference(self, size):
        """F.1.2.1 and H.1.2.2: the sign is in the first bit; size 16 is 32,768 and has no bits."""
        if size == 16:
            return 32768
        value = self.take(size)
        return value if size == 0 or value >> (size - 1) else value - (1 << size) + 1


def huffman(lengths, values):
    """Codes of a table as strings of bits (annex C)."""
    codes, code, values = {}, 0, iter(values)
    for length, count in enumerate(lengths, 1):
        for _ in range(count):
            codes[f"{code:0{length}b}"] = next(values)
            code += 1
        code <<= 1
    return codes


def decode(stream):
    """Samples of shape (rows, columns) or (rows, columns, components), not subsampled."""
    place, tables, quantisation, restart, frame = 2, {}, {}, 0, None
    while True:
        marker, length = struct.unpack_from(">HH", stream, place)
        body = stream[place + 4 : place + 2 + length]
        place += 2 + length
        if marker == 0xFFC4:
            while body:
                count = sum(body[1:17])
                tables[body[0]] = huffman(body[1:17], body[17 : 17 + count])
                body = body[17 + count :]
        elif marker == 0xFFDB:
            while body:
                wide = body[0] >> 4
                quantisation[body[0] & 15] = np.frombuffer(body[1 : 65 + 64 * wide], ">u2" if wide else "u1").astype(
                    int
                )
                body = body[65 + 64 * wide :]
        elif marker in (0xFFC0, 0xFFC1, 0xFFC3):
            frame = struct.unpack(">BHHB", body[:6])
            assert frame[3] == 1 or all(s == 0x11 for s in body[7::3]), "subsampled"
            quantised = list(body[8::3])
            lossless = marker == 0xFFC3
        elif marker == 0xFFDD:
            restart = struct.unpack(">H", body)[0]
        elif marker == 0xFFDA:
            used = [body[2 + 2 * c] for c in range(body[0])]
            predictor, shift = body[1 + 2 * body[0]], body[3 + 2 * body[0]] & 15
            break
    segments = split(stream[place:])
    assert restart == 0 or lossless
    if lossless:
        direct = [tables[each >> 4] for each in used]
        return decode_lossless(segments, frame, direct, predictor, shift, restart)
    return decode_blocks(
        segments[0], frame, tables[used[0] >> 4], tables[0x10 | used[0] & 15], quantisation[quantised[0]]
    )


def split(data):
    """The segments between restart markers, up to the end of the image."""
    segments, start, place = [], 0, 0
    while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
        marker = data[place + 1]
        if marker != 0:
            segments.append(Bits(data[start:place]))
            start = place + 2
            if not 0xD0 <= marker <= 0xD7:
                break
        place += 2
    return segments


def decode_lossless(segments, frame, tables, predictor, shift, restart):
    """Annex H: each sample is the sum of a prediction and a difference, modulo 2^16."""
    precision, rows, columns, components = frame
    assert restart % columns == 0, "restarts within a line"
    out = np.zeros((rows, columns, components), np.int64)
    lines = restart // columns or rows
    for row in range(rows):
        bits = segments[row // lines]
        above, here = (out[row - 1].tolist() if row else None), []
        for column in range(columns):
            pixel = []
            for component, table in enumerate(tables):
                a = here[column - 1][component] if column else None
                b = above[column][component] if row % lines else None
                if a is None and b is None:
                    prediction = 1 << (precision - shift - 1)
                elif b is None:
                    prediction = a
                elif a is None:
                    prediction = b
                else:
                    c = above[column - 1][component]
                    prediction = (a, b, c, a + b - c, a + (b - c) // 2, b + (a - c) // 2, (a + b) // 2)[predictor - 1]
                pixel.append((prediction + bits.difference(bits.symbol(table))) & 0xFFFF)
            here.append(pixel)
        out[row] = here
    out <<= shift
    return out[..., 0] if components == 1 else out


def decode_blocks(bits, frame, direct, alternating, quantisation):
    """Annexes A and F, one component: blocks of 8 × 8 cosines."""
    precision, rows, columns, _ = frame
    u = np.arange(8)
    cosines = np.cos((2 * u[:, None] + 1) * u * np.pi / 16) * np.where(u == 0, np.sqrt(1 / 8), 1 / 2)
    out, last = np.zeros((-(-rows // 8) * 8, -(-columns // 8) * 8)), 0
    for top in range(0, rows, 8):
        for left in range(0, columns, 8):
            block = np.zeros(64)
            last += bits.difference(bits.symbol(direct))
            block[0] = last * quantisation[0]
            k = 1
            while k < 64:
                symbol = bits.symbol(alternating)
                run, size = symbol >> 4, symbol & 15
                if size == 0 and run < 15:
                    break
                k += run
                if size:
                    block[ZIGZAG[k]] = bits.difference(size) * quantisation[k]
                k += 1
            out[top : top + 8, left : left + 8] = cosines @ block.reshape(8, 8) @ cosines.T
    level = 1 << (precision - 1)
    return np.clip(np.rint(out[:rows, :columns]) + level, 0, 2 * level - 1)
