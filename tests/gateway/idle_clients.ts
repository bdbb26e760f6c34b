/** Opens so many connections, asks once on each, says so, and holds them until it is killed. Arguments: port, CA, count. */
import { END_HEADERS, END_STREAM, frame, joined, request, TYPES } from "./frames.ts";

const [port, ca, count] = Deno.args;
const options = { hostname: "localhost", port: Number(port), caCerts: [ca!], alpnProtocols: ["h2"] };
const preface = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const head = frame(TYPES.headers, END_STREAM | END_HEADERS, 1, request("/whoami"));
const first = joined([preface, frame(TYPES.settings, 0, 0), head]);
const held: Deno.TlsConn[] = [];
let begun = 0;

async function open(): Promise<void> {
  while (begun++ < Number(count)) {
    const connection = await Deno.connectTls(options);
    // One that has asked once may rest.
    await connection.write(first);
    await connection.read(new Uint8Array(1024));
    held.push(connection);
  }
}

await Promise.all(Array.from({ length: 16 }, open));
console.log(held.length);
// Held by a timer, as nothing else keeps the process.
setInterval(() => {}, 1_000_000);
