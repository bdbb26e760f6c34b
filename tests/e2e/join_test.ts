/** Machines that join: with good tokens and bad ones, under names of others, before there is a server. */
import { equal, match, notEqual, ok as assert } from "node:assert/strict";
import { eventually } from "./machine.ts";
import { TestNodes } from "./nodes.ts";

Deno.test("a control plane alone, whose machines join from elsewhere, in every way that a token can be given", async (t) => {
  await using nodes = await TestNodes.prepare({ agents: 4, first: "server" });
  const options = (name: string) => {
    const { dataDir, cgroup } = nodes.machine(name);
    return ["agent", "--server", nodes.server, "--data-dir", dataDir, "--node-name", name, "--cgroup-parent", cgroup];
  };
  const ready = /^This machine is the node \S+ of \S+, and Ready\.$/;
  /** What `k3ts agent` says when it gives up. */
  const refusal = async (name: string, ...more: string[]) => {
    const { code, stderr } = await nodes.machine(name).tryK3ts(...options(name), ...more);
    equal(code, 1, stderr);
    return stderr.trim();
  };

  await t.step("a machine that comes before its server waits for it", async () => {
    const foreign = `K3TS1.${"0".repeat(64)}.${"0".repeat(8)}.${"0".repeat(48)}`;
    const early = nodes.machine("n2").tryK3ts(...options("n2"), "--token", foreign);
    const log = `${nodes.machine("n2").dataDir}/logs/agent.log`;
    await eventually(async () => match(await Deno.readTextFile(log), /Cannot join the cluster yet/), 60);
    await nodes.startFirst();
    // Its token is for another cluster, which it now finds out, and says so once.
    const { code, stderr } = await early;
    equal(code, 1, stderr);
    match(
      stderr.trim(),
      /^Error: Cannot trust https:\/\/192\.168\.77\.1:6443 as its CA must have the hash 0{64}, .*$/m,
    );
  });

  const token = await nodes.token();
  const [prefix, ca, id, secret] = token.split(".") as [string, string, string, string];

  await t.step("a token that is unknown, wrong or has expired ends it with a sentence", async () => {
    const wrong = `${prefix}.${ca}.${id}.${secret.replace(/./g, "a")}`;
    match(
      await refusal("n2", "--token", wrong),
      /^Error: Cannot join as the token must be valid: it is unknown or has expired\.$/m,
    );
    const short = (await nodes.k3ts("token", "create", "--ttl", "1s")).trim();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    match(await refusal("n2", "--token", short), /it is unknown or has expired\.$/m);
    match(await refusal("n2", "--token", "x"), /^Error: The token must have the form K3TS1/);
    match(await refusal("n2"), /^Error: A machine that has not joined yet needs --token or --token-file\./);
    match(await refusal("n2", "--token", token, "--token-file", "/x"), /both --token and --token-file are given/);
    // Nothing of it goes on trying.
    equal((await nodes.run("n2", ["pgrep", "-f", nodes.machine("n2").dataDir])).stdout, "");
  });

  await t.step("by option, by file and by standard input", async () => {
    await nodes.machine("n2").start([...options("n2"), "--token", token], ready);
    const file = `${nodes.machine("n3").dataDir}/given-token`;
    await Deno.writeTextFile(file, `${token}\n`);
    await nodes.machine("n3").start([...options("n3"), "--token-file", file], ready);
    await nodes.machine("n4").start([...options("n4"), "--token-file", "-"], ready, `${token}\n`);
    await nodes.areReady("n2", "n3", "n4");
    // It is not kept.
    for (const name of ["n2", "n3", "n4"]) {
      const { dataDir } = nodes.machine(name);
      for (const left of ["token", "joining.key"]) {
        assert(await Deno.stat(`${dataDir}/node/${left}`).then(() => false, () => true), `${name} has ${left}`);
      }
    }
  });

  await t.step("nobody joins under a name that is another's, unless the token was made for that name", async () => {
    const n5 = nodes.machine("n5");
    const as = (name: string) => options("n5").map((word) => word === "n5" ? name : word);
    const { code, stderr } = await n5.tryK3ts(...as("n3"), "--token", token);
    equal(code, 1);
    match(stderr, /^Error: Cannot join as "n3" must be the name of a new node: there is one already/m);
    match(stderr, /k3ts token create --node n3/);
    const bound = (await nodes.k3ts("token", "create", "--node", "n5")).trim();
    match(
      (await n5.tryK3ts(...as("n6"), "--token", bound)).stderr,
      /as the token must be for that node: it is for "n5"/,
    );
    await n5.start([...options("n5"), "--token", bound], ready);
  });

  await t.step("what a node has it keeps: it starts again without a token, and its pods reach the API", async () => {
    const before = await nodes.kubectl("get", "node", "n2", "-o", "jsonpath={.spec.podCIDR}{.metadata.uid}");
    equal(await nodes.machine("n2").interrupt(), 0);
    await nodes.machine("n2").start(options("n2"), ready);
    equal(await nodes.kubectl("get", "node", "n2", "-o", "jsonpath={.spec.podCIDR}{.metadata.uid}"), before);
    const ranges = (await nodes.kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.podCIDR}")).split(" ");
    equal(new Set(ranges).size, 4);
    for (const name of ["n2", "n3"]) {
      const address = await nodes.kubectl("get", "node", name, "-o", "jsonpath={.status.addresses[0].address}");
      equal(address, nodes.addressOf(name));
    }
    notEqual((await nodes.run("n2", ["nft", "list", "table", "ip", "k3ts"])).stdout, "");
    const api = await nodes.run("n2", [
      Deno.execPath(),
      "eval",
      'await Deno.connect({ hostname: "10.43.0.1", port: 443 })',
    ]);
    equal(api.code, 0, api.stderr);
  });
});
