/** ws_lines.mjs URL [SUBPROTOCOL] [HEADER=VALUE …] - Node's `ws` for tests in other languages: each line
 * of JSON that comes in is sent, each message that is heard goes out as a line; bytes as {"bytes": base64},
 * and at the end {"closed": code}. */
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const [url, protocol, ...headers] = process.argv.slice(2);
const socket = new WebSocket(url, protocol ? [protocol] : [], {
  headers: Object.fromEntries(headers.map((header) => header.split(/=(.*)/s))),
});
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

socket.on("open", () => {
  say({ protocol: socket.protocol, extensions: socket.extensions });
  createInterface({ input: process.stdin })
    .on("line", (line) => socket.send(line))
    .on("close", () => socket.close(1000));
});
socket.on("message", (data, isBinary) => {
  if (isBinary) say({ bytes: data.toString("base64") });
  else process.stdout.write(`${data}\n`);
});
socket.on("close", (code) => say({ closed: code }));
socket.on("error", (error) => say({ error: String(error) }));
