/** The order of values as people expect it: numbers by size, quantities by what they mean, all else as text. */
import { tryParseQuantity } from "@k3ts/model/objects";

/** What is missing goes first. */
export function compareValues(left: unknown, right: unknown): number {
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined);
  if (typeof left === "number" && typeof right === "number") return left - right;
  const [a, b] = [String(left), String(right)];
  const [quantityA, quantityB] = [tryParseQuantity(a), tryParseQuantity(b)];
  if (quantityA !== undefined && quantityB !== undefined) {
    return quantityA.nanos < quantityB.nanos ? -1 : quantityA.nanos > quantityB.nanos ? 1 : 0;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}
