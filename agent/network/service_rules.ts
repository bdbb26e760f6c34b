/**
 * Keeps the packet rules of Services in the kernel as they are planned, and forgets connections that lead to
 * endpoints which are gone.
 */
import type { Client } from "@connectrpc/connect";
import { explain, type Log } from "@k3ts/client/telemetry";
import type { NetworkService } from "@k3ts/proto";
import { staleFlows } from "./flows.ts";
import { type PacketTable, planChange, unknownTable } from "./packet_table.ts";
import { deleteFlows, findTable, hasTable, listFlows } from "./programs.ts";
import { planRules, type RulesInput } from "./rules.ts";
import { type HostPort, type Port, portsOf } from "./service_ports.ts";

const TABLE = "k3ts";

export class ServiceRules {
  /** As in the kernel; undefined when that is not known. */
  #table: PacketTable | undefined;
  /** What the flows of UDP were last held against. */
  #endpoints = "";

  constructor(
    private readonly native: Pick<Client<typeof NetworkService>, "applyRules">,
    private readonly log: Log,
  ) {}

  async sync(input: RulesInput): Promise<void> {
    const desired = planRules(input);
    await this.#apply(desired);
    await this.#forget(portsOf(input.services, input.slices, input.nodeName, input.leaving), input.hostPorts);
  }

  /** Whether somebody has taken away what was set last, as `nft flush ruleset` does. The next sync sets it anew. */
  async areGone(): Promise<boolean> {
    const known = this.#table;
    if (known === undefined || await hasTable(TABLE)) return false;
    if (this.#table === known) this.#table = undefined;
    return true;
  }

  async #apply(desired: PacketTable): Promise<void> {
    const before = this.#table ?? await this.#found(desired);
    const change = planChange(TABLE, before, desired);
    if (change !== "") {
      this.#table = undefined; // until it is known what has become of it
      await this.native.applyRules({ script: change }).catch(async (error) => {
        if (before === undefined) throw error;
        this.log.warn("Replacing all packet rules as a change of them was refused", { error: explain(error) });
        await this.native.applyRules({ script: planChange(TABLE, undefined, desired) });
      });
    }
    this.#table = desired;
  }

  /** What an earlier agent has left; undefined when there is nothing. */
  async #found(desired: PacketTable): Promise<PacketTable | undefined> {
    const found = await findTable(TABLE);
    return found && unknownTable(found, desired);
  }

  async #forget(ports: readonly Port[], hostPorts: readonly HostPort[]): Promise<void> {
    const isUdp = ({ protocol }: Port | HostPort) => protocol === "udp";
    const endpoints = JSON.stringify([ports.filter(isUdp), hostPorts.filter(isUdp)]);
    if (endpoints === this.#endpoints) return;
    await deleteFlows(staleFlows(await listFlows(), ports, hostPorts));
    this.#endpoints = endpoints;
  }
}
