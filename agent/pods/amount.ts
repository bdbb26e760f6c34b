import { parseQuantity } from "@k3ts/model/objects";

/** A quantity as a plain number, exact to what a double holds: enough for cores and bytes. `500m` is 0.5. */
export function amountOf(quantity: string | number): number {
  return Number(parseQuantity(quantity).nanos) / 1e9;
}
