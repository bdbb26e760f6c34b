/** Values that are a number or a percentage: `maxSurge: 25%`. */

export type IntOrString = number | string;

/** Reads `25%`; undefined where it is no percentage. */
export function parsePercent(value: IntOrString): number | undefined {
  return typeof value === "string" && /^\d+%$/.test(value) ? Number(value.slice(0, -1)) : undefined;
}

/**
 * The number itself, or that percentage of a total.
 * @throws {RangeError} where the text is no percentage
 */
export function scaleIntOrPercent(value: IntOrString, total: number, round: "up" | "down"): number {
  if (typeof value === "number") return value;
  const percent = parsePercent(value);
  if (percent === undefined) {
    throw new RangeError(
      `invalid value for IntOrString: invalid type: string is not a percentage: ${JSON.stringify(value)}`,
    );
  }
  // In this order the product is a whole number: 0.07 * 100 is not.
  return round === "up" ? Math.ceil(percent * total / 100) : Math.floor(percent * total / 100);
}

/**
 * How many pods a rolling update may add and take away. Surge is rounded up and unavailability down; as both at zero
 * would never get anywhere, one may then be unavailable.
 * @param replicas wanted
 */
export function resolveFenceposts(
  maxSurge: IntOrString | undefined,
  maxUnavailable: IntOrString | undefined,
  replicas: number,
): { surge: number; unavailable: number } {
  const surge = scaleIntOrPercent(maxSurge ?? 0, replicas, "up");
  const unavailable = scaleIntOrPercent(maxUnavailable ?? 0, replicas, "down");
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}
