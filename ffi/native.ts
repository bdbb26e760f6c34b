/** The native services of this process. */
import type { Transport } from "@connectrpc/connect";
import { connectFrames } from "@k3ts/proto/frames";
import { nativeFolder, openLibrary } from "./library.ts";

export interface NativeOptions {
  /** Where `libk3ts.so` is. @default `K3TS_NATIVE`, or what this checkout links to */
  folder?: string;
  /** Closes it. */
  signal?: AbortSignal;
}

export interface Native extends AsyncDisposable {
  /** Calls StoreService, RuntimeService, ImageService, NetworkService and EchoService, all in this process. */
  readonly transport: Transport;
  /** Cancels what is open, and ends the library's threads. */
  close(): Promise<void>;
}

/**
 * Opens the native services. Each has a binding of its own beside this file.
 * @throws when the library is missing or of another version
 */
export function openNative(options: NativeOptions = {}): Promise<Native> {
  return Promise.try(() => {
    const channel = openLibrary(options.folder ?? nativeFolder());
    return connectFrames(channel, { side: "dialer", signal: options.signal });
  });
}
