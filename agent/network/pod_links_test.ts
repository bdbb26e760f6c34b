import { deepEqual, equal, rejects } from "node:assert/strict";
import { createLog } from "@k3ts/client/telemetry";
import { BRIDGE, linkOf, type PodLink, PodLinks, type PodLinksOptions } from "./pod_links.ts";

/** A kernel with a bridge, or without, and interfaces on it. */
class Kernel {
  index = 0;
  isThere = false;
  links = new Set<string>();
  readonly attached: string[] = [];
  /** What an attachment waits for. */
  gate: Promise<void> = Promise.resolve();

  readonly native = {
    ensureBridge: () => {
      if (!this.isThere) this.index++;
      this.isThere = true;
      return Promise.resolve({ index: this.index });
    },
    attach: async ({ hostInterface, address, bridge, gateway }: Record<string, string>) => {
      await this.gate;
      if (!this.isThere) throw new Error("there is no bridge");
      deepEqual([bridge, gateway], [BRIDGE, "10.42.0.1"]);
      this.links.add(hostInterface!);
      this.attached.push(`${hostInterface} ${address}`);
    },
    removeLink: ({ name }: { name: string }) => Promise.resolve(this.links.delete(name)),
    listLinks: () => Promise.resolve({ links: [...this.links].map((name) => ({ name, up: true })) }),
  } as unknown as PodLinksOptions["native"];

  linksOf(...pods: PodLink[]): PodLinks {
    return new PodLinks({
      native: this.native,
      addresses: ["10.42.0.1/24", "10.43.0.10/32"],
      routes: [],
      links: () => pods,
      log: createLog(() => {}, () => 0),
    });
  }
}

const A: PodLink = { uid: "a", networkNamespace: "/a/net", address: "10.42.0.2" };
const B: PodLink = { uid: "b", networkNamespace: "/b/net", address: "10.42.0.3" };

Deno.test("what hangs on a bridge that was taken away hangs on the next one, and what is right is left alone", async () => {
  const kernel = new Kernel();
  const links = kernel.linksOf(A, B);
  await links.mend();
  deepEqual(kernel.attached.splice(0), ["k3va 10.42.0.2/32", "k3vb 10.42.0.3/32"], "of the agent before");
  await links.mend();
  deepEqual(kernel.attached, []);
  kernel.isThere = false;
  await links.mend();
  deepEqual(kernel.attached.splice(0), ["k3va 10.42.0.2/32", "k3vb 10.42.0.3/32"]);
  kernel.links.delete("k3vb");
  await links.mend();
  deepEqual(kernel.attached, ["k3vb 10.42.0.3/32"]);
});

Deno.test("a pod that comes when there is no bridge makes one", async () => {
  const kernel = new Kernel();
  await kernel.linksOf().attach(A);
  equal(kernel.isThere, true);
  deepEqual([...kernel.links], ["k3va"]);
});

Deno.test("an interface that is taken away does not come back", async () => {
  const kernel = new Kernel();
  const links = kernel.linksOf(A);
  const gate = Promise.withResolvers<void>();
  kernel.gate = gate.promise;
  const mending = links.mend();
  while (kernel.index === 0) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve));
  const detached = links.detach("a");
  gate.resolve();
  await Promise.all([mending, detached]);
  deepEqual([...kernel.links], []);
});

Deno.test("one that cannot be attached is tried again", async () => {
  const kernel = new Kernel();
  const links = kernel.linksOf(A);
  kernel.gate = Promise.reject(new Error("no"));
  kernel.gate.catch(() => {});
  await links.mend();
  kernel.links.add("k3va");
  kernel.gate = Promise.resolve();
  await links.mend();
  deepEqual(kernel.attached, ["k3va 10.42.0.2/32"]);
  kernel.gate = Promise.reject(new Error("no"));
  kernel.gate.catch(() => {});
  await rejects(links.attach(B), /no/);
});

Deno.test("an interface has a name that the kernel takes", () => {
  equal(linkOf("0a0a0a0a-0b0b-4000-8000-000000000001"), "k3v0a0a0a0a0b0b");
});
