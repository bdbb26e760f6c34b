/**
 * Opens so many connections, asks once on each, says so, and holds them until it is killed. They speak HTTP/1.1, in which
 * nobody has to answer PINGs in time, so that they last on a busy machine too. Arguments: port, CA, count.
 */
const [port, ca, count] = Deno.args;
const options = { hostname: "localhost", port: Number(port), caCerts: [ca!], alpnProtocols: ["http/1.1"] };
const request = new TextEncoder().encode("GET /whoami HTTP/1.1\r\nhost: localhost\r\n\r\n");
const held: Deno.TlsConn[] = [];
let begun = 0;

async function open(): Promise<void> {
  while (begun++ < Number(count)) {
    const connection = await Deno.connectTls(options);
    // One that has asked once may rest.
    await connection.write(request);
    await connection.read(new Uint8Array(1024));
    held.push(connection);
  }
}

await Promise.all(Array.from({ length: 16 }, open));
console.log(held.length);
// Held by a timer, as nothing else keeps the process.
setInterval(() => {}, 1_000_000);
