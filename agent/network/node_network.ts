/**
 * The pods' network on this node: the bridge, each pod's interface, the rules of Services, the names of DNS.
 *
 * Rules and names are planned anew when something has changed and put in place only where they differ; changes that
 * come together are one.
 */
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { delay } from "@k3ts/client";
import { explain, type Log } from "@k3ts/client/telemetry";
import type { EndpointSlice, Service } from "@k3ts/model/objects";
import { type DnsService, DnsSnapshotSchema, type NetworkService } from "@k3ts/proto";
import { type Files, writeWhole } from "../file_steps.ts";
import { readHostFile } from "../files.ts";
import { parseResolvConf } from "../runtime/pod_files.ts";
import { Addresses, gatewayOf } from "./addresses.ts";
import { planDns } from "./dns.ts";
import { isReadyEndpoint } from "./endpoints.ts";
import { BRIDGE, LOOK_MS, PodLinks } from "./pod_links.ts";
import type { HostPort } from "./service_ports.ts";
import { ServiceRules } from "./service_rules.ts";

export interface NetworkFacts {
  nodeName: string;
  /** This node's own: 10.42.0.0/24. */
  nodeCidr: string;
  podCidr: string;
  serviceCidr: string;
  dnsAddress: string;
  clusterDomain: string;
}

/** What rules and names are made of, as it is now. */
export interface NetworkSources {
  services(): Service[];
  slices(): EndpointSlice[];
  pods(): { namespace: string; address: string }[];
  /** This node's pods that have a network of their own, and where that is pinned. */
  networks(): { uid: string; networkNamespace: string }[];
  /** Of this node's pods. */
  hostPorts(): HostPort[];
  hasOtherNodes(): boolean;
}

/** Services may change together a lot: what is planned waits this long for the rest. */
const GATHER_MS = 10;
/** The same, where all that changes is the name that a pod's address has by itself. */
const GATHER_NAMES_MS = 500;
const RETRY_MS = 2_000;
/** How long the end of a pod waits for the rules to leave it out. */
const LEAVE_MS_MAX = 2_000;
/** What other nodes need to bring their rules up to date, milliseconds. */
const OTHERS_MS = 200;

/** Told how long it took to bring the rules, or the names, up to date. */
export type OnSynced = (what: "rules" | "names", seconds: number, isDone: boolean) => void;

export class NodeNetwork {
  readonly addresses: Addresses;
  readonly facts: NetworkFacts;
  readonly #links: PodLinks;
  readonly #dns: Pick<Client<typeof DnsService>, "loadSnapshot">;
  readonly #dnsFile: string;
  readonly #files: Files;
  readonly #sources: NetworkSources;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #leaving = new Set<string>();
  readonly #rules: ServiceRules;
  readonly #onSynced: OnSynced;
  #problem: string | undefined = "the packet rules were not set yet";
  #names = "";
  #syncing: Promise<void> | undefined;
  #again = false;
  /** Of what may wait. */
  #later: ReturnType<typeof setTimeout> | undefined;
  /** Of the next time that rules and names are up to date. */
  #synced = Promise.withResolvers<void>();

