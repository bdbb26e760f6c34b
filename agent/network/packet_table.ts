/**
 * An nftables table as data, and the script that turns one into another in one transaction (nft(8)). Pure.
 *
 * Only what differs is touched: sets that the kernel fills keep what they have learned, and a change of one Service
 * costs the same however many there are.
 */

export interface PacketTable {
  /** By name. */
  chains: Map<string, Chain>;
  maps: Map<string, VerdictMap>;
  sets: Map<string, ClientSet>;
}

export interface Chain {
  /** Where packets enter: `type nat hook prerouting priority dstnat; policy accept;`. Undefined: from other chains. */
  hook?: string;
  /** Undefined: not known, as it was found rather than made. */
  rules?: readonly string[];
}

export interface VerdictMap {
  /** Of a key: `ipv4_addr . inet_proto . inet_service`. */
  type: string;
  /** Verdicts by key. Undefined: not known. */
  elements?: ReadonlyMap<string, string>;
}

/** Addresses that rules have added, each for so many seconds. */
export interface ClientSet {
  seconds: number;
}

/** The names of what was found in the kernel. */
export interface FoundTable {
  chains: readonly string[];
  maps: readonly string[];
  sets: readonly string[];
}

/** Clients that a set remembers at most; the kernel refuses the rest, and they are balanced as others are. */
const CLIENTS_MAX = 65_536;

/** What was found, nothing of whose contents is known. */
export function unknownTable(found: FoundTable, desired: PacketTable): PacketTable {
  return {
    chains: new Map(found.chains.map((name) => [name, {}])),
    maps: new Map(found.maps.map((name) => [name, { type: desired.maps.get(name)?.type ?? "" }])),
    // A set that is to stay must keep what it has learned; its time is renewed with each use.
    sets: new Map(found.sets.map((name) => [name, desired.sets.get(name) ?? { seconds: 0 }])),
  };
}

/**
 * @param before undefined: whatever is there goes first
 * @returns empty when nothing is to be done
 */
export function planChange(name: string, before: PacketTable | undefined, after: PacketTable): string {
  const table = `ip ${name}`;
  const old = before ?? { chains: new Map(), maps: new Map(), sets: new Map() };
  const chains = [...after.chains].filter(([chain, { rules }]) => !equalLists(old.chains.get(chain)?.rules, rules));
  const lines = [
    ...declarations(table, old, after),
    ...emptied(table, old, after, chains.map(([chain]) => chain)),
    ...chains.flatMap(([chain, { rules }]) => (rules ?? []).map((rule) => `add rule ${table} ${chain} ${rule}`)),
    ...added(table, old, after),
    ...removed(table, old, after),
  ];
  if (before === undefined) {
    return [`table ${table}`, `delete table ${table}`, `table ${table}`, ...lines, ""].join("\n");
  }
  return lines.length === 0 ? "" : [`table ${table}`, ...lines, ""].join("\n");
}

function declarations(table: string, old: PacketTable, after: PacketTable): string[] {
  const fresh = <T>(kind: ReadonlyMap<string, T>, known: ReadonlyMap<string, T>) =>
    [...kind].filter(([name]) => !known.has(name));
  return [
    ...fresh(after.maps, old.maps).map(([map, { type }]) => `add map ${table} ${map} { type ${type} : verdict; }`),
    ...fresh(after.sets, old.sets).map(([set, { seconds }]) =>
      `add set ${table} ${set} { type ipv4_addr; size ${CLIENTS_MAX}; flags dynamic,timeout; timeout ${seconds}s; }`
    ),
    ...fresh(after.chains, old.chains).map(([chain, { hook }]) =>
      `add chain ${table} ${chain}${hook === undefined ? "" : ` { ${hook} }`}`
    ),
  ];
}

/** Before anything is filled: what refers to something that goes must have let go of it. */
function emptied(table: string, old: PacketTable, after: PacketTable, changed: readonly string[]): string[] {
  const stale = [...old.chains.keys()].filter((chain) => !after.chains.has(chain));
  const maps = [...old.maps].flatMap(([map, { elements }]) => {
    if (!after.maps.has(map) || elements === undefined) return [`flush map ${table} ${map}`];
    const desired = after.maps.get(map)!.elements;
    const gone = [...elements].filter(([key, verdict]) => desired?.get(key) !== verdict);
    return gone.length === 0 ? [] : [`delete element ${table} ${map} { ${listed(gone)} }`];
  });
  return [
    ...maps,
    ...[...changed.filter((chain) => old.chains.has(chain)), ...stale].map((chain) => `flush chain ${table} ${chain}`),
  ];
}

function added(table: string, old: PacketTable, after: PacketTable): string[] {
  return [...after.maps].flatMap(([map, { elements }]) => {
    const known = old.maps.get(map)?.elements;
    const fresh = [...(elements ?? [])].filter(([key, verdict]) => known?.get(key) !== verdict);
    return fresh.length === 0 ? [] : [`add element ${table} ${map} { ${listed(fresh)} }`];
  });
}

function removed(table: string, old: PacketTable, after: PacketTable): string[] {
  const gone = <T>(kind: ReadonlyMap<string, T>, desired: ReadonlyMap<string, T>) =>
    [...kind.keys()].filter((name) => !desired.has(name));
  return [
    ...gone(old.chains, after.chains).map((chain) => `delete chain ${table} ${chain}`),
    ...gone(old.maps, after.maps).map((map) => `delete map ${table} ${map}`),
    ...gone(old.sets, after.sets).map((set) => `delete set ${table} ${set}`),
  ];
}

function listed(elements: readonly (readonly [string, string])[]): string {
  return elements.map(([key, verdict]) => `${key} : ${verdict}`).sort().join(", ");
}

function equalLists(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  return one !== undefined && other !== undefined && one.length === other.length &&
    one.every((each, at) => each === other[at]);
}
