/** @returns what a person reads of the time since then: minutes and seconds, 12:05 @param since ms since the epoch */
export function elapsed(since: number): string {
  const seconds = Math.round((Date.now() - since) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
