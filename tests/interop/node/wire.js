// Protobuf as docs/formats.md describes it, read without generated code; and the few formats that read.js needs.
"use strict";

const crypto = require("node:crypto");

// The fields of a message: number → values, each a BigInt or bytes, in the order of the message.
function fields(data) {
  const found = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= data.length) throw new Error("a message ends early");
      const byte = data[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < data.length) {
    const key = varint();
    const [number, kind] = [Number(key >> 3n), Number(key & 7n)];
    let value;
    if (kind === 0) {
      value = varint();
    } else {
      const length = kind === 2 ? Number(varint()) : { 1: 8, 5: 4 }[kind];
      if (length === undefined || at + length > data.length) throw new Error(`field ${number} ends early`);
      value = data.subarray(at, (at += length));
    }
    found.set(number, [...(found.get(number) ?? []), value]);
  }
  return found;
}

const bytesOf = (found, number) => found.get(number)?.at(-1) ?? Buffer.alloc(0);
const numberOf = (found, number) => found.get(number)?.at(-1) ?? 0n;
const sha256 = (...parts) => crypto.createHash("sha256").update(Buffer.concat(parts)).digest();

// The bytes that a signature and an id cover.
const message = (kind, body) => Buffer.concat([Buffer.from(`kittengrad/v1/${kind}\0`), body]);

function isSigned(key, signature, data) {
  const jwk = { kty: "OKP", crv: "Ed25519", x: key.toString("base64url") };
  return crypto.verify(null, data, crypto.createPublicKey({ key: jwk, format: "jwk" }), signature);
}

// A key as the first label of the DNS name of a transport leaf.
function base32(key) {
  const bits = [...key].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.match(/.{1,5}/g).map((five) => "abcdefghijklmnopqrstuvwxyz234567"[parseInt(five.padEnd(5, "0"), 2)]).join("");
}

// RFC 9162, section 2.1.1.
function treeHead(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Buffer.from([0]), leaves[0]);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.from([1]), treeHead(leaves.slice(0, split)), treeHead(leaves.slice(split)));
}

module.exports = { base32, bytesOf, fields, isSigned, message, numberOf, sha256, treeHead };
