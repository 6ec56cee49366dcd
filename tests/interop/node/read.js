// Reads from a running network: services, ring, blocks, a set. Roots, links and signatures of blocks are verified.
//
//     node read.js DIR
//
// DIR is the folder that `kittengrad demo --dir` writes. One line for each step; the exit code is 0 if all of them held.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");

const { connect } = require("./reflect");
const { bytesOf, fields, isSigned, message, numberOf, sha256, treeHead } = require("./wire");

const BLOCKS = 5;
const ROLES = [null, "peer", "aggregator", "indexer"];

// The fields of a signed identity that a caller needs. Its chain is checked by TLS.
function identityOf(signed) {
  const [body, signature] = [bytesOf(signed, 1), bytesOf(signed, 2)];
  const found = fields(body);
  const key = bytesOf(found, 4);
  assert(isSigned(key, signature, message("identity", body)), "the signature of an identity is forged");
  return { key, role: ROLES[Number(numberOf(found, 7))], grpc: bytesOf(found, 8).toString() };
}

function networkOf(folder) {
  const file = fs.readFileSync(path.join(folder, "network.toml"), "utf8");
  const members = [...file.matchAll(/^identity = "(.*)"$/gm)].map(([, text]) => Buffer.from(text, "base64url"));
  const credential = (name) => fs.readFileSync(path.join(folder, "client", `${name}.pem`));
  return {
    namespace: /^namespace = "(.*)"$/m.exec(file)[1],
    members: members.map((data) => identityOf(fields(data))),
    credentials: { root: credential("root"), key: credential("key"), chain: credential("chain") },
  };
}

// Reads the first blocks of a journal, and verifies root, signature and link of each. Returns their transactions.
async function readBlocks(member, owner, namespace) {
  const request = { namespace, genesis: true, bodies: "WITH_BODIES_TRANSACTIONS", no_follow: true };
  const stream = member.stream("Journal", "Subscribe", request);
  const transactions = [];
  let [previous, count] = [Buffer.alloc(32), 0];
  for await (const frame of stream) {
    assert.notEqual(frame.kind, "problem", "the subscription cannot start");
    if (frame.kind !== "block") continue;
    const { body, signature } = frame.block.header;
    const header = fields(body);
    assert.deepEqual(bytesOf(header, 4), owner.key, "a block of another journal");
    assert(isSigned(owner.key, signature, message("block", body)), "the signature of a block is forged");
    assert.deepEqual(bytesOf(header, 9), treeHead(frame.block.items), "the items do not match their root");
    if (numberOf(header, 6) > 0n) assert.deepEqual(bytesOf(header, 7), previous, "a block links elsewhere");
    previous = sha256(message("block", body));
    transactions.push(...frame.block.bodies.map((one) => one.transaction));
    if (++count === BLOCKS) break;
  }
  return { count, transactions };
}

// The first canonical of a transaction, whose signature is verified.
function canonicalOf(transaction) {
  const found = fields(transaction.body);
  const data = message("transaction", transaction.body);
  assert(isSigned(bytesOf(found, 4), transaction.signature, data), "the signature of a transaction is forged");
  return bytesOf(fields(found.get(10)[0]), 1);
}

async function main(folder) {
  const { namespace, members, credentials } = networkOf(folder);
  const [peer, aggregator] = ["peer", "aggregator"].map((role) => members.find((member) => member.role === role));
  const at = await connect(peer, credentials);
  console.log(`read: services: ${at.services.join(", ")}`);
  const ring = await at.call("Routing", "GetRing", { namespace });
  const peers = ring.members.map((signed) => identityOf(new Map([[1, [signed.body]], [2, [signed.signature]]])));
  console.log(`read: ring: ${peers.length} peers, R = ${ring.replicas}`);
  const merged = await connect(aggregator, credentials);
  const { count, transactions } = await readBlocks(merged, aggregator, namespace);
  assert(count > 0 && transactions.length > 0, "the journal has no transactions");
  console.log(`read: journal: ${count} blocks with ${transactions.length} transactions, links and signatures verified`);
  const canonicals = canonicalOf(transactions[0]);
  const found = await merged.call("Store", "Lookup", { namespace, canonicals, records: true });
  const [set] = found.sets;
  assert(set.exists, "a canonical of the journal does not exist");
  const digests = set.records.map((record) => sha256(record));
  assert.deepEqual(Buffer.concat(digests), set.updates, "records have other digests than their names");
  console.log(`read: lookup: ${canonicals.toString("hex").slice(0, 8)} has ${set.records.length} update(s)`);
  const refused = at.call("Routing", "GetRing", { namespace: "elsewhere" });
  const error = await refused.then(() => null, (error) => error);
  assert.equal(error?.code, 9, "another namespace is not refused");
  const details = fields(error.metadata.get("grpc-status-details-bin")[0]).get(3).map((any) => fields(any));
  const info = details.find((any) => bytesOf(any, 1).toString().endsWith("/google.rpc.ErrorInfo"));
  const [reason, domain] = [1, 2].map((number) => bytesOf(fields(bytesOf(info, 2)), number).toString());
  assert.deepEqual([reason, domain], ["WRONG_NAMESPACE", "kittengrad"]);
  console.log(`read: error: ${reason}`);
  at.close();
  merged.close();
  console.log("read: all steps held");
}

if (process.argv.length !== 3) {
  console.error("usage: node read.js DIR");
  process.exit(2);
}
main(process.argv[2]).catch((error) => {
  console.error(`read: failed: ${error.message}`);
  process.exit(1);
});
