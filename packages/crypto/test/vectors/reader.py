"""Reads what queue-runtime sealed or signed: docs/sealed-messages.md. Python's own library, and AES."""
import base64, hashlib, hmac, json, struct, sys
from aes_gcm import decrypt

def parse(data):
    if data[:4] != b"QRE1":
        raise ValueError("plaintext")
    if data[4] != 1:
        raise ValueError("UnsupportedVersion")
    mode, size = data[5], data[6]
    key_id, at = data[7:7 + size].decode(), 7 + size
    (wrapped,) = struct.unpack_from(">H", data, at)
    sealed_at, delay = struct.unpack_from(">QQ", data, at + 2 + wrapped)
    end = at + 2 + wrapped + 16 + 12
    return mode, key_id, sealed_at, delay, data[:end], data[end - 12:end], data[end:]

def bound(header, *ids):
    known = lambda text: struct.pack(">I", len(text.encode())) + text.encode()
    return header + b"".join(b"\xff\xff\xff\xff" if i is None else known(i) for i in ids)

def open_message(body, signature, keys, *ids):
    sealed = body if signature is None else base64.urlsafe_b64decode(signature + "==")
    mode, key_id, _, _, header, nonce, rest = parse(sealed)
    key, aad = keys[key_id], bound(header, *ids)
    if mode == 1:
        return decrypt(key, nonce, rest[:-16], rest[-16:], aad)
    own = hmac.digest(key, b"queue-runtime QRE1 signing", hashlib.sha256)
    if not hmac.compare_digest(hmac.digest(own, aad + body, hashlib.sha256), rest):
        raise ValueError("IntegrityFailed")
    return body

if __name__ == "__main__":
    for v in json.load(sys.stdin):
        ids = v["messageId"], v.get("sessionId"), v.get("correlationId")
        keys = {v["keyId"]: bytes.fromhex(v["key"])}
        print(open_message(bytes.fromhex(v["body"]), v.get("signature"), keys, *ids).hex())
