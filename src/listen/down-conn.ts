// A caller's connection as its listener sees it, whatever protocol it speaks. Worker thread; owned by its listener.

export interface DownConn {
  // The listener's list of connections.
  prev: DownConn | null;
  next: DownConn | null;
  /** This connection holds one of the listener's `maxConnections`. */
  readonly counted: boolean;
  /** This connection speaks TLS, and is counted so. */
  readonly secure: boolean;
  /** Monotonic ms of its acceptance. */
  readonly since: number;
  /** The listener stops: close when idle, else after what is under way. */
  drain(): void;
  /** Closes if nothing is under way here, and nothing has been for this long. */
  closeIfIdle(ms: number): void;
  /** RST at once. */
  kill(): void;
}

/** A listener as the root of a worker sees it, whatever it speaks. */
export interface ListenDoor {
  /** Connections (uws: requests) that a drain waits for. */
  readonly connections: number;
  /** Idle connections close now, busy ones after what is under way. */
  drain(): void;
  closeAll(): void;
  /** Called on a slow tick: closes what overload wants closed. */
  relieve(): void;
}