  private constructor(parts: {
    addresses: Addresses;
    facts: NetworkFacts;
    native: Client<typeof NetworkService>;
    files: Files;
    dns: Pick<Client<typeof DnsService>, "loadSnapshot">;
    dnsFile: string;
    sources: NetworkSources;
    synced?: OnSynced;
    log: Log;
    signal: AbortSignal;
  }) {
    this.addresses = parts.addresses;
    this.facts = parts.facts;
    const { facts, addresses, sources } = parts;
    this.#links = new PodLinks({
      native: parts.native,
      addresses: [`${gatewayOf(facts.nodeCidr)}/${facts.nodeCidr.split("/")[1]}`, `${facts.dnsAddress}/32`],
      routes: [facts.serviceCidr],
      links: () =>
        sources.networks().flatMap((one) => {
          const address = addresses.of(one.uid);
          return address === undefined ? [] : [{ ...one, address }];
        }),
      log: parts.log,
    });
    this.#rules = new ServiceRules(parts.native, parts.log);
    this.#dns = parts.dns;
    this.#dnsFile = parts.dnsFile;
    this.#files = parts.files;
    this.#sources = parts.sources;
    this.#onSynced = parts.synced ?? (() => {});
    this.#log = parts.log;
    this.#signal = parts.signal;
  }

  /** Makes the bridge; pods that are there already stay as they are. */
  static async open(options: {
    facts: NetworkFacts;
    addressesFile: string;
    dnsFile: string;
    native: Client<typeof NetworkService>;
    files: Files;
    dns: Pick<Client<typeof DnsService>, "loadSnapshot">;
    sources: NetworkSources;
    synced?: OnSynced;
    log: Log;
    signal: AbortSignal;
  }): Promise<NodeNetwork> {
    const addresses = await Addresses.open(options.addressesFile, options.facts.nodeCidr, options.files);
    const network = new NodeNetwork({ ...options, addresses });
    await network.#links.ensureBridge();
    return network;
  }

  /** Why rules or names are not up to date; undefined when they are. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get gateway(): string {
    return gatewayOf(this.facts.nodeCidr);
  }

  /** Keeps bridge, interfaces and rules as they should be, until the signal fires. They stay. */
  async keep(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#links.keep(signal), this.#keepRules(signal)]);
  }

  async #keepRules(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(LOOK_MS, signal).catch(() => {}); // the end
      try {
        if (signal.aborted || !await this.#rules.areGone()) continue;
        this.#log.warn("The packet rules were gone");
        await this.changed();
      } catch (error) {
        this.#log.error("Cannot look after the packet rules", error);
      }
    }
  }

  /** Gives a pod its interface. Its address stays the same until {@link detach}. */
  async attach(podUid: string, networkNamespace: string): Promise<string> {
    const address = await this.addresses.give(podUid);
    this.#leaving.delete(address);
    await this.#links.attach({ uid: podUid, networkNamespace, address });
    return address;
  }

  async detach(podUid: string): Promise<void> {
    const address = this.addresses.of(podUid);
    await this.#links.detach(podUid);
    await this.addresses.free(podUid);
    if (address !== undefined) this.#leaving.delete(address);
    this.podChanged(false);
  }

  /**
   * Resolves when no new connections come to a pod: when the rules of this node leave it out, and so do the Services'
   * endpoints, from which the other nodes learn; after 2 s in any case.
   */
  async leave(address: string): Promise<void> {
    this.#leaving.add(address);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, LEAVE_MS_MAX);
    try {
      await Promise.race([this.#left(address), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #left(address: string): Promise<void> {
    const wasListed = this.#isListed(address);
    await this.changed();
    while (this.#isListed(address)) await this.#synced.promise;
    // Other nodes see at the same time what this one sees, and tell nobody when they have followed.
    if (wasListed && this.#sources.hasOtherNodes()) await delay(OTHERS_MS, this.#signal);
  }

  #isListed(address: string): boolean {
    return this.#sources.slices().some(({ endpoints }) =>
      endpoints?.some((endpoint) => isReadyEndpoint(endpoint) && endpoint.addresses.includes(address))
    );
  }

  /** Something that rules or names are made of has changed. Resolves when they have followed. */
  changed(): Promise<void> {
    if (this.#syncing !== undefined) {
      this.#again = true;
      return this.#syncing;
    }
    return this.#syncing = this.#syncAll();
  }

  /** A pod has got or lost its address. @param hasPorts some of the host's lead there: that is not to wait */
  podChanged(hasPorts: boolean): void {
    if (hasPorts) this.changed();
    else if (this.#later === undefined) {
      this.#later = setTimeout(() => this.changed(), GATHER_NAMES_MS);
      Deno.unrefTimer(this.#later);
    }
  }

  async #syncAll(): Promise<void> {
    do {
      clearTimeout(this.#later);
      this.#later = undefined;
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      this.#again = false;
      // One that fails must not keep the other from being done.
      const results = await Promise.allSettled([
        this.#timed("rules", () => this.#syncRules()),
        this.#timed("names", () => this.#syncNames()),
      ]);
      const failed = results.filter((one) => one.status === "rejected");
      this.#problem = failed.length === 0 ? undefined : explain(failed[0]!.reason);
      for (const { reason } of failed) this.#log.error("Cannot bring the network up to date", reason);
      this.#synced.resolve();
      this.#synced = Promise.withResolvers();
      if (failed.length > 0) delay(RETRY_MS, this.#signal).then(() => this.changed(), () => {});
    } while (this.#again);
    // In the same turn as the question above, so that no change falls between the two.
    this.#syncing = undefined;
  }

  async #timed(what: Parameters<OnSynced>[0], work: () => Promise<void>): Promise<void> {
    const began = performance.now();
    let isDone = false;
    try {
      await work();
      isDone = true;
    } finally {
      this.#onSynced(what, (performance.now() - began) / 1000, isDone);
    }
  }

  async #syncRules(): Promise<void> {
    await this.#rules.sync({
      services: this.#sources.services(),
      slices: this.#sources.slices(),
      hostPorts: this.#sources.hostPorts(),
      nodeName: this.facts.nodeName,
      bridge: BRIDGE,
      podCidr: this.facts.podCidr,
      serviceCidr: this.facts.serviceCidr,
      leaving: this.#leaving,
    });
  }

  async #syncNames(): Promise<void> {
    const host = parseResolvConf(readHostFile("/etc/resolv.conf"));
    const plan = planDns({
      services: this.#sources.services(),
      slices: this.#sources.slices(),
      pods: this.#sources.pods(),
      domain: this.facts.clusterDomain,
      upstreams: host.nameservers.filter((one) => one !== this.facts.dnsAddress).map(withPort),
      version: "",
    });
    const content = toBinary(DnsSnapshotSchema, plan);
    const version = createHash("sha256").update(content).digest("hex").slice(0, 24);
    if (version === this.#names) return;
    plan.version = version;
    const snapshot = toBinary(DnsSnapshotSchema, plan);
    await this.#files.changeFiles({ steps: [writeWhole(this.#dnsFile, snapshot, { sync: true })] });
    this.#names = version;
    // A dataplane that is not there reads the file when it starts.
    await this.#dns.loadSnapshot({}).catch((error) =>
      this.#log.warn("Cannot tell the dataplane of new names", { error: explain(error) })
    );
  }
}

function withPort(address: string): string {
  return address.includes(":") ? `[${address}]:53` : `${address}:53`;
}
