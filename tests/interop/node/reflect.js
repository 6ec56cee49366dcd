// Connections to members, with the schemas that they serve by reflection.
"use strict";

const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const { base32, bytesOf, fields } = require("./wire");

const MESSAGE_BYTES_MAX = 16_777_216;
const CALL_MS = 20_000;
const LOADED = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

// One request on a reflection stream of its own.
function ask(client, request) {
  return new Promise((resolve, reject) => {
    const stream = client.ServerReflectionInfo({ deadline: Date.now() + CALL_MS });
    stream.on("error", reject);
    stream.on("data", (answer) => {
      const error = answer.error_response;
      if (error) reject(new Error(`reflection: ${error.error_message}`));
      else resolve(answer);
      stream.end();
    });
    stream.write(request);
  });
}

// The files of some symbols, and those that they import, as a FileDescriptorSet.
async function descriptors(client, symbols) {
  const files = new Map();
  const take = (answer) => {
    for (const file of answer.file_descriptor_response.file_descriptor_proto) {
      files.set(bytesOf(fields(file), 1).toString(), file);
    }
  };
  for (const symbol of symbols) take(await ask(client, { file_containing_symbol: symbol }));
  for (;;) {
    const imports = [...files.values()].flatMap((file) => fields(file).get(3) ?? []).map(String);
    const missing = imports.filter((name) => !files.has(name));
    if (missing.length === 0) break;
    take(await ask(client, { file_by_filename: missing[0] }));
  }
  const varint = (number) => (number < 0x80 ? [number] : [(number & 0x7f) | 0x80, ...varint(number >> 7)]);
  return Buffer.concat([...files.values()].flatMap((file) => [Buffer.from([0x0a, ...varint(file.length)]), file]));
}

// A connection to one member: `services`, and `call` and `stream` for its methods.
async function connect(identity, credentials) {
  const options = {
    "grpc.ssl_target_name_override": `${base32(identity.key)}.${identity.role}.kittengrad`,
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  };
  const tls = grpc.credentials.createSsl(credentials.root, credentials.key, credentials.chain);
  const definition = loader.loadSync(path.join(__dirname, "reflection.proto"), LOADED);
  const Reflection = grpc.loadPackageDefinition(definition).grpc.reflection.v1.ServerReflection;
  const reflection = new Reflection(identity.grpc, tls, options);
  const listed = await ask(reflection, { list_services: "*" });
  const services = listed.list_services_response.service.map(({ name }) => name).sort();
  const own = services.filter((name) => name.startsWith("kittengrad.v1."));
  const set = loader.loadFileDescriptorSetFromBuffer(await descriptors(reflection, own), LOADED);
  const clients = grpc.loadPackageDefinition(set).kittengrad.v1;
  const client = (service) => new clients[service](identity.grpc, tls, options);
  const open = Object.fromEntries(own.map((name) => name.split(".").pop()).map((name) => [name, client(name)]));
  return {
    services,
    call: (service, method, request) =>
      new Promise((resolve, reject) => {
        const done = (error, answer) => (error ? reject(error) : resolve(answer));
        open[service][method](request, { deadline: Date.now() + CALL_MS }, done);
      }),
    stream: (service, method, request) => open[service][method](request, { deadline: Date.now() + CALL_MS }),
    close: () => [reflection, ...Object.values(open)].forEach((one) => one.close()),
  };
}

module.exports = { connect };
