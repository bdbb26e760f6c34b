/**
 * Quantities: `100m`, `1.5Gi`, `2e3` (k8s.io/apimachinery `api/resource`, 1.35).
 *
 * Held exactly, as nano units in a bigint; nothing finer exists, and what is finer is rounded up, as Kubernetes does.
 */

export interface Quantity {
  /** The value in units of 10⁻⁹. */
  readonly nanos: bigint;
  /** Which suffixes its canonical form uses. */
  readonly format: "DecimalSI" | "BinarySI" | "DecimalExponent";
}

const NANO = 1_000_000_000n;
/** Values are capped here, as Kubernetes caps them. */
const VALUE_MAX = (1n << 63n) - 1n;

const BINARY: Record<string, bigint> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};
/** Powers of ten by suffix. */
const DECIMAL: Record<string, number> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
/** Digits of an exponent that can still matter. */
const EXPONENT_MAX = 64;

const SYNTAX = /^([+-]?)(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?$/;

/** The words that Kubernetes refuses a quantity with. */
export const QUANTITY_PROBLEM = "quantities must match the regular expression " +
  "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** @throws {RangeError} where the text is no quantity */
export function parseQuantity(text: string | number): Quantity {
  const quantity = tryParseQuantity(text);
  if (quantity === undefined) throw new RangeError(QUANTITY_PROBLEM);
  return quantity;
}

/** As {@link parseQuantity}, undefined where the text is no quantity. Numbers are read as their decimal text. */
export function tryParseQuantity(text: string | number): Quantity | undefined {
  const parts = SYNTAX.exec(String(text));
  if (parts === null) return undefined;
  const [, sign, digits, suffix = ""] = parts as unknown as [string, string, string, string?];
  const [whole = "", fraction = ""] = digits.split(".");
  const mantissa = BigInt(whole + fraction || "0");
  const binary = BINARY[suffix];
  const isExponent = /^[eE][+-]?\d+$/.test(suffix);
  const exponent = isExponent ? Number(suffix.slice(1)) : DECIMAL[suffix] ?? 0;
  if (Math.abs(exponent) > EXPONENT_MAX) return undefined;

  const scale = exponent - fraction.length + 9;
  const scaled = mantissa * (binary ?? 1n);
  let nanos = scale >= 0 ? scaled * 10n ** BigInt(scale) : divideUp(scaled, 10n ** BigInt(-scale));
  if (nanos > VALUE_MAX * NANO) nanos = VALUE_MAX * NANO;
  return {
    nanos: sign === "-" ? -nanos : nanos,
    format: binary !== undefined ? "BinarySI" : isExponent ? "DecimalExponent" : "DecimalSI",
  };
}

/** The canonical form: `0.5` is `500m`, `1024Mi` is `1Gi`, `1500` stays. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return "0";
  const sign = nanos < 0n ? "-" : "";
  const size = nanos < 0n ? -nanos : nanos;
  // Binary suffixes have nothing below one, and from -1023 to 1023 say nothing that plain digits do not.
  if (format === "BinarySI" && size % NANO === 0n && size >= 1024n * NANO) {
    let value = size / NANO;
    let suffix = "";
    for (const [name, unit] of Object.entries(BINARY)) {
      if ((size / NANO) % unit === 0n) [value, suffix] = [size / NANO / unit, name];
    }
    return `${sign}${value}${suffix}`;
  }
  let value = size;
  let exponent = -9;
  while (value % 1000n === 0n && exponent < 18) {
    value /= 1000n;
    exponent += 3;
  }
  if (format === "DecimalExponent") return `${sign}${value}${exponent === 0 ? "" : `e${exponent}`}`;
  const suffix = Object.keys(DECIMAL).find((name) => DECIMAL[name] === exponent)!;
  return `${sign}${value}${suffix}`;
}

/** The canonical form of a text, which stays as it is where it is no quantity. */
export function canonicalQuantity(text: string | number): string {
  const quantity = tryParseQuantity(text);
  return quantity === undefined ? String(text) : formatQuantity(quantity);
}

/** In whole units, rounded up: bytes of memory. */
export function quantityValue({ nanos }: Quantity): number {
  return Number(divideUp(nanos, NANO));
}

/** In thousandths, rounded up: a processor's share. */
export function quantityMilliValue({ nanos }: Quantity): number {
  return Number(divideUp(nanos, NANO / 1000n));
}

/** Away from zero. */
function divideUp(value: bigint, by: bigint): bigint {
  if (value < 0n) return -divideUp(-value, by);
  return (value + by - 1n) / by;
}
