/** Amounts as plain numbers, exact to what a double holds: enough for cores and bytes. */
const SCALES: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** `500m` is 0.5, `64Mi` is 67,108,864 (apimachinery resource.Quantity). */
export function parseQuantity(quantity: string | number): number {
  const match = /^([+-]?[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)$/.exec(String(quantity).trim());
  const scale = match === null ? undefined : SCALES[match[2]!];
  if (match === null || scale === undefined || match[1] === "") {
    throw new Error(`Cannot read quantity "${quantity}" as it must be a number with a suffix such as m, k, Mi`);
  }
  const value = Number(match[1]) * scale;
  // Milli-units are exact in the source and must not become 0.30000000000000004.
  return scale < 1 ? Math.round(value * 1e9) / 1e9 : value;
}
