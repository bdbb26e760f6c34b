/**
 * The order of a merged list: items of the patch in the patch's order, those only the server has in the server's,
 * and the two woven together as near to the server's order as that allows.
 */
import { canonicalJson, isJsonObject, type Json } from "../json.ts";

export interface Parted {
  /** Items that the order names. */
  named: Json[];
  /** Items that it does not name. */
  others: Json[];
}

/** What an item is compared by: its merge key's value, or itself. */
export function valueOf(item: Json, key: string | undefined): Json {
  return key !== undefined && isJsonObject(item) ? item[key] ?? null : item;
}

export function partition(list: readonly Json[], order: readonly Json[], key?: string): Parted {
  const names = new Set(order.map((item) => canonicalJson(valueOf(item, key))));
  const named: Json[] = [];
  const others: Json[] = [];
  for (const item of list) (names.has(canonicalJson(valueOf(item, key))) ? named : others).push(item);
  return { named, others };
}

export function restoreOrder(
  parted: Parted,
  order: readonly Json[],
  serverOrder: readonly Json[],
  key?: string,
): Json[] {
  const wanted = ranks(order, key);
  const server = ranks(serverOrder, key);
  const rank = (ranking: Map<string, number>, item: Json) => ranking.get(canonicalJson(valueOf(item, key)));
  const sorted = (list: Json[], ranking: Map<string, number>) =>
    list.map((item, at) => ({ item, rank: rank(ranking, item) ?? ranking.size + at }))
      .sort((a, b) => a.rank - b.rank).map(({ item }) => item);

  const named = sorted(parted.named, wanted);
  const others = sorted(parted.others, server);
  const woven: Json[] = [];
  let i = 0;
  for (const item of named) {
    const place = rank(server, item);
    while (i < others.length && place !== undefined && (rank(server, others[i]!) ?? Infinity) < place) {
      woven.push(others[i++]!);
    }
    woven.push(item);
  }
  return [...woven, ...others.slice(i)];
}

function ranks(order: readonly Json[], key: string | undefined): Map<string, number> {
  const places = new Map<string, number>();
  order.forEach((item, index) => {
    const value = canonicalJson(valueOf(item, key));
    if (!places.has(value)) places.set(value, index);
  });
  return places;
}
