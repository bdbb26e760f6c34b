/** What stands behind the gateway when only the gateway and Deno's HTTP are measured: one constant answer. */
const [path, bytes] = Deno.args as [string, string];
const body = new TextEncoder().encode(JSON.stringify({ filler: "x".repeat(Number(bytes)) }));
const headers = { "content-type": "application/json" };
Deno.serve({ path, onListen: () => console.log("listening") }, () => new Response(body, { headers }));
