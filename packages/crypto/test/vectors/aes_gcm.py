"""AES-256-GCM in plain Python, for readers without a library: slow, and not for secrets of others."""
import hmac

def _sbox():
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p = (p ^ (p << 1) ^ (0x11B if p & 0x80 else 0)) & 0xFF
        q ^= q << 1; q ^= q << 2; q ^= q << 4; q &= 0xFF
        q ^= 0x09 if q & 0x80 else 0
        box[p] = (q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4)) & 0xFF ^ 0x63
        if p == 1:
            return box

SBOX = _sbox()
_double = lambda b: (b << 1 ^ (0x1B if b & 0x80 else 0)) & 0xFF

def _schedule(key):
    words, rcon = [list(key[i:i + 4]) for i in range(0, 32, 4)], 1
    for i in range(8, 60):
        word = words[-1]
        if i % 8 == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= rcon
            rcon = _double(rcon)
        elif i % 8 == 4:
            word = [SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(word, words[i - 8])])
    return [sum(words[i:i + 4], []) for i in range(0, 60, 4)]

def _encrypt(keys, block):
    state = [a ^ b for a, b in zip(block, keys[0])]
    for turn, key in enumerate(keys[1:], 1):
        state = [SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if turn < 14:
            for c in range(0, 16, 4):
                a = state[c:c + 4]
                state[c:c + 4] = [_double(a[i] ^ a[(i + 1) % 4]) ^ a[(i + 1) % 4] ^ a[(i + 2) % 4] ^ a[(i + 3) % 4] for i in range(4)]
        state = [a ^ b for a, b in zip(state, key)]
    return bytes(state)

def _multiply(x, y):
    z = 0
    for i in range(127, -1, -1):
        z ^= y if x >> i & 1 else 0
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return z

def decrypt(key, nonce, ciphertext, tag, aad):
    """The plaintext, or a ValueError when anything differs."""
    keys, pad = _schedule(key), lambda data: data + bytes(-len(data) % 16)
    h, hashed = int.from_bytes(_encrypt(keys, bytes(16)), "big"), 0
    lengths = (len(aad) * 8).to_bytes(8, "big") + (len(ciphertext) * 8).to_bytes(8, "big")
    data = pad(aad) + pad(ciphertext) + lengths
    for i in range(0, len(data), 16):
        hashed = _multiply(hashed ^ int.from_bytes(data[i:i + 16], "big"), h)
    stream = lambda n: _encrypt(keys, nonce + n.to_bytes(4, "big"))
    expected = bytes(a ^ b for a, b in zip(stream(1), hashed.to_bytes(16, "big")))
    if not hmac.compare_digest(expected, tag):
        raise ValueError("IntegrityFailed")
    blocks = (stream(2 + i // 16) for i in range(0, len(ciphertext), 16))
    return bytes(a ^ b for a, b in zip(ciphertext, b"".join(blocks)))
