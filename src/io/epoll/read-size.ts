// @hot
// How many bytes one `recv` asks for. A read that fills its room and whose sink took everything doubles the next, so
// that bulk transfers need few system calls; a sink that lags brings it back, so that little has to be kept for it.

export const READ_LEAST_BYTES = 64 * 1024;
export const READ_MOST_BYTES = 1024 * 1024;

/** The size for the next read, given that this one asked for `asked` and got `got`. */
export function nextReadBytes(asked: number, got: number, sinkLags: boolean): number {
  if (got < asked) return asked;
  if (sinkLags) return READ_LEAST_BYTES;
  return asked < READ_MOST_BYTES ? asked * 2 : asked;
}
