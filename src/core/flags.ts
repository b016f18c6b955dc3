// Envoy's response flags: one bit each, so that a Stream carries any set of them in one number.
// Any thread. The names are public: they stand in access logs and in what people search for.

export const FLAG_UH = 1 << 0; // NoHealthyUpstream
export const FLAG_UF = 1 << 1; // UpstreamConnectionFailure
export const FLAG_UO = 1 << 2; // UpstreamOverflow
export const FLAG_NR = 1 << 3; // NoRouteFound
export const FLAG_URX = 1 << 4; // UpstreamRetryLimitExceeded
export const FLAG_NC = 1 << 5; // NoClusterFound
export const FLAG_DT = 1 << 6; // DurationTimeout
export const FLAG_DC = 1 << 7; // DownstreamConnectionTermination
export const FLAG_UT = 1 << 8; // UpstreamRequestTimeout
export const FLAG_LR = 1 << 9; // LocalReset
export const FLAG_UR = 1 << 10; // UpstreamRemoteReset
export const FLAG_UC = 1 << 11; // UpstreamConnectionTermination
export const FLAG_SI = 1 << 12; // StreamIdleTimeout
export const FLAG_DPE = 1 << 13; // DownstreamProtocolError
export const FLAG_UPE = 1 << 14; // UpstreamProtocolError
export const FLAG_OM = 1 << 15; // OverloadManagerTerminated
export const FLAG_RL = 1 << 16; // RateLimited

/** Bit position → short name, long name, in the order in which several flags are printed (Envoy's). */
export const FLAG_NAMES: readonly (readonly [short: string, long: string])[] = [
  ['UH', 'NoHealthyUpstream'],
  ['UF', 'UpstreamConnectionFailure'],
  ['UO', 'UpstreamOverflow'],
  ['NR', 'NoRouteFound'],
  ['URX', 'UpstreamRetryLimitExceeded'],
  ['NC', 'NoClusterFound'],
  ['DT', 'DurationTimeout'],
  ['DC', 'DownstreamConnectionTermination'],
  ['UT', 'UpstreamRequestTimeout'],
  ['LR', 'LocalReset'],
  ['UR', 'UpstreamRemoteReset'],
  ['UC', 'UpstreamConnectionTermination'],
  ['SI', 'StreamIdleTimeout'],
  ['DPE', 'DownstreamProtocolError'],
  ['UPE', 'UpstreamProtocolError'],
  ['OM', 'OverloadManagerTerminated'],
  ['RL', 'RateLimited'],
];

/** `UF,URX`, or `-` when no flag is set (`%RESPONSE_FLAGS%`). */
export function formatFlags(flags: number, long = false): string {
  if (flags === 0) return '-';
  const names: string[] = [];
  for (let bit = 0; bit < FLAG_NAMES.length; bit++) {
    if ((flags & (1 << bit)) !== 0) names.push(FLAG_NAMES[bit]![long ? 1 : 0]);
  }
  return names.join(',');
}
